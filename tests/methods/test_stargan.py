"""One translator between many domains: losses, whom labels reach, what is asked for, weights as published."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import expit, log_softmax
from tests.methods.translators import labelled_batch, numpy

from gantry.data import open_prepared, prepare
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import build_method
from gantry.methods.relabelling import LabelTranslator
from gantry.networks import build_discriminator, build_translator
from gantry.networks.translators import LabelHeads
from gantry.plan.blocks.translators import LabelResnetNetworks, ResnetBlocksNetworks
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe
from gantry.terms.labels import label_loss

POINTS = DataShape((2,), classes=5)
IMAGES = DataShape((3, 32, 32), attributes=4)
LABELS = {"family": "label_resnet", "width": 2, "patch_width": 2, "blocks": 1}
BASE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "mlp_translator", "width": 8, "depth": 2},
    "objective": {"name": "wasserstein"},
    "batch_size": 6,
    "method": {"name": "stargan", "classification": 0.5, "cycle": 3},
}


def method_of(data: DataShape, **more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | more), data)


@pytest.mark.parametrize(
    ("data", "networks"), [(POINTS, BASE["networks"]), (IMAGES, LABELS)], ids=["classes", "attributes"]
)
def test_losses_are_the_papers(data: DataShape, networks: dict[str, Any]) -> None:
    method = method_of(data, networks=networks)
    batch = labelled_batch(method, data, "generator")
    own, asked = batch.labels, batch.labels[batch.noise["order"]]
    there = method.translator(batch.x, asked)
    real, fake = (method.adversary.discriminator(images) for images in (batch.x, there))

    def labels_loss(said: torch.Tensor, labels: torch.Tensor) -> float:
        logits, y = numpy(said), labels.numpy()
        if data.classes:
            return float(-log_softmax(logits, axis=1)[np.arange(6), y].mean())
        p = expit(logits)
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(1).mean())

    expected = numpy(fake.logits).mean() - numpy(real.logits).mean()
    expected += 0.5 * labels_loss(real.class_logits, own)
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    expected = -numpy(fake.logits).mean() + 0.5 * labels_loss(fake.class_logits, asked)
    expected += 3 * np.abs(numpy(method.translator(there, own)) - numpy(batch.x)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_summed_attributes_weigh_as_many_times_as_the_mean() -> None:
    logits, labels = torch.randn(7, 4), torch.randint(2, (7, 4))
    mean = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
    assert label_loss(logits, labels).item() == pytest.approx(4 * mean.item(), rel=1e-6)


def test_the_authors_penalty_is_ours_with_weight_10_v2_and_centre_1_over_v() -> None:
    """They penalise the gradient of the sum of an image's v verdicts, `gradient_penalty` that of their mean."""
    networks = LABELS | {"halvings": 3}  # 4 × 4 verdicts
    v = 16
    penalty = {"weight": 10.0 * v**2, "center": 1 / v, "points": "real"}
    method = method_of(IMAGES, networks=networks, terms={"gradient_penalty": penalty})
    plain = method_of(IMAGES, networks=networks)
    batch = labelled_batch(method, IMAGES, "discriminator")
    ours = method.loss("discriminator", batch) - plain.loss("discriminator", batch)
    x = batch.x.clone().requires_grad_()
    said = method.adversary.discriminator(x).logits
    assert len(said) == 6 * v
    (slopes,) = torch.autograd.grad(said.sum(), x)
    theirs = 10 * (slopes.flatten(1).norm(dim=1) - 1).square().mean()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


def test_weights_are_as_many_as_published() -> None:
    networks = LabelResnetNetworks(family="label_resnet")
    shape = (3, 128, 128)
    with torch.device("meta"):
        translator = build_translator(networks, (3 + 5, 128, 128), shape)
        heads = LabelHeads(build_discriminator(networks, shape, 1), shape, 5)
    count = lambda network: sum(parameter.numel() for parameter in network.parameters())  # noqa: E731
    assert count(translator) == 8_430_528 and count(heads) == 44_762_048


@pytest.mark.parametrize(("padding", "reached"), [("reflection", False), ("zeros", True)])
def test_label_planes_vanish_behind_reflection_and_instance_norm(padding: str, reached: bool) -> None:
    """What is refused below, and why: a constant plane adds a constant, which instance norm takes away."""
    torch.manual_seed(0)
    networks = ResnetBlocksNetworks(family="resnet_blocks", width=2, blocks=1, padding=padding)  # type: ignore[arg-type]
    translator = LabelTranslator(build_translator(networks, (3 + 5, 32, 32), (3, 32, 32)), 5)
    x = torch.rand(1, 3, 32, 32)
    one, other = (translator(x, torch.tensor([label])) for label in (0, 3))
    assert ((one - other).abs().max().item() > 1e-3) == reached


def test_samples_are_asked_for_every_other_class_and_never_their_own(tmp_path: Any) -> None:
    spec = DatasetSpec(title="points", source="gaussian_grid", options={"count": 300}, held_out=90)
    prepare(spec, "points", tmp_path, None, tmp_path / "data")
    prepared = open_prepared(tmp_path / "data/manifest.json")
    data, held_out = DataShape.of(prepared), prepared.held_out()
    assert held_out is not None and held_out.labels is not None
    method = method_of(data)
    sampler = method.sampler(method.kept)
    asked = sampler.asked("x→c", range(180), held_out)
    own = held_out.labels[np.arange(180) % 90]
    assert not (asked == own).any() and set(asked) == set(range(9))
    given = sampler.inputs("x→c", range(180), torch.Generator(), held_out)
    assert np.array_equal(given["labels"], asked) and np.array_equal(given["x"][:90], held_out.samples)
    assert sampler.directions == tuple(f"→{k}" for k in range(9))
    x = given["x"][:4]
    assert torch.equal(sampler.translate("→3", x), method.translator(x, torch.full((4,), 3)))


def test_what_cannot_be_is_refused() -> None:
    blocks = {"family": "resnet_blocks", "width": 2}
    with pytest.raises(ValidationError, match="set padding: zeros"):
        Recipe.model_validate(BASE | {"networks": blocks})
    Recipe.model_validate(BASE | {"networks": blocks | {"padding": "zeros"}})
    with pytest.raises(ValidationError, match="take family label_resnet"):
        Recipe.model_validate(BASE | {"networks": {"family": "sr_resnet"}})
    with pytest.raises(UserError, match="no labels to translate between"):
        method_of(DataShape((2,)))
    deep = LabelResnetNetworks(family="label_resnet", halvings=6)
    assert "set halvings: 4" in (deep.obstacle(32) or "") and deep.obstacle(64) is None

"""Encoders and decoders of many domains: the loss of two that are drawn, who moves, who combines, refusals."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.translators import BASE, numpy

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation import translating
from gantry.methods import Batch, build_method
from gantry.networks import build_translator
from gantry.plan.blocks.code_translators import ResnetHalvesNetworks
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

CLASSES = DataShape((2,), classes=5, label_names=("ape", "bee", "cat", "dog", "eel"))
COMBOGAN: dict[str, Any] = BASE | {
    "networks": {"family": "mlp_codes", "width": 8, "depth": 2, "code": 2},
    "objective": {"name": "least_squares"},
    "method": {"name": "combogan", "domains": ["cat", "ape", "eel"], "adversarial": 2, "cycle": 3},
}


def method_of(**options: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(COMBOGAN | {"method": COMBOGAN["method"] | options}), CLASSES)


def batch_for(domains: int = 3) -> Batch:
    torch.manual_seed(1)
    return Batch({f"x_{k}" if k else "x": torch.randn(8, 2) + k for k in range(domains)})


def test_losses_are_those_of_both_ways_between_two_domains() -> None:
    """LSGAN: ½E(D(y) − 1)² + ½E D(G(x))² for D, ½E(D(G(x)) − 1)² for G. Written out anew."""
    method = method_of(self_reconstruction=5, code=7)
    method.drawn = (2, 0)
    batch = batch_for()
    networks = list(method.autoencoders)
    expected_d = expected_g = 0.0
    for start, end, x, y in ((2, 0, "x_2", "x"), (0, 2, "x", "x_2")):
        x, y = batch.data[x], batch.data[y]
        code = networks[start].encoder(x)
        there = networks[end].decoder(code)
        again = networks[end].encoder(there)
        back, itself = networks[start].decoder(again), networks[start].decoder(code)
        real, fake = (numpy(method.of[end].discriminator(samples)) for samples in (y, there))
        expected_d += 0.5 * np.square(real - 1).mean() + 0.5 * np.square(fake).mean()
        expected_g += 2 * 0.5 * np.square(fake - 1).mean() + 3 * np.abs(numpy(back) - numpy(x)).mean()
        expected_g += 5 * np.abs(numpy(itself) - numpy(x)).mean()
        expected_g += 7 * np.abs(numpy(again) - numpy(code)).mean()
    assert method.loss("discriminator", batch).item() == pytest.approx(expected_d, rel=1e-5)
    assert method.loss("generator", batch).item() == pytest.approx(expected_g, rel=1e-5)


def test_the_forward_loss_is_of_small_images() -> None:
    """Smooth L1, ½d² below 1 and |d| − ½ above, of means of 3×3 pixels in every second place: loops."""
    shape = DataShape((3, 8, 8), classes=5, label_names=CLASSES.label_names)
    networks = {"family": "resnet_halves", "width": 2, "patch_width": 2, "blocks": 2, "patches": 1}
    torch.manual_seed(1)
    batch = Batch({f"x_{k}" if k else "x": 3 * torch.randn(2, 3, 8, 8) for k in range(3)})
    found = []
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        told = COMBOGAN | {"networks": networks, "method": COMBOGAN["method"] | {"forward": weight}}
        method: Any = build_method(Recipe.model_validate(told), shape)
        method.drawn = (2, 0)
        found.append(method.loss("generator", batch).item())
    expected = 0.0
    for start, end, name in ((2, 0, "x_2"), (0, 2, "x")):
        x = batch.data[name]
        there = method.decoded(method.encoded(x, start), end)
        apart = np.abs(small(numpy(there)) - small(numpy(x)))
        assert apart.max() > 1 > apart.min()
        expected += np.where(apart < 1, apart**2 / 2, apart - 0.5).mean()
    assert found[1] - found[0] == pytest.approx(5 * expected, rel=1e-3)
    with pytest.raises(ValidationError, match="forward is of images, made smaller: take forward away"):
        method_of(forward=1)


def small(images: Any) -> Any:
    places = range(0, images.shape[2] - 2, 2)
    rows = [[images[:, :, i : i + 3, j : j + 3].mean((2, 3)) for j in places] for i in places]
    return np.array(rows)


def test_domains_that_are_not_drawn_stay_as_they_are() -> None:
    method = method_of()
    step = Step(method, method.recipe, torch.device("cpu"))
    drawn = set()
    for iteration in range(6):
        step.begin(iteration)
        drawn.add(frozenset(method.drawn))
        before = [
            {k: v.clone() for k, v in autoencoder.state_dict().items()} for autoencoder in method.autoencoders
        ]
        before_d = [adversary.discriminator.state_dict() for adversary in method.of]
        before_d = [{k: v.clone() for k, v in state.items()} for state in before_d]
        for phase in ("discriminator", "generator"):
            step.update(phase, batch_for())
        for networks, old in (
            (list(method.autoencoders), before),
            ([adversary.discriminator for adversary in method.of], before_d),
        ):
            moved = {
                k
                for k, network in enumerate(networks)
                if any(not torch.equal(v, old[k][name]) for name, v in network.state_dict().items())
            }
            assert moved == set(method.drawn)
    assert len(drawn) > 1


def test_any_two_domains_make_a_translator() -> None:
    method = method_of()
    sampler = method.sampler(method.kept)
    assert set(sampler.sources) == {
        "cat→ape", "ape→cat", "cat→eel", "eel→cat", "ape→eel", "eel→ape",
    }  # fmt: skip
    assert sampler.reference("cat→eel") == 4 and sampler.origin("cat→eel") == 2
    x = torch.randn(3, 2)
    cat, _, eel = method.autoencoders
    assert torch.equal(sampler.translate("cat→eel", x), eel.decoder(cat.encoder(x)))
    run: Any = SimpleNamespace(sampler=sampler, path="run", recipe=method.recipe)
    assert translating.source_of(run, "cat->eel") == "cat→eel"
    with pytest.raises(UserError, match="say from where as well: --to 'cat→eel' or 'ape→eel'"):
        translating.source_of(run, "eel")
    with pytest.raises(UserError, match="translates to ape or eel or cat"):
        translating.source_of(run, "ant")


def test_halves_have_the_weights_that_the_authors_list() -> None:
    """Biases everywhere, a weight a PReLU, none in instance norm: k7, two k3s2, 4 + 5 blocks, two k4s2, k7."""
    block = 2 * (9 * 256 * 256 + 256) + 1
    encoder = (49 * 3 * 64 + 64) + (9 * 64 * 128 + 128) + (9 * 128 * 256 + 256) + 3 + 4 * block
    decoder = 5 * block + (16 * 256 * 128 + 128) + (16 * 128 * 64 + 64) + 2 + (49 * 64 * 3 + 3)
    networks = ResnetHalvesNetworks(family="resnet_halves")
    with torch.device("meta"):
        built = build_translator(networks, (3, 64, 64), (3, 64, 64))
    counts = [sum(w.numel() for w in half.parameters()) for half in (built.encoder, built.decoder)]
    assert counts == [encoder, decoder]
    assert built.to_empty(device="cpu").encode(torch.zeros(1, 3, 32, 32))[-1].shape == (1, 256, 8, 8)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="take resnet_halves for images, mlp_codes for points"):
        Recipe.model_validate(COMBOGAN | {"networks": {"family": "mlp_translator"}})
    for domains in (["cat"], ["cat", "cat"]):
        with pytest.raises(ValidationError, match="name two classes or more, each once"):
            method_of(domains=domains)
    with pytest.raises(ValidationError, match="pool 50 is not a multiple of batch_size 8"):
        method_of(pool=50)
    with pytest.raises(ValidationError, match="set processes: 1"):
        Recipe.model_validate(COMBOGAN | {"processes": 2})
    with pytest.raises(UserError, match="no class 'cow'"):
        method_of(domains=["cat", "cow"])
    with pytest.raises(UserError, match="one domain only"):
        build_method(Recipe.model_validate(COMBOGAN), DataShape((2,)))

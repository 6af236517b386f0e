"""Translators that are told attributes: AttGAN's and the Fader networks' losses, who hears labels, scores, refusals."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import expit, log_softmax
from tests.methods.translators import labelled_batch, numpy

from gantry.data import open_prepared, prepare
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation import translating
from gantry.evaluation.asked import AskedScorer
from gantry.evaluation.attributes import attribute_scores
from gantry.evaluation.sample import sampled
from gantry.methods import Batch, build_method
from gantry.methods.relabelling import LabelSampler, check_both_there, with_changed
from gantry.networks import build_discriminator, build_translator, family
from gantry.networks.translators import LabelHeads
from gantry.plan.blocks.code_translators import AttganNetworks, FaderNetworks
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe

POINTS = DataShape((2,), attributes=3)
CLASSES = DataShape((2,), classes=5)
IMAGES = DataShape((3, 32, 32), attributes=3)
CODES = {"family": "mlp_codes", "width": 8, "depth": 2, "code": 4}
ATTGAN: dict[str, Any] = {
    "workload": "",
    "networks": CODES,
    "objective": {"name": "wasserstein"},
    "batch_size": 6,
    "method": {
        "name": "stargan",
        "classification": 2,
        "discriminator_classification": 0.5,
        "cycle": 0,
        "self_reconstruction": 7,
    },
}
ACCURACY = "attribute_accuracy_points"
FADER: dict[str, Any] = {
    "workload": "",
    "networks": CODES,
    "objective": {"name": "non_saturating"},
    "batch_size": 6,
    "method": {"name": "fader", "confusion": 0.5, "rise": 4},
}


def method_of(recipe: dict[str, Any], data: DataShape, **more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(recipe | more), data)


def of_attributes(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """−Σ over attributes of log P, the mean over the batch."""
    p, y = expit(numpy(logits)), labels.numpy()
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(1).mean())


@pytest.mark.parametrize(
    ("data", "networks"),
    [(POINTS, CODES), (IMAGES, {"family": "attgan", "width": 2, "halvings": 2, "norm": "instance"})],
    ids=["points", "images"],
)
def test_attgans_losses_are_the_papers(data: DataShape, networks: dict[str, Any]) -> None:
    method = method_of(ATTGAN, data, networks=networks)
    batch = labelled_batch(method, data, "generator")
    own, asked = batch.labels, batch.labels[batch.noise["order"]]
    there, itself = (method.translator(batch.x, labels) for labels in (asked, own))
    real, fake = (method.adversary.discriminator(images) for images in (batch.x, there))
    expected = numpy(fake.logits).mean() - numpy(real.logits).mean()
    expected += 0.5 * of_attributes(real.class_logits, own)
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    expected = -numpy(fake.logits).mean() + 2 * of_attributes(fake.class_logits, asked)
    expected += 7 * np.abs(numpy(itself) - numpy(batch.x)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("data", [POINTS, CLASSES], ids=["attributes", "classes"])
def test_faders_losses_are_the_papers(data: DataShape) -> None:
    """λ rises from 0: at iteration 3 of 4 it is ¾ of what it will be."""
    method = method_of(FADER, data)
    method.begin(3, torch.device("cpu"))
    batch = labelled_batch(method, data, "generator")
    network = method.translator.network
    codes = network.encode(batch.x)
    said = method.classifier(codes[-1])
    if data.classes:
        logs, rows = log_softmax(numpy(said), axis=1), np.arange(6)
        turned = (batch.labels + batch.noise["shift"]) % 5
        assert not (turned == batch.labels).any()
        own_loss, turned_loss = (-logs[rows, labels.numpy()].mean() for labels in (batch.labels, turned))
    else:
        own_loss, turned_loss = (of_attributes(said, labels) for labels in (batch.labels, 1 - batch.labels))
    assert method.loss("discriminator", batch).item() == pytest.approx(own_loss, rel=1e-5)
    error = np.square(numpy(method.translator(batch.x, batch.labels)) - numpy(batch.x)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(error + 0.375 * turned_loss, rel=1e-5)
    method.begin(400, torch.device("cpu"))
    assert method.weight.item() == 0.5


def test_dropout_of_the_code_classifier_is_for_its_own_phase() -> None:
    method = method_of(FADER, IMAGES, networks={"family": "fader", "width": 2, "halvings": 2})
    method.begin(4, torch.device("cpu"))
    batch = labelled_batch(method, IMAGES, "generator")
    for phase, drawn in (("discriminator", True), ("generator", False)):
        first, second = (method.loss(phase, batch).item() for _ in range(2))
        assert (first != second) == drawn, phase


@pytest.mark.parametrize("name", ["attgan", "fader"])
def test_only_the_way_up_hears_the_labels(name: str) -> None:
    torch.manual_seed(0)
    networks = {"attgan": AttganNetworks, "fader": FaderNetworks}[name](family=name, width=2, halvings=3)  # type: ignore[arg-type]
    translator = build_translator(networks, (3 + 4, 32, 32), (3, 32, 32)).eval()
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    codes = translator.encode(x)
    assert codes[-1].shape[2:] == (4, 4)
    one, other = (translator.decode(codes, torch.full((2, 4), sign)) for sign in (-1.0, 1.0))
    assert one.shape == x.shape and (one - other).abs().max() > 1e-5


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_weights_are_those_of_the_layers_that_the_authors_list() -> None:
    """Written out: k·k·in·out, two numbers a channel of every norm, biases where no norm follows (AttGAN)."""
    k = 16
    down = [3, 64, 128, 256, 512, 1024]
    encoder = sum(k * a * b + 2 * b for a, b in pairwise(down))
    decoder = k * (1024 + 5) * 1024 + 2 * 1024  # the code and five attributes
    decoder += k * (1024 + 512 + 5) * 512 + 2 * 512  # one injection, one shortcut
    decoder += k * 512 * 256 + 2 * 256 + k * 256 * 128 + 2 * 128 + k * 128 * 3 + 3
    critic = encoder + 2 * (4 * 4 * 1024 * 1024 + 1024) + 1024 + 1 + 1024 * 5 + 5
    networks = AttganNetworks(family="attgan")
    shape = (3, 128, 128)
    with torch.device("meta"):
        assert count(build_translator(networks, (8, 128, 128), shape)) == encoder + decoder
        heads = LabelHeads(build_discriminator(networks, shape, 1), shape, 5)
        assert count(heads) == critic

        down = [3, 32, 64, 128, 256, 512, 512]
        ways = list(pairwise(down))
        encoder = sum(k * a * b + b + 2 * b for a, b in ways) - 2 * 32  # no norm in the first
        decoder = sum(k * (b + 2) * a + 2 * a for a, b in ways) - 2 * 3  # nor in the last, and no bias
        networks = FaderNetworks(family="fader")
        assert count(build_translator(networks, (5, 256, 256), (3, 256, 256))) == encoder + decoder
        classifier = 2 * (k * 512 * 512 + 3 * 512) + 512 * 512 + 512 + 512 * 2 + 2  # 4×4 → 1×1, dense layers
        assert count(family("fader").build_code_classifier(networks, (3, 256, 256), 2)) == classifier


# ── what is asked for, and how it is scored ────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def quarters(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    """Four modes with two attributes, 99 points held out."""
    folder = tmp_path_factory.mktemp("quarters")
    options: dict[str, Any] = {"count": 1200, "side": 2, "attributes": 1}
    spec = DatasetSpec(title="quarters", source="gaussian_grid", options=options, held_out=99)
    prepare(spec, "quarters", folder, None, folder / "data")
    return open_prepared(folder / "data/manifest.json")


class Moves(torch.nn.Module):
    """(x, labels) → points whose signs are what a rule makes of those that they have and those asked for."""

    def __init__(self, rule: Any) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.rule = rule

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return x.abs() * self.rule(x.sign(), 2 * labels - 1)


@pytest.mark.parametrize(
    ("rule", "changed", "kept"),
    [
        (lambda own, asked: asked, 1.0, 1.0),
        (lambda own, asked: own, 0.0, 1.0),
        (lambda own, asked: -own, 1.0, 0.0),
        (lambda own, asked: -asked, 0.0, 0.0),
    ],
    ids=["obeys", "does nothing", "changes everything", "does the contrary"],
)
def test_scores_of_translators_that_are_known(
    quarters: PreparedSet, rule: Any, changed: float, kept: float
) -> None:
    sampler = LabelSampler(torch.nn.ModuleDict({"translator": Moves(rule)}), DataShape.of(quarters))
    held_out = quarters.held_out()
    drawn = {"x→c": sampled(sampler, "x→c", 198, 1, torch.device("cpu"), held_out)}
    names = ["attribute_accuracy_points", "attribute_kept_points"]
    scorer = AskedScorer(quarters, None)
    rows = {(at, name): value for at, name, value, *_ in scorer(sampler, drawn, names)}
    assert rows["x→c", "attribute_accuracy_points"] == pytest.approx(changed, abs=0.02)
    assert rows["x→c", "attribute_kept_points"] == pytest.approx(kept, abs=0.02)
    for number in (0, 1):
        assert rows["x→c", f"attribute_accuracy_points_{number}"] == pytest.approx(changed, abs=0.02)
        assert rows["real", f"attribute_accuracy_points_{number}"] > 0.98
    given = {"identity": np.asarray(quarters.held_out().samples)[np.arange(198) % 99]}  # type: ignore[union-attr]
    untrained = {
        name: value for _, name, value, *_ in scorer.compare(sampler, given, names, {"identity": "x→c"})
    }
    assert untrained["attribute_accuracy_points"] < 0.02 and untrained["attribute_kept_points"] > 0.98


def test_every_sample_is_asked_to_change_one_attribute_and_another_the_next_time(
    quarters: PreparedSet,
) -> None:
    held_out = quarters.held_out()
    assert held_out is not None and held_out.labels is not None
    sampler = LabelSampler(torch.nn.ModuleDict({"translator": Moves(None)}), DataShape.of(quarters))
    asked = sampler.asked("x→c", range(198), held_out)
    differ = asked != held_out.labels[np.arange(198) % 99]
    assert (differ.sum(1) == 1).all() and (differ[:99] ^ differ[99:]).all()


def test_who_gets_an_exclusive_attribute_loses_the_others() -> None:
    own = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 0]])
    asked = with_changed(own, np.array([1, 0, 3]), [0, 1, 2])
    assert asked.tolist() == [[0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1]]
    scores = attribute_scores(asked, asked, own)
    assert scores["attribute_accuracy"] == scores["attribute_kept"] == 1


def test_images_are_judged_by_a_head_for_each_attribute(tmp_path: Path) -> None:
    """With pixels for features: real digits are told apart, and the inputs as outputs have changed nothing."""
    options: dict[str, Any] = {"attributes": ("even", "looped")}
    spec = DatasetSpec(title="digits", source="digits", fraction=0.3, options=options, held_out=90)
    prepare(spec, "digits", tmp_path, 32, tmp_path / "data")
    prepared = open_prepared(tmp_path / "data/manifest.json")
    assert prepared.label_names == ("even", "looped")

    def pixels(images: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(features=images[:, 2::4, 2::4, 0].reshape(len(images), -1) / 255.0)

    scorer = AskedScorer(prepared, SimpleNamespace(name="pixels", extract=pixels))  # type: ignore[arg-type]
    sampler = LabelSampler(torch.nn.ModuleDict({"translator": Moves(None)}), DataShape.of(prepared))
    same = {"x→c": np.asarray(prepared.held_out().samples)}  # type: ignore[union-attr]
    rows = {(at, name): value for at, name, value, *_ in scorer(sampler, same, ["attribute_accuracy"])}
    assert rows["real", "attribute_accuracy_0"] > 0.8 and rows["real", "attribute_accuracy_1"] > 0.8
    assert rows["x→c", "attribute_accuracy"] < 0.2 < 0.8 < rows["x→c", "attribute_kept"]


def test_several_attributes_are_asked_for_at_once(quarters: PreparedSet) -> None:
    obeys = torch.nn.ModuleDict({"translator": Moves(lambda own, asked: asked)})
    sampler = LabelSampler(obeys, DataShape.of(quarters))
    trained: Any = SimpleNamespace(sampler=sampler, path="run", recipe=None)
    signs = {"right": [1, -1], "upper": [-1, 1], "right+upper": [1, 1], "none": [-1, -1]}
    for to, expected in signs.items():
        source = translating.source_of(trained, to)
        made = sampler.translate(source, torch.tensor([[-1.0, 2.0], [3.0, -1.0]])).sign()
        assert (made == torch.tensor(expected)).all(), to
    for wrong in ("left", "right+left", None):
        with pytest.raises(UserError, match="translates to none or right or upper"):
            translating.source_of(trained, wrong)


# ── proof and control ──────────────────────────────────────────────────────────────────────────────────


def trained(method: Any, prepared: PreparedSet, iterations: int) -> Any:
    """The method after so many iterations of Adam, without the loop."""
    points, labels = torch.from_numpy(np.array(prepared.samples)), torch.from_numpy(np.array(prepared.labels))
    optimisers = {
        phase: torch.optim.Adam(method.get_submodule(module).parameters(), 2e-3, (0.5, 0.999))
        for phase, module in (("discriminator", "classifier"), ("generator", "translator"))
    }
    said = []
    for iteration in range(iterations):
        method.begin(iteration, torch.device("cpu"))
        for phase, optimiser in optimisers.items():
            rows = torch.randint(len(points), (64,))
            optimiser.zero_grad()
            loss = method.loss(phase, Batch({"x": points[rows]}, labels[rows]))
            loss.backward()
            optimiser.step()
            said += [loss.item()] if phase == "discriminator" else []
    return np.mean(said[-50:])


@pytest.mark.parametrize("confusion", [0.0, 0.1], ids=["control", "Fader networks"])
def test_a_code_that_tells_nothing_makes_the_decoder_heed_what_it_is_told(
    quarters: PreparedSet, confusion: float
) -> None:
    """The classifier is left at the entropy of two even attributes, 2·ln 2; the control's code tells them."""
    data = DataShape.of(quarters)
    options = {"name": "fader", "confusion": confusion, "rise": 150}
    method = method_of(FADER, data, networks=CODES | {"width": 32}, method=options)
    loss = trained(method, quarters, 400)
    sampler, held_out = method.sampler(method.kept), quarters.held_out()
    drawn = {"x→c": sampled(sampler, "x→c", 198, 1, torch.device("cpu"), held_out)}
    scores = AskedScorer(quarters, None)
    rows = {name: value for at, name, value, *_ in scores(sampler, drawn, [ACCURACY]) if at == "x→c"}
    if confusion:
        assert loss == pytest.approx(2 * np.log(2), abs=0.1)
        assert rows[ACCURACY] > 0.9 and rows["attribute_kept_points"] > 0.9
    else:
        assert loss < 0.1 and rows[ACCURACY] < 0.1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="take family fader for images, mlp_codes for points"):
        Recipe.model_validate(FADER | {"networks": {"family": "mlp_translator"}})
    with pytest.raises(ValidationError, match=r"set objective: \{name: non_saturating"):
        Recipe.model_validate(FADER | {"objective": {"name": "wasserstein"}})
    with pytest.raises(UserError, match="no labels to translate between"):
        method_of(FADER, DataShape((2,)))
    named = DataShape((2,), attributes=2, label_names=("right", "upper"))
    with pytest.raises(UserError, match=r'no attribute .uper.; did you mean "upper"'):
        method_of(FADER, named, method=FADER["method"] | {"exclusive": ["uper"]})
    with pytest.raises(UserError, match="data set d: no sample has attribute b"):
        check_both_there(np.array([[0, 0], [1, 0]], np.uint8), ("a", "b"), "d")
    fader, attgan = Recipe.model_validate(FADER), Recipe.model_validate(ATTGAN)
    grid = DatasetSpec(title="grid", source="gaussian_grid", options={"attributes": 1}, held_out=90)
    photograph = DatasetSpec(title="photograph", source="photograph", held_out=90)
    assert grid.labels == "attributes" and grid.classes is None
    for recipe in (fader, attgan):
        recipe.method.check_data(recipe, "grid", grid)
        with pytest.raises(ValueError, match="data set p has no labels"):
            recipe.method.check_data(recipe, "p", photograph)
    deep = AttganNetworks(family="attgan", halvings=5)
    assert "set halvings: 4" in (deep.obstacle(32) or "") and deep.obstacle(64) is None

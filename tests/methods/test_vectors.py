"""Vectors as conditions, one or several a sample: from a file beside the array to what is asked for; refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import chisquare
from tests.methods.points import BASE, CPU
from tests.training.conftest import Lab, outcome

from gantry.data import PreparedSet, open_prepared, prepare
from gantry.data.batches import Batches, Stream
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch, build_method
from gantry.methods.conditional import condition_of, other_condition
from gantry.plan.dataset import DatasetSpec
from gantry.plan.raw import entries_of
from gantry.plan.recipe import Recipe

ROWS, NUMBERS = 400, 3
RECIPE: dict[str, Any] = BASE | {
    "networks": {"family": "mlp", "width": 16, "depth": 2, "maxout_depth": 1},
    "batch_size": 64,
    "method": {"name": "conditional"},
}


def spec_of(**options: Any) -> DatasetSpec:
    return DatasetSpec(title="", source="array", path="points.npy", held_out=50, options=options)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Points that lie where the first two numbers of their vectors say, and nearly there."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(ROWS, NUMBERS))
    np.save(tmp_path / "points.npy", vectors[:, :2] + 0.1 * random.normal(size=(ROWS, 2)))
    np.save(tmp_path / "captions.npy", vectors)
    return tmp_path


def test_vectors_follow_their_rows_and_are_the_condition(raw: Path) -> None:
    spec = spec_of(vectors="captions.npy")
    prepare(spec, "said", raw, None, raw / "out")
    prepared = open_prepared(raw / "out/manifest.json")
    held_out = prepared.held_out()
    assert held_out is not None and prepared.labels is not None and held_out.labels is not None
    assert prepared.labels.shape == (ROWS - 50, NUMBERS) and prepared.labels.dtype == np.float32
    for part in (prepared, held_out):
        assert part.labels is not None
        assert np.abs(part.samples - part.labels[:, :2]).max() < 0.5, "the control: of other rows up to 4"
    data = DataShape.of(prepared)
    assert (data.vectors, data.condition, data.classes, data.attributes) == (NUMBERS, NUMBERS, 0, 0)
    assert DataShape.from_json(data.as_json()) == data
    labels = torch.from_numpy(prepared.labels[:5])
    assert torch.equal(condition_of(labels, data), labels)
    batch = Batch({"x": torch.zeros(5, 2)}, labels, {})
    assert torch.equal(other_condition(batch, data), labels.roll(1, 0))
    method = build_method(Recipe.model_validate(RECIPE), data)
    sampler = method.sampler(method.kept.eval())
    inputs = sampler.inputs("G1", range(60), torch.Generator().manual_seed(0), held_out)
    assert torch.equal(inputs["labels"][50:], torch.from_numpy(held_out.labels[:10]))
    assert sampler.sample("G1", inputs).shape == (60, 2)
    with pytest.raises(UserError, match="vectors to ask for are taken from held-out samples"):
        sampler.inputs("G1", range(3), torch.Generator())


def learnt(vectors: torch.Tensor, points: torch.Tensor) -> float:
    """How much of the points' spread samples have that are asked for their vectors: R²."""
    torch.manual_seed(0)
    method = build_method(Recipe.model_validate(RECIPE), DataShape((2,), vectors=NUMBERS))
    phases = {
        phase.name: torch.optim.Adam(
            [parameter for part in phase.trains for parameter in method.get_submodule(part).parameters()],
            1e-2,
            betas=(0.5, 0.9),
        )
        for phase in method.phases
    }
    for _ in range(50):
        rows = torch.randint(len(points), (64,))
        for name, optimiser in phases.items():
            method.zero_grad()
            loss = method.loss(name, Batch({"x": points[rows]}, vectors[rows], method.draw(name, 64, CPU)))
            assert isinstance(loss, torch.Tensor)
            loss.backward()
            optimiser.step()
    method.eval()
    inputs = {"z": torch.randn(len(points), 4), "labels": vectors}
    with torch.no_grad():
        samples = method.sampler(method.kept).sample("G1", inputs)
    return float(1 - (samples - points).square().sum() / (points - points.mean(0)).square().sum())


def test_a_generator_learns_what_vectors_say(raw: Path) -> None:
    points, vectors = (
        torch.from_numpy(np.load(raw / f"{name}.npy")).float() for name in ("points", "captions")
    )
    assert learnt(vectors, points) > 0.8
    assert learnt(vectors[torch.randperm(ROWS)], points) < 0.1, (
        "the control: vectors of other rows say nothing"
    )


SEVERAL = 5


@pytest.fixture
def said(tmp_path: Path) -> PreparedSet:
    """Points with five vectors each, that say which row they are of, and which of its vectors."""
    rows = np.arange(60)
    np.save(tmp_path / "points.npy", np.stack([rows, rows], 1).astype(np.float32))
    vectors = np.stack(
        [np.stack([rows, np.full(60, number), rows + number], 1) for number in range(SEVERAL)], 1
    )
    np.save(tmp_path / "captions.npy", vectors.astype(np.float32))
    spec = DatasetSpec(
        title="", source="array", path="points.npy", held_out=20, options={"vectors": "captions.npy"}
    )
    prepare(spec, "said", tmp_path, None, tmp_path / "out")
    return open_prepared(tmp_path / "out/manifest.json")


def drawn(
    prepared: PreparedSet,
    batches: int,
    captions: int = 1,
    seed: int = 0,
    storage: str = "device",
    skip: int = 0,
) -> list[dict[str, torch.Tensor]]:
    """Batches of eight; the first `skip` are of a reader that ends there and hands its state on."""
    stream = Stream(beside=("labels",), captions=captions)
    first = Batches(prepared, 8, seed, CPU, storage=storage, stream=stream)
    found = [first.next_with_all() for _ in range(skip)]
    if skip:
        state = first.state_dict()
        first.close()
        first = Batches(prepared, 8, seed, CPU, storage=storage, stream=stream)
        first.load_state_dict(state)
    found += [first.next_with_all() for _ in range(batches - skip)]
    first.close()
    return found


def test_of_several_vectors_one_is_drawn_for_each_row_and_epoch(said: PreparedSet) -> None:
    data = DataShape.of(said)
    assert (data.vectors, data.captions, data.condition) == (3, SEVERAL, 3) and len(said) == 40
    assert DataShape.from_json(data.as_json()) == data and "captions" not in DataShape((2,)).as_json()
    batches = drawn(said, 500)  # a hundred epochs of five batches
    rows = torch.cat([batch["samples"][:, 0] for batch in batches])
    labels = torch.cat([batch["labels"] for batch in batches])
    assert torch.equal(labels[:, 0], rows), "a vector of its own row"
    assert torch.equal(labels[:, 2], labels[:, 0] + labels[:, 1]), "one vector, not parts of two"
    assert torch.equal(rows[:40].sort().values, torch.from_numpy(np.array(said.samples[:, 0])))
    counts = torch.bincount(labels[:, 1].long(), minlength=SEVERAL)
    assert chisquare(counts.numpy()).pvalue > 1e-3
    first = labels[:, 1].view(100, 40)[torch.arange(100)[:, None], rows.view(100, 40).argsort(1)]
    assert all(len(first[:, row].unique()) == SEVERAL for row in range(40)), "anew in every epoch"


def test_vectors_drawn_follow_from_the_seed_and_a_resumed_run_draws_the_same(said: PreparedSet) -> None:
    whole = drawn(said, 13)
    for others in (
        drawn(said, 13, skip=7),
        drawn(said, 13, storage="memory"),
        drawn(said, 13, storage="mapped"),
    ):
        assert all(torch.equal(a["labels"], b["labels"]) for a, b in zip(whole, others, strict=True))
    other = drawn(said, 13, seed=1)
    assert not all(
        torch.equal(a["labels"][:, 1], b["labels"][:, 1]) for a, b in zip(whole, other, strict=True)
    )


def test_the_mean_of_several_is_of_different_ones(said: PreparedSet) -> None:
    two = torch.cat([batch["labels"] for batch in drawn(said, 50, captions=2)])
    # Of 0 … 4, the mean of two different ones: never 0 or 4.
    assert {0.5, 3.5} <= set(two[:, 1].tolist()) <= {number / 2 for number in range(1, 8)}
    (batch,) = drawn(said, 1, captions=SEVERAL)
    torch.testing.assert_close(batch["labels"][:, 1], torch.full((8,), 2.0))
    torch.testing.assert_close(batch["labels"][:, 0], batch["samples"][:, 0])


def test_a_run_with_several_vectors_goes_on_where_it_was(said: PreparedSet, tmp_path: Path) -> None:
    recipe = {key: value for key, value in RECIPE.items() if key != "workload"} | {"batch_size": 8}
    lab = Lab(tmp_path / "runs", said.folder / "manifest.json", every=3)
    results = {}
    for captions in (1, 2):
        told = recipe | {"method": {"name": "conditional", "captions": captions}}
        at_once = lab.train(f"once{captions}", 9, told)
        lab.train(f"parts{captions}", 3, told)
        in_parts = lab.train(f"parts{captions}", 9, told)
        results[captions] = outcome(at_once)
        assert outcome(in_parts)["state"] == results[captions]["state"]
        assert outcome(in_parts)["checkpoints"] == results[captions]["checkpoints"]
    assert results[1]["state"] != results[2]["state"], "the control: how many are averaged matters"


def test_samples_are_asked_for_the_next_vectors_each_time_that_a_row_comes(said: PreparedSet) -> None:
    held_out = said.held_out()
    assert held_out is not None and held_out.labels is not None and len(held_out) == 20
    recipe = RECIPE | {"method": {"name": "conditional", "captions": 2}}
    method = build_method(Recipe.model_validate(recipe), DataShape.of(said))
    asked = method.sampler(method.kept.eval()).asked("G1", range(60), held_out)
    assert np.array_equal(asked[:, 0], np.tile(held_out.samples[:, 0], 3))
    assert asked[:20, 1].tolist() == [0.5] * 20 and asked[20:40, 1].tolist() == [2.5] * 20
    assert asked[40:, 1].tolist() == [2.0] * 20, "(4 + 0) / 2"


@pytest.mark.parametrize("name", ["conditional", "stackgan"])
def test_more_vectors_than_there_are_and_vectors_of_classes_are_refused(said: PreparedSet, name: str) -> None:
    of_stacks = {"networks": {"family": "stackgan", "width": 2}} if name == "stackgan" else {}
    shape = DataShape((2,) if name == "conditional" else (3, 32, 32), vectors=3, captions=SEVERAL)
    recipe = Recipe.model_validate(RECIPE | of_stacks | {"method": {"name": name, "captions": 6}})
    with pytest.raises(
        UserError, match=r"captions 6: data set said has 5 of each sample: take as many or fewer"
    ):
        build_method(recipe, shape).streams(said)
    fitting = Recipe.model_validate(RECIPE | of_stacks | {"method": {"name": name, "captions": 5}})
    assert build_method(fitting, shape).streams(said)["x"].captions == 5
    digits = DatasetSpec(title="", source="digits", held_out=5)
    with pytest.raises(
        ValueError, match="captions 6 averages vectors of a sample, and the labels of data set digits"
    ):
        recipe.method.check_data(recipe, "digits", digits)
    with pytest.raises(ValidationError, match="captions: method s3gan is told classes"):
        Recipe.model_validate(RECIPE | {"method": {"name": "s3gan", "known": 9, "captions": 2}})


@pytest.mark.parametrize(
    ("options", "changed", "message"),
    [
        ({"vectors": "captions.npy"}, lambda v: v[:-1, None], "there are 400 samples: a row for each"),
        ({"vectors": "captions.npy"}, lambda v: v[:, :0], "vectors are .N, V. of float32 or"),
        ({"labels": "captions.npy"}, lambda v: v[:, None], "a row for each"),
        ({"vectors": "captions.npy"}, lambda v: v[:-1], "there are 400 samples: a row for each"),
        ({"vectors": "captions.npy"}, lambda v: v * np.nan, "NaN or infinity"),
        ({"vectors": "captions.npy"}, lambda v: v * 0, "vectors are the same: is this the right file"),
        ({"vectors": "captions.npy"}, lambda v: v.astype(int), "vectors are .N, V. of float32 or float64"),
        ({"vectors": "captions.npy", "labels": "captions.npy"}, lambda v: v, "give one of them"),
        ({"labels": "captions.npy"}, lambda v: v, "go to options.vectors"),
        (
            {"labels": "captions.npy"},
            lambda v: np.zeros(ROWS, int),
            "all 400 labels are 0: is this the right file",
        ),
        ({"labels": "captions.npy"}, lambda v: np.arange(ROWS) - 1, "whole numbers from 0"),
        ({"vectors": "caption.npy"}, lambda v: v, "caption.npy"),
    ],
)
def test_files_that_are_no_labels_are_refused_by_name(
    raw: Path, options: dict[str, str], changed: Any, message: str
) -> None:
    np.save(raw / "captions.npy", changed(np.load(raw / "captions.npy")))
    with pytest.raises(UserError, match=message):
        prepare(spec_of(**options), "said", raw, None, raw / "out")


def test_classes_and_attributes_beside_an_array_and_what_is_listed(raw: Path) -> None:
    np.save(raw / "classes.npy", np.arange(ROWS) % 4)
    np.save(raw / "attributes.npy", np.arange(2 * ROWS).reshape(ROWS, 2) % 3 % 2)
    for file, expected in (("classes.npy", (4, 0)), ("attributes.npy", (0, 2))):
        spec = spec_of(labels=file)
        prepare(spec, "said", raw, None, raw / file[:3])
        data = DataShape.of(open_prepared(raw / file[:3] / "manifest.json"))
        assert (data.classes, data.attributes) == expected
        listed = [name for name, _, _ in entries_of(raw / "points.npy", (), spec.beside)]
        assert len(listed) == 2 and any(name.endswith(file) for name in listed)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"classification": {}, "discriminator": "none"}, "are vectors, and this tells classes apart"),
        ({"name": "icgan", "encoders_from": 1}, "has vectors"),
        ({"name": "semi_supervised", "known": 10}, "are vectors, and this tells classes apart"),
    ],
)
def test_a_plan_refuses_what_vectors_cannot_give(method: dict[str, Any], message: str) -> None:
    recipe = Recipe.model_validate(RECIPE | {"method": {"name": "conditional"} | method})
    with pytest.raises(ValueError, match=message):
        recipe.method.check_data(recipe, "said", spec_of(vectors="captions.npy"))

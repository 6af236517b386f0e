"""Vectors as conditions: from a file beside the array to what samples are asked for; refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gantry.data import open_prepared, prepare
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch, build_method
from gantry.methods.conditional import condition_of, other_condition
from gantry.plan.dataset import DatasetSpec
from gantry.plan.raw import entries_of
from gantry.plan.recipe import Recipe

ROWS, NUMBERS = 400, 3
CPU = torch.device("cpu")
RECIPE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "mlp", "width": 16, "depth": 2, "maxout_depth": 1},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
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
            [each for part in phase.trains for each in method.get_submodule(part).parameters()],
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


@pytest.mark.parametrize(
    ("options", "changed", "message"),
    [
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

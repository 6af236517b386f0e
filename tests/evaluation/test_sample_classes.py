"""`gantry sample --class`, `--truncation` and the way between two classes, from the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.conftest import Lab
from tests.training.test_runs_of_methods import INFOGAN, PROJECTION

from gantry.cli import run
from gantry.data import prepare
from gantry.evaluation import by_checkpoint
from gantry.methods.latents import Truncation, draw_truncated
from gantry.plan.dataset import DatasetSpec


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four iterations of a generator that is told nine classes, and of one that is told none."""
    folder = tmp_path_factory.mktemp("classes")
    out = folder / "data"
    options = {"count": 200, "seed": 0, "side": 3, "spacing": 2.0, "variance": 0.05}
    prepare(DatasetSpec(title="points", source="gaussian_grid", options=options), "points", folder, None, out)
    lab = Lab(folder, out / "manifest.json", every=4)
    spec = lab.spec
    lab.spec = lambda recipe, seed=0: spec(recipe, seed) | {"dataset": {"name": "tiny", "resolution": None}}  # type: ignore[method-assign]
    return {name: lab.train(name, 4, recipe) for name, recipe in (("told", PROJECTION), ("not", INFOGAN))}


def drawn(source: Path, tmp_path: Path, *options: str) -> np.ndarray:
    out = tmp_path / "samples.npy"
    assert run(["sample", str(source), "--count", "18", "--out", str(out), *options]) == 0
    return np.load(out, allow_pickle=False)


def test_classes_are_made_in_turn(runs: dict[str, Path], tmp_path: Path) -> None:
    of_all, third, two = (
        drawn(runs["told"], tmp_path, *o) for o in ((), ("--class", "3"), ("--class", "3,5"))
    )
    assert np.array_equal(third[3::9], of_all[3::9]), "the same latents and class: the same samples"
    assert not np.array_equal(third[4::9], of_all[4::9])
    assert np.array_equal(two[::2], third[::2]) and not np.array_equal(two[1::2], third[1::2])


def test_the_way_between_two_classes_starts_and_ends_at_them(runs: dict[str, Path], tmp_path: Path) -> None:
    way = drawn(runs["told"], tmp_path, "--class", "2,7", "--interpolate")
    trained = by_checkpoint.load_trained(runs["told"])
    z = by_checkpoint.inputs(trained, 1, 0)["z"].expand(2, -1)
    with torch.no_grad():
        ends = trained.sampler.sample("G1", {"z": z, "labels": torch.tensor([2, 7])}).numpy()
    np.testing.assert_allclose(way[[0, -1]], ends, rtol=1e-5, atol=1e-6)
    assert len(np.unique(way, axis=0)) == 18


def test_truncated_latents_stay_within(runs: dict[str, Path]) -> None:
    trained = by_checkpoint.load_trained(runs["told"])
    given = by_checkpoint.inputs(trained, 500, 0)
    assert given["z"].abs().max() > 2
    cut = by_checkpoint.truncated(trained, given, Truncation(0.5), 0)
    assert 0.4 < cut["z"].abs().max() <= 0.5 and torch.equal(cut["labels"], given["labels"])


def test_scaled_latents_are_another_truncation(runs: dict[str, Path], tmp_path: Path) -> None:
    plain, cut, scaled = (
        drawn(runs["told"], tmp_path, *options)
        for options in ((), ("--truncation", "0.5"), ("--truncation", "0.5", "--scaled"))
    )
    trained = by_checkpoint.load_trained(runs["told"])
    given = by_checkpoint.inputs(trained, 18, 0)
    z = 0.5 * draw_truncated(trained.recipe.latent, 18, 2.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = trained.sampler.sample("G1", {**given, "z": z}).numpy()
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(scaled, cut) and not np.array_equal(scaled, plain)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("told", ["--class", "9"], "--class 9: no class of"),
        ("told", ["--class", "1", "--interpolate"], "there are two, such as --class 3,5"),
        ("told", ["--truncation", "0"], "should be above 0"),
        ("told", ["--scaled"], "there is no --truncation to scale by"),
        ("told", ["--truncation", "1", "--interpolate"], "take one away"),
        ("not", ["--class", "1"], "is not told classes"),
    ],
)
def test_what_cannot_be_asked_is_said(
    runs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    options: list[str],
    message: str,
) -> None:
    assert run(["sample", str(runs[source]), "--count", "4", "--out", str(tmp_path / "s.npy"), *options]) == 2
    assert message in capsys.readouterr().err

"""`gantry sample`: from one file alone, the same latents for all, the way between two of them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gantry.cli import run
from gantry.evaluation.by_checkpoint import load_trained, way_between, way_between_latents


@pytest.fixture
def lone(images: Any, tmp_path: Path) -> Path:
    """A checkpoint far from its run."""
    (found,) = images.root.glob("work/*/checkpoints/0000004.safetensors")
    return Path(shutil.copy(found, tmp_path / "lone.safetensors"))


def sampled(source: Path, out: Path, *arguments: str) -> np.ndarray:
    assert run(["sample", str(source), "--out", str(out), *arguments]) == 0
    return np.load(out, allow_pickle=False)


def test_a_lone_file_gives_the_mixture_of_its_generators(lone: Path, tmp_path: Path) -> None:
    both = sampled(lone, tmp_path / "both.npy", "--count", "7", "--side-by-side", "--seed", "3")
    mixed = sampled(lone, tmp_path / "mixed.npy", "--count", "7", "--seed", "3")
    assert both.shape == (2, 7, 32, 32, 3) and mixed.shape == (7, 32, 32, 3) and mixed.dtype == np.uint8
    assert np.array_equal(mixed[::2], both[0, ::2]) and np.array_equal(mixed[1::2], both[1, 1::2])
    assert not np.array_equal(both[0], both[1])
    second = sampled(lone, tmp_path / "second.npy", "--count", "7", "--seed", "3", "--generator", "G2")
    assert np.array_equal(second, both[1])
    other = sampled(lone, tmp_path / "other.npy", "--count", "7", "--seed", "4")
    assert not np.array_equal(other, mixed)


def test_samples_are_the_generators_own(lone: Path, images: Any, tmp_path: Path) -> None:
    made = sampled(lone, tmp_path / "g1.npy", "--count", "5", "--seed", "9", "--generator", "G1")
    assert np.array_equal(made, images.draw(4, 5, lambda number: 9)[0])


def test_a_run_gives_its_last_checkpoint_or_the_one_asked_for(
    images: Any, tmp_path: Path, lone: Path
) -> None:
    last = sampled(images.root, tmp_path / "a.npy", "--count", "3")
    assert np.array_equal(last, sampled(lone, tmp_path / "b.npy", "--count", "3"))
    first = sampled(images.root, tmp_path / "c.npy", "--count", "3", "--iteration", "2")
    assert not np.array_equal(first, last)


def test_grids_and_folders(lone: Path, tmp_path: Path) -> None:
    array = sampled(lone, tmp_path / "a.npy", "--count", "4", "--side-by-side")
    assert run(["sample", str(lone), "--out", str(tmp_path / "g.png"), "--count", "4", "--side-by-side"]) == 0
    grid = np.asarray(Image.open(tmp_path / "g.png"))
    # Two squares of 2 × 2 tiles of 32 pixels, with lines of one pixel, and a gap between.
    assert grid.shape[0] == 2 * 33 + 1 and grid.shape[1] > 2 * grid.shape[0]
    assert np.array_equal(grid[1:33, 1:33], array[0, 0])
    assert np.array_equal(grid[1:33, -67:][:, 1:33], array[1, 0])
    assert run(["sample", str(lone), "--out", str(tmp_path / "f"), "--count", "4", "--side-by-side"]) == 0
    names = sorted(path.name for path in (tmp_path / "f").iterdir())
    assert names[:2] == ["00000-G1.png", "00000-G2.png"] and len(names) == 8
    assert np.array_equal(np.asarray(Image.open(tmp_path / "f/00002-G2.png")), array[1, 2])


def test_a_way_has_its_ends_and_keeps_the_typical_length(lone: Path, tmp_path: Path) -> None:
    trained = load_trained(lone)
    way = way_between(trained, 9, seed=1)["z"]
    shape = 2, trained.recipe.latent.dimension
    ends = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(way[[0, -1]], ends, atol=1e-5)
    lengths = way.norm(dim=1)
    assert lengths.min() > 0.95 * ends.norm(dim=1).min(), "a straight line would pass nearer to the origin"
    angles = torch.nn.functional.cosine_similarity(way[1:], way[:-1]).arccos()
    assert angles.max() < 1.3 * angles.min()
    straight = way_between_latents(ends, True, 3)
    assert torch.allclose(straight[1], (straight[0] + straight[2]) / 2, atol=1e-6)
    made = sampled(lone, tmp_path / "w.npy", "--count", "6", "--interpolate")
    assert made.shape == (2, 6, 32, 32, 3)


def test_points_go_into_arrays_only(points: Any, tmp_path: Path, capsys: Any) -> None:
    made = sampled(points.root, tmp_path / "p.npy", "--count", "10")
    assert made.shape == (10, 2) and made.dtype == np.float32
    assert run(["sample", str(points.root), "--out", str(tmp_path / "p.png")]) == 2
    assert "these samples are points" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_no_traceback(lone: Path, tmp_path: Path, capsys: Any) -> None:
    assert run(["sample", str(lone), "--out", str(tmp_path / "o.npy"), "--device", "cuda"]) == 2
    assert "PyTorch sees none" in capsys.readouterr().err


def test_wrong_sources_are_explained(lone: Path, tmp_path: Path, capsys: Any) -> None:
    strange = tmp_path / "strange.safetensors"
    save_file({"x": torch.zeros(1)}, strange)
    (tmp_path / "text.safetensors").write_text("hello")
    (tmp_path / "empty").mkdir()
    for source, arguments, words in (
        (strange, (), "not a checkpoint of Gantry"),
        (tmp_path / "text.safetensors", (), "not a safetensors file"),
        (tmp_path / "absent.safetensors", (), "not found"),
        (tmp_path / "empty", (), "no recorded checkpoints here"),
        (lone, ("--generator", "G3"), "has no G3; it has G1, G2"),
        (lone, ("--out", str(tmp_path / "x.jpg")), ".jpg is none of the formats"),
    ):
        assert run(["sample", str(source), "--out", str(tmp_path / "o.npy"), *arguments]) == 2
        assert words in capsys.readouterr().err
    assert load_trained(lone).iteration == 4

"""Truncation and mixing of a trained model with styles, from the command line."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.methods.test_growing import RECIPE
from tests.training.conftest import Lab
from tests.training.test_growing_runs import STYLES

from gantry.cli import run
from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import load_trained
from gantry.evaluation.paths import path_length_w, path_length_z
from gantry.evaluation.styles import layers_of, mixing_grid

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Eight iterations each of a pair with styles and of one without, up to 32×32."""
    folder = tmp_path_factory.mktemp("styles")
    lab = Lab.on_digits(folder, every=8)
    return {name: lab.train(name, 8, recipe) for name, recipe in (("styles", STYLES), ("plain", RECIPE))}


def test_rows_and_columns_of_a_mixing_grid_are_its_sources(runs: dict[str, Path]) -> None:
    trained = load_trained(runs["styles"])
    for layers, same_as in ((range(0, 8), "above"), (range(8, 9), "left")):
        grid = mixing_grid(trained, "G1", 3, 0, layers, CPU)
        rows = list(grid.values())
        assert [row.shape for row in rows] == [(4, 32, 32, 3)] * 4
        assert (rows[0][0] == 255).all()
        for row in rows[1:]:
            if same_as == "left":  # no layer is mixed
                assert all(np.array_equal(image, row[0]) for image in row[1:])
            else:  # all are; what differs from the source above is the noise
                assert not any(np.array_equal(image, row[0]) for image in row[1:])
    coarse, fine = (
        np.stack(list(mixing_grid(trained, "G1", 3, 0, layers, CPU).values())[1:]).astype(float)
        for layers in (range(0, 4), range(6, 8))
    )
    assert np.abs(coarse - fine).max() > 1


def test_the_command_draws_towards_the_mean(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spread(*options: str) -> float:
        out = tmp_path / f"samples{len(options)}{''.join(options)}.npy".replace("/", "")
        assert run(["sample", str(runs["styles"]), "--count", "16", "--out", str(out), *options]) == 0
        return float(np.load(out, allow_pickle=False).astype(float).std(0).mean())

    whole, near, cut = spread(), spread("--psi", "0"), spread("--psi", "0", "--cutoff", "2")
    assert near < cut < 1.05 * whole
    grid = tmp_path / "grid.png"
    assert run(["sample", str(runs["styles"]), "--count", "2", "--mix", "0:4", "--out", str(grid)]) == 0
    assert Image.open(grid).size[0] > 3 * 32


def test_path_lengths_are_of_ways_with_the_same_noise(runs: dict[str, Path]) -> None:
    sampler = load_trained(runs["styles"]).sampler
    z, w = path_length_z(sampler, "G1", 40), path_length_w(sampler, "G1", 40)
    assert z > 0 and w > 0
    sampler.truncate(0.0, None)
    assert path_length_w(sampler, "G1", 40) < 1e-2 * w, "one w, and the same noise: no length"
    plain = load_trained(runs["plain"]).sampler
    assert path_length_z(plain, "G1", 40) > 0
    with pytest.raises(UserError, match="path_length_w is of methods with a W"):
        path_length_w(plain, "G1", 40)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("plain", ("--psi", "0.7"), "--psi: .* has no w that could be drawn towards its mean"),
        ("plain", ("--mix", "0:4"), "--mix: .* has no styles to mix"),
        ("styles", ("--psi", "2"), "--psi: 2 is not from 0 .one image. to 1.5"),
    ],
)
def test_what_cannot_be_is_said(
    runs: dict[str, Path], tmp_path: Path, capsys: Any, name: str, options: tuple[str, ...], message: str
) -> None:
    code = run(["sample", str(runs[name]), "--count", "2", "--out", str(tmp_path / "x.npy"), *options])
    assert code != 0 and re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("text", ["4", "a:b", "4:4", "5:2", ":3"])
def test_ranges_of_layers(text: str) -> None:
    with pytest.raises(UserError, match="no range of layers"):
        layers_of(text)
    assert layers_of("2:5") == range(2, 5)

"""Pictures into latents and back: by an encoder, by a search, and from the command line."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.conftest import Lab
from torch import Tensor, nn

from gantry.cli import run
from gantry.data import open_prepared
from gantry.evaluation.by_checkpoint import load_trained
from gantry.evaluation.encoding import Rebuilt, encode, invert, pictures, reconstruct
from gantry.methods.sampler import Sampler

IMAGES = {
    "networks": {"family": "dcgan", "width": 2, "head": "linear"},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 8,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two iterations each of an encoder's game, of the plain one, and of a conditional one; a folder of pictures."""
    folder = tmp_path_factory.mktemp("encoding")
    lab = Lab.on_digits(folder, every=2)
    found = {
        name: lab.train(name, 2, IMAGES | method)
        for name, method in (
            ("joint", {"method": {"name": "joint"}}),
            ("plain", {}),
            ("conditional", {"method": {"name": "conditional"}}),
        )
    }
    shown = folder / "pictures"
    shown.mkdir()
    for number, image in enumerate(open_prepared(lab.manifest).samples[:5]):
        Image.fromarray(np.asarray(image)).save(shown / f"digit{number}.png")
    return found | {"pictures": shown}


class Linear(Sampler):
    """x = Qz with orthonormal columns, as images of 2×2: the closest z to x is Qᵀx, whatever the start."""

    sources = ("G1",)

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 12, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.linalg.qr(torch.randn(12, 3))[0])

    def inputs(self, source: str, rows: range, randomness: Any, held_out: Any = None) -> dict[str, Tensor]:
        return {"z": torch.randn(len(rows), 3, generator=randomness)}

    def sample(self, source: str, inputs: Any) -> Tensor:
        images: Tensor = self.layer(inputs["z"]).view(-1, 3, 2, 2)
        return images


def test_a_search_in_a_linear_generator_ends_at_the_projection() -> None:
    sampler = Linear()
    x = torch.randn(6, 3, 2, 2)
    trained: Any = SimpleNamespace(sampler=sampler, path="linear")
    found = invert(trained, "G1", x, steps=400, rate=0.05, seed=0)
    assert found.codes is not None
    expected = x.flatten(1) @ sampler.layer.weight.detach()
    torch.testing.assert_close(found.codes, expected, atol=2e-3, rtol=1e-3)
    least = (x.flatten(1) - expected @ sampler.layer.weight.detach().T).square().mean().sqrt()
    assert found.error == pytest.approx(float(least), rel=1e-4)
    start = invert(trained, "G1", x, steps=1, rate=1e-9, seed=0)
    assert start.error > found.error, "the start alone is no answer"


def test_errors_and_their_share_of_exchanged_pairs() -> None:
    real = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    assert Rebuilt(real, real + 0.1).error == pytest.approx(0.1)
    # Exchanged, the reconstructions are off by 1.1 and −0.9.
    assert Rebuilt(real, real + 0.1).ratio == pytest.approx(0.1 / np.sqrt((1.1**2 + 0.9**2) / 2))
    assert Rebuilt(real[:1], real[:1]).ratio is None


def test_an_encoders_latents_and_reconstructions_are_the_samplers(runs: dict[str, Path]) -> None:
    trained = load_trained(runs["joint"])
    names, images = pictures(trained, [runs["pictures"]])
    assert names == [f"digit{number}" for number in range(5)] and images.shape == (5, 3, 32, 32)
    codes = encode(trained, images)
    assert codes.shape == (5, 4)
    rebuilt = reconstruct(trained, images)
    torch.testing.assert_close(rebuilt.made, trained.sampler.sample("G1", {"z": codes}))


def test_the_search_finds_a_generators_own_sample_again(runs: dict[str, Path]) -> None:
    trained = load_trained(runs["plain"])
    drawn = trained.sampler.inputs("G1", range(3), torch.Generator().manual_seed(99))
    images = trained.sampler.sample("G1", drawn).detach()
    near, far = (invert(trained, "G1", images, steps, 0.05, 0).error for steps in (60, 1))
    assert near < 0.3 * far


def test_the_commands_write_what_they_say(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = str(runs["pictures"])
    codes, grid, folder = tmp_path / "codes.npy", tmp_path / "grid.png", tmp_path / "rebuilt"
    assert run(["encode", str(runs["joint"]), shown, "--out", str(codes)]) == 0
    assert np.load(codes, allow_pickle=False).shape == (5, 4)
    assert run(["reconstruct", str(runs["joint"]), shown, "--out", str(grid)]) == 0
    width, height = Image.open(grid).size
    assert width > 5 * 32 and 2 * 32 < height < 3 * 32 + 16
    found = tmp_path / "found.npy"
    options = ["--steps", "3", "--codes", str(found), "--out", str(folder)]
    assert run(["invert", str(runs["plain"]), f"{shown}/digit0.png", f"{shown}/digit1.png", *options]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["digit0.png", "digit1.png"]
    assert np.load(found, allow_pickle=False).shape == (2, 4)
    assert "root mean square error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "command", "out", "message"),
    [
        ("plain", "encode", "x.npy", "method adversarial has no encoder .*; gantry invert searches"),
        ("plain", "reconstruct", "x.png", "method adversarial has no encoder, so it reconstructs nothing"),
        ("conditional", "invert", "x.png", "asked for classes, and gantry invert knows of none"),
        ("joint", "encode", "x.png", "latents are an array: give a name that ends in .npy"),
    ],
)
def test_what_cannot_be_is_said(
    runs: dict[str, Path], tmp_path: Path, capsys: Any, name: str, command: str, out: str, message: str
) -> None:
    given = [command, str(runs[name]), str(runs["pictures"]), "--out", str(tmp_path / out)]
    assert run(given) == 2
    assert re.search(message, capsys.readouterr().err)

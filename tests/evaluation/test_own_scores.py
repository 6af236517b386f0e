"""Scores as other programs give them, with networks and generators of one's own, and against others' statistics."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.evaluation.conftest import Scored
from torch import nn

from gantry.cli import run
from gantry.evaluation import score_images
from gantry.evaluation.stored import StoredStatistics
from gantry.files import sha256_of_file
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.features.fid_networks import MODES, prepare
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from gantry.metrics.kernel_distance import kernel_distance

COLOURS = """
import torch


class Colours(torch.nn.Module):
    def forward(self, images):
        return torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3))], dim=1)


def build():
    return Colours()


def flat():
    return lambda images: images


def noise():
    return lambda count, seed: torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def broken():
    return lambda count, seed: 1 / 0
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two sets of images and a file of functions, as the working directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, top in (("real", 200), ("generated", 256)):
        np.save(f"{name}.npy", rng.integers(0, top, (40, 16, 16, 3), dtype=np.uint8))
    Path("own.py").write_text(COLOURS)
    return tmp_path


def colours(images: np.ndarray) -> np.ndarray:
    """What own.py's network says, by NumPy; PyTorch's deviation is of the sample."""
    pixels = images.astype(np.float64).reshape(len(images), -1, 3)
    return np.concatenate([pixels.mean(axis=1), pixels.std(axis=1, ddof=1)], axis=1)


def scored(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON of `gantry score`."""
    capsys.readouterr()
    assert run(["score", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `gantry score` says where it refuses."""
    capsys.readouterr()
    assert run(["score", *arguments]) == 2
    return capsys.readouterr().err


def test_a_network_of_ones_own_is_named_in_every_number(here: Path, capsys: Any) -> None:
    told = scored(
        capsys, "real.npy", "generated.npy", "--network", "own.py:build", "--metrics", "frechet_distance"
    )
    (score,) = told["scores"]
    name = f"own.py:build {sha256_of_file(Path('own.py'))[:8]}"
    assert score["label"] == f"FD ({name})" and told["feature_network"] == name
    real, generated = (
        gaussian_statistics(colours(np.load(f"{folder}.npy"))) for folder in ("real", "generated")
    )
    assert score["value"] == pytest.approx(frechet_distance(real, generated), rel=1e-4)
    assert "returned (16, 3, 16, 16)" in refused(
        capsys, "real.npy", "generated.npy", "--network", "own.py:flat", "--metrics", "frechet_distance"
    )
    assert "has no function bild()" in refused(
        capsys, "real.npy", "generated.npy", "--network", "own.py:bild"
    )


def test_torchscript_is_run_only_with_its_digest(here: Path, capsys: Any) -> None:
    torch.jit.save(torch.jit.script(nn.Sequential(nn.AvgPool2d(8), nn.Flatten())), "net.pt")
    digest = sha256_of_file(Path("net.pt"))
    sets = ("real.npy", "generated.npy", "--metrics", "frechet_distance", "--network", "net.pt")
    assert f"--network-sha256 {digest}" in refused(capsys, *sets)
    assert "given was 00" in refused(capsys, *sets, "--network-sha256", "00")
    (score,) = scored(capsys, *sets, "--network-sha256", digest)["scores"]
    assert score["label"] == f"FD (net.pt {digest[:8]})" and score["value"] > 1


def test_onnx_gives_the_numbers_of_the_network_it_was_made_of(here: Path, capsys: Any) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (uv sync --group onnx)")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (uv sync --group onnx)")
    node = onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    image = onnx.helper.make_tensor_value_info("x", 1, ["B", 3, "H", "W"])
    features = onnx.helper.make_tensor_value_info("y", 1, ["B", 3])
    graph = onnx.helper.make_graph([node], "means", [image], [features])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, "means.onnx")
    sets = ("real.npy", "generated.npy", "--metrics", "frechet_distance", "--network", "means.onnx")
    (score,) = scored(capsys, *sets)["scores"]
    real, generated = (
        gaussian_statistics(colours(np.load(f"{folder}.npy"))[:, :3]) for folder in ("real", "generated")
    )
    assert score["value"] == pytest.approx(frechet_distance(real, generated), rel=1e-3)


def test_a_generator_takes_the_place_of_a_folder(here: Path, images: Scored, capsys: Any) -> None:
    network = ("--network", "own.py:build", "--metrics", "frechet_distance")
    made = scored(capsys, "real.npy", "--generator", "own.py:noise", "--count", "501", *network)
    assert made["samples"] == [40, 501] and made["generated"].startswith("own.py:noise ")
    of_a_run = scored(capsys, "real.npy", "--generator", str(images.root), "--count", "30", *network)
    assert of_a_run["samples"] == [40, 30] and "iteration 4" in of_a_run["generated"]
    again = scored(capsys, "real.npy", "--generator", str(images.root), "--count", "30", *network)
    assert again["scores"] == of_a_run["scores"]
    assert "ZeroDivisionError" in refused(capsys, "real.npy", "--generator", "own.py:broken", *network)
    assert "give REAL and GENERATED, or REAL --generator RUN" in refused(capsys, "real.npy", *network)


def like_networks(name: str, weights: Path | None, device: str) -> FeatureNetwork:
    """The true resize of each mode before a small network, in place of the Inception's weights."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.AvgPool2d(13, 26), nn.Flatten(), nn.Linear(432, 8))
    return FeatureNetwork(name, partial(prepare, mode=MODES[name]), body, nn.Linear(8, 5), device)


def test_one_table_as_three_programs_would_have_it(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_images, "load_feature_network", like_networks)
    programs = "clean-fid,pytorch-fid,torch-fidelity"
    told = scored(capsys, "real.npy", "generated.npy", "--like", programs)["like"]
    fid = {
        name: {s["metric"]: s for s in sheet["scores"]}["frechet_distance"] for name, sheet in told.items()
    }
    assert len({score["value"] for score in fid.values()}) == 3  # three ways to resize
    assert fid["clean-fid"]["label"] == "FID"
    for program, network in (("pytorch-fid", "inception-legacy-pytorch"), ("clean-fid", "inception")):
        alone = scored(
            capsys, "real.npy", "generated.npy", "--network", network, "--metrics", "frechet_distance"
        )
        assert alone["scores"][0]["value"] == fid[program]["value"]
    assert run(["score", "real.npy", "generated.npy", "--like", programs]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["like", "clean-fid", "pytorch-fid", "torch-fidelity"]
    kid = next(line.split() for line in lines if line.startswith("KID"))
    assert kid[2] == "–" and kid[1] != "–"  # pytorch-fid knows no KID
    assert any("antialiased" in line for line in lines)
    assert 'did you mean "clean-fid"' in refused(capsys, "real.npy", "generated.npy", "--like", "clean_fid")


def test_statistics_in_clean_fids_format_give_fd_and_kid(here: Path, capsys: Any) -> None:
    real = colours(np.load("real.npy")).astype(np.float32)
    gaussian = gaussian_statistics(real)
    np.savez_compressed("set_clean_custom_na.npz", mu=gaussian.mean, sigma=gaussian.covariance)
    np.savez_compressed("set_clean_custom_na_kid.npz", feats=real)
    network = (
        "generated.npy",
        "--network",
        "own.py:build",
        "--metrics",
        "frechet_distance",
        "kernel_distance",
    )
    of_images = scored(capsys, "real.npy", *network)["scores"]
    for file in ("set_clean_custom_na.npz", "set_clean_custom_na_kid.npz"):
        of_file = scored(capsys, file, *network)["scores"]
        for mine, theirs in zip(of_images, of_file, strict=True):
            assert theirs["value"] == pytest.approx(mine["value"], rel=1e-3)
    expected = kernel_distance(colours(np.load("generated.npy")), real).mean
    assert of_images[1]["value"] == pytest.approx(expected, rel=1e-3)
    np.savez("alone_kid.npz", feats=np.zeros(3))
    assert "feats of shape (3,)" in refused(capsys, "alone_kid.npz", *network)
    Path("set_clean_custom_na_kid.npz").unlink()
    assert StoredStatistics.load(Path("set_clean_custom_na.npz")).features is None

"""`gantry score` with metrics that compare images with the classes that they were asked to be; and `sample` to .npz."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.evaluation.test_own_scores import COLOURS, refused, scored
from tests.evaluation.test_sample_classes import runs  # noqa: F401
from tests.training.conftest import Lab

from gantry.cli import run
from gantry.data import prepare
from gantry.plan.dataset import DatasetSpec

NAMES = ("blue", "green", "red")
METRICS = ("label_accuracy", "within_class_spread", "class_frechet_distance", "train_on_samples_accuracy")
ASKED = ("--network", "own.py:build", "--metrics", *METRICS)


def images_of(labels: np.ndarray, seed: int) -> np.ndarray:
    """Noise, brighter in the channel of its class: red is the first channel."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (len(labels), 32, 32, 3))
    images[np.arange(len(labels)), :, :, 2 - labels] += rng.integers(80, 150, (len(labels), 1, 1))
    return images.astype(np.uint8)


def write_folders(images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / NAMES[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03}.png")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real images in class folders, prepared with and without a held-out part, and a network of one's own."""
    folder = tmp_path_factory.mktemp("asked")
    labels = np.arange(240) % 3
    write_folders(images_of(labels, 0), labels, folder / "raw")
    for name, held_out in (("split", 60), ("whole", None)):
        spec = DatasetSpec(title="colours", source="folder", path="raw", held_out=held_out)
        prepare(spec, name, folder, 32, folder / name)
    (folder / "own.py").write_text(COLOURS)
    return folder


@pytest.fixture
def here(raw: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(raw)
    return raw


def values(found: dict[str, Any]) -> dict[str, float]:
    return {score["metric"]: score["value"] for score in found["scores"]}


def test_folders_and_npz_say_which_class_is_asked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.arange(90) % 3
    images = images_of(labels, 1)
    write_folders(images, labels, here / "generated")
    order = np.argsort(labels, kind="stable")  # as folders list them
    np.savez(here / "asked.npz", images=images[order], labels=labels[order])
    np.savez(here / "wrong.npz", images=images, labels=(labels + 1) % 3)
    by_folder = values(scored(capsys, "split/manifest.json", "generated", *ASKED))
    by_array = values(scored(capsys, "split/manifest.json", "asked.npz", *ASKED))
    wrong = values(scored(capsys, "split/manifest.json", "wrong.npz", *ASKED))
    assert by_folder == by_array and tuple(by_folder) == METRICS
    assert by_folder["label_accuracy"] == by_folder["train_on_samples_accuracy"] == 1
    assert by_folder["within_class_spread"] == pytest.approx(1, abs=0.25)
    assert wrong["label_accuracy"] == wrong["train_on_samples_accuracy"] == 0, "the control: other classes"
    assert wrong["class_frechet_distance"] > 20 * by_folder["class_frechet_distance"]
    mixed = values(scored(capsys, "split/manifest.json", "asked.npz", *ASKED, "frechet_distance"))
    assert mixed.keys() == {*METRICS, "frechet_distance"}


def test_samples_that_do_not_say_what_they_were_asked_for_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = np.arange(30) % 3
    images = images_of(labels, 2)
    np.save(here / "bare.npy", images)
    np.savez(here / "bare.npz", images=images)
    np.savez(here / "short.npz", images=images, labels=labels[:-1])
    np.savez(here / "shares.npz", images=images, labels=np.eye(3)[labels])
    np.savez(here / "seven.npz", images=images, labels=labels + 5)
    np.savez(here / "one.npz", images=images, labels=labels * 0)
    write_folders(images, labels, here / "misnamed")
    (here / "misnamed/green").rename(here / "misnamed/gren")
    write_folders(images, labels, here / "mixed")
    (here / "mixed/red/002.png").rename(here / "mixed/loose.png")
    silent = "compares images with the classes that they were asked to be, and this does not say them: give a folder"
    for generated, message in (
        ("bare.npy", silent),
        ("bare.npz", silent),
        ("mixed", silent),
        ("short.npz", "labels (29,) of int64: one whole number for each of 30 images is expected"),
        ("shares.npz", "labels (30, 3) of float64"),
        ("seven.npz", "label 5 is of no class of split, which has 3, numbered from 0"),
        ("one.npz", "0 images were asked to be green: metric 'label_accuracy' wants at least two of each"),
        (
            "misnamed",
            'folder gren has the name of no class; did you mean "green"?; there are blue, green, red',
        ),
    ):
        said = refused(capsys, "split/manifest.json", generated, *ASKED)
        assert message in said and generated in said, generated
    assert "bare.npy has no classes: give the manifest.json of a prepared set" in refused(
        capsys, "bare.npy", "bare.npy", *ASKED
    )
    np.savez(here / "told.npz", images=images, labels=labels)
    assert "data set whole holds none out" in refused(capsys, "whole/manifest.json", "told.npz", *ASKED)
    whole = scored(
        capsys, "whole/manifest.json", "told.npz", "--network", "own.py:build", "--metrics", METRICS[0]
    )
    assert values(whole) == {"label_accuracy": 1}, "the control: nothing that a held-out part is needed for"


def test_what_a_run_was_asked_for_goes_with_its_samples(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = {
        "method": {"name": "conditional", "discriminator": "projection"},
        "networks": {"family": "sngan", "width": 2},
        "objective": {"name": "hinge"},
        "latent": {"dimension": 4},
        "batch_size": 4,
    }
    lab = Lab(tmp_path, here / "split/manifest.json", 2, {"name": "split", "resolution": 32})
    told = lab.train("told", 2, recipe)
    blind = lab.train("blind", 2, {key: value for key, value in recipe.items() if key != "method"})
    count = ("--count", "30")
    by_run = values(scored(capsys, "split/manifest.json", "--generator", str(told), *count, *ASKED))
    assert run(["sample", str(told), *count, "--out", str(tmp_path / "told.npz")]) == 0
    by_file = values(scored(capsys, "split/manifest.json", str(tmp_path / "told.npz"), *ASKED))
    assert by_run == by_file and by_run.keys() == set(METRICS)
    said = refused(capsys, "split/manifest.json", "--generator", str(blind), *count, *ASKED)
    assert "this does not say them" in said and json.dumps(str(blind))[1:-1] in said


def test_an_npz_holds_the_classes_of_its_samples(runs: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "samples.npz"
    for source, options, labels in (
        ("told", [], np.arange(12) % 9),
        ("told", ["--class", "3,5"], np.tile([3, 5], 6)),
        ("not", [], None),
    ):
        assert run(["sample", str(runs[source]), "--count", "12", "--out", str(out), *options]) == 0
        with np.load(out, allow_pickle=False) as held:
            assert held["points"].shape == (12, 2)
            assert ("labels" in held) == (labels is not None)
            assert labels is None or np.array_equal(held["labels"], labels)

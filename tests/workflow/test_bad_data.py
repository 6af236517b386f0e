"""Users' mistakes, through the command line: exit code 2, one message with the culprit and the fix, no
traceback, and nothing damaged that was there before. Here: configurations and raw data.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.workflow.steps import CONFIG, MANIFEST, Gantry, contents, refused

from gantry.plan.layering import merged


def prepare_arguments(dataset: dict[str, Any], prepared: str = "digits-32") -> list[str]:
    """Prepare `dataset` in place of the digits."""
    whole = {"title": "mine", "source": "folder", "images": None, "options": {}} | dataset
    config = merged(CONFIG, {"datasets": {"digits": whole}})
    return [
        "prepare",
        prepared,
        "--config",
        json.dumps(config),
        "--out",
        f"results/data/{prepared}/manifest.json",
    ]


# ── configuration ─────────────────────────────────────────────────────────────────────────────────────

PLANNED = [
    (["sedes=[0]"], ["config: sedes: unknown key", 'did you mean "seeds"?']),
    (["scale=qick"], ["workflow/scales/qick.yaml: no such file", 'did you mean "quick"?']),
    (["papers=[bcgam]"], ["workflow/experiments/bcgam.yaml: no such file", 'did you mean "bcgan"?']),
    (["substitute={celeba: digts}"], ["unknown data set 'digts'", 'did you mean "digits"?']),
    (["recipes={bcgn: {generators: 2}}"], ["config: recipes.bcgn: unknown recipe", 'did you mean "bcgan"?']),
    (["recipes={bcgan: {objective: {name: wgan}}}"], ["name 'wgan' is unknown", "minimax, non_saturating"]),
    (["seeds=[a, b]"], ["config: seeds.0: should be a valid integer", "config: seeds.1"]),
    (["seeds=[0.5]"], ["config: seeds.0: should be a valid integer", "0.5"]),
    (["seeds=two"], ["config: seeds: should be a list", "'two'"]),
    (["recipes={bcgan: {terms: {sample_spread: -1}}}"], ["terms.sample_spread: should be greater than or equal to 0"]),
    (["workloads={images: {resolution: 100}}"], ["workloads.images.resolution: should be a power of two"]),
    (["recipes={bcgan: {objective: {atoms: 1}}}"], ["objective.atoms: should be greater than or equal to 2"]),
    (["seeds"], ["'seeds': write settings as key=value"]),
    (["seeds=[0, 1"], ["'seeds=[0, 1': the value is not YAML"]),
    (["scale=a.yaml"], ["a.yaml: no such file"]),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "says"), PLANNED, ids=[case[0][0] for case in PLANNED])
def test_a_configuration_that_makes_no_sense(
    folder: Path, gantry: Gantry, settings: list[str], says: list[str]
) -> None:
    before = contents()
    first = [] if any(setting.startswith(("scale", "seeds [")) for setting in settings) else ["scale=smoke"]
    refused(gantry("plan", *first, *settings), *says)
    assert contents() == before


def test_a_configuration_file_that_is_no_yaml(folder: Path, gantry: Gantry) -> None:
    Path("config.yaml").write_text("scale: [smoke\n", encoding="utf-8")
    refused(gantry("plan"), "config.yaml: line 2: not valid YAML")
    Path("config.yaml").unlink()
    refused(gantry("plan"), "config.yaml: no such file")


# ── raw data ──────────────────────────────────────────────────────────────────────────────────────────


def no_folder(raw: Path) -> dict[str, Any]:
    return {"path": str(raw / "nowhere"), "acquisition": "Ask for it nicely."}


def folder_without_images(raw: Path) -> dict[str, Any]:
    (raw / "readme.txt").write_text("nothing here")
    return {"path": str(raw)}


def file_for_a_folder(raw: Path) -> dict[str, Any]:
    (raw / "faces.jpg").write_bytes(b"x")
    return {"path": str(raw / "faces.jpg")}


def truncated_image(raw: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    for name, pixels in zip(("whole.png", "torn.png"), noise, strict=True):
        Image.fromarray(pixels).save(raw / name)
    (raw / "torn.png").write_bytes((raw / "torn.png").read_bytes()[:2000])
    return {"path": str(raw)}


def text_for_an_image(raw: Path) -> dict[str, Any]:
    (raw / "face.png").write_text("not an image")
    return {"path": str(raw)}


def too_few_images(raw: Path) -> dict[str, Any]:
    Image.new("RGB", (40, 40)).save(raw / "one.png")
    return {"path": str(raw), "images": 7}


def array(content: Any, **options: Any) -> Callable[[Path], dict[str, Any]]:
    """A data set in one .npy file with this content: an array, or raw bytes."""

    def write(raw: Path) -> dict[str, Any]:
        path = raw / "images.npy"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content, allow_pickle=True)
        return {"source": "array", "path": str(path)} | options

    return write


def torn_array(raw: Path) -> dict[str, Any]:
    described = array(np.zeros((4, 32, 32, 3), np.uint8))(raw)
    path = Path(described["path"])
    path.write_bytes(path.read_bytes()[:-1000])
    return described


RAW: dict[str, tuple[Callable[[Path], dict[str, Any]], list[str]]] = {
    "no folder": (no_folder, ["nowhere", "is not there", "Ask for it nicely."]),
    "a folder without images": (folder_without_images, ["no image in this folder", "correct `path`"]),
    "a file for a folder": (file_for_a_folder, ["faces.jpg", "a folder of images was expected"]),
    "a truncated image": (truncated_image, ["torn.png", "on_bad_image: skip"]),
    "text for an image": (text_for_an_image, ["face.png"]),
    "too few images": (too_few_images, ["1 images found, 7 expected", "set `images`"]),
    "an array of the wrong shape": (
        array(np.zeros((4, 5), np.uint8)),
        ["images.npy", "shape (4, 5)", "expected images (N, H, W, 3)"],
    ),
    "an array of the wrong type": (
        array(np.zeros((4, 32, 32, 3), np.float32)),
        ["images.npy", "dtype float32", "uint8"],
    ),
    "an empty array": (array(np.zeros((0, 32, 32, 3), np.uint8)), ["images.npy", "shape (0, 32, 32, 3)"]),
    "an array of objects": (array(np.array([{}, {}], dtype=object)), ["images.npy", "not a whole .npy file"]),
    "a torn array": (torn_array, ["images.npy", "not a whole .npy file"]),
    "no array at all": (array(b"nonsense"), ["images.npy"]),
    "an unknown option": (lambda raw: {"path": str(raw), "options": {"colour": 1}}, ["options.colour", "unknown"]),
    "points at a resolution": (array(np.zeros((4, 2), np.float32)), ["points have no resolution"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RAW)
def test_raw_data_that_are_not_as_they_should_be(
    folder: Path, tmp_path: Path, gantry: Gantry, case: str
) -> None:
    """A set of this name that is prepared already stays as it is."""
    spoil, says = RAW[case]
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copytree(MANIFEST.parent, "results/data/digits-32")
    before = contents()
    refused(gantry(*prepare_arguments(spoil(raw))), *says)
    after = contents()
    assert {path: after[path] for path in before} == before
    assert not [path for path in after if path.endswith("manifest.json") and path not in before]


def test_a_set_that_no_run_needs(folder: Path, gantry: Gantry) -> None:
    refused(gantry(*prepare_arguments({}, "digits-64")), "digits-64: no run needs such a set", '"digits-32"')

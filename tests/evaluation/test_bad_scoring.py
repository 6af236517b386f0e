"""What may be wrong when a run is scored: one clear message each."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantry.data import open_prepared
from gantry.errors import UserError
from gantry.evaluation.features import store_real_statistics, train_classifier
from gantry.metrics.features import FeatureNetwork, load_feature_network
from gantry.training.run import RunFolder

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"spec_digest": "0123"},
            r"record-4\.json: of a run of another spec \(\w{16}, configured 0123\); delete it",
        ),
        ({"metrics": ["swd"]}, "metric 'swd' is not for points"),
        (
            {"final_metrics": ["mode_share_3"]},
            "metric 'mode_share_3' is not computed for runs.*there are modes_",
        ),
        ({"metrics": ["modes"]}, "unknown metric 'modes'"),
    ],
)
def test_wrong_scoring_of_points(change: dict[str, Any], message: str, points: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        points.score(tmp_path, **change)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ["js"]}, "metric 'js' is not for images"),
        ({"metrics": ["swd_16"]}, "'swd_16' is not computed for runs.*frechet_distance"),
        ({"features": "embeded"}, "embedded"),
    ],
)
def test_wrong_scoring_of_images(change: dict[str, Any], message: str, images: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        images.score(tmp_path, **change)


def test_scores_from_classes_need_a_network_that_has_them(
    images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = FeatureNetwork("inception-768", lambda x: x, nn.Flatten(), None)
    monkeypatch.setattr("gantry.metrics.features.load_feature_network", lambda *_: network)
    with pytest.raises(UserError, match=r"inception_score needs class probabilities.*inception-768 does not"):
        images.score(tmp_path)
    # Statistics of another network do not pass for this one's.
    with pytest.raises(UserError, match="made by feature network embedded, asked for is inception-768"):
        images.score(tmp_path, metrics=["frechet_distance"])


def test_statistics_must_be_given_and_whole(images: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--statistics"):
        replace(images, statistics=None).score(tmp_path)
    damaged = tmp_path / "statistics.npz"
    assert images.statistics is not None
    damaged.write_bytes(images.statistics.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"statistics\.npz: not a readable file of statistics"):
        replace(images, statistics=damaged).score(tmp_path)
    with pytest.raises(UserError, match="its weights are not at"):
        replace(images, weights=tmp_path / "absent").score(tmp_path)


def test_other_data_than_the_run_was_trained_on(points: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(points.manifest.parent, folder)
    manifest = json.loads(points.manifest.read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"digest": "other"}))
    run = replace(points, manifest=folder / "manifest.json")
    with pytest.raises(UserError, match=r"trained on other data than .*data/manifest\.json holds now"):
        run.score(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_damaged_checkpoints_are_named(damage: str, points: Any, tmp_path: Path) -> None:
    run = replace(points, root=tmp_path / "set/recipe/seed0")
    shutil.copytree(points.root, run.root)
    path: Path = RunFolder(
        run.root,
        json.loads(run.record.read_text())["spec"],
        json.loads(run.record.read_text())["data_digest"],
    ).checkpoint(4)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(content if damage == "flipped" else content[:-10])
    message = "the checkpoint is missing" if damage == "missing" else "the checkpoint is damaged"
    with pytest.raises(UserError, match=rf"0000004\.safetensors: {message}.*delete the run's work folder"):
        run.score(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_points_have_no_features(points: Any, tmp_path: Path) -> None:
    for call in (
        lambda: train_classifier([points.manifest], tmp_path / "c.safetensors"),
        lambda: store_real_statistics(points.manifest, "embedded", None, tmp_path / "s.npz", "cpu", 1),
    ):
        with pytest.raises(UserError, match=r"manifest\.json: .*this set holds points"):
            call()


def test_an_unlabelled_set_is_one_class_more(images: Any, tmp_path: Path) -> None:
    """Ten digits, and the same pictures upside down, without labels, as the eleventh class."""
    folder = tmp_path / "other"
    folder.mkdir()
    prepared = open_prepared(images.manifest)
    upside_down = np.ascontiguousarray(prepared.samples[:, ::-1])
    np.save(folder / "images.npy", upside_down)
    told = {"labels": False, "digest": hashlib.sha256(upside_down.tobytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(prepared.manifest | told))
    out = tmp_path / "classifier.safetensors"
    train_classifier([images.manifest, folder / "manifest.json"], out)
    logits = load_feature_network("embedded", out, CPU).extract(prepared.samples[:3]).logits
    assert logits is not None and logits.shape == (3, 11)

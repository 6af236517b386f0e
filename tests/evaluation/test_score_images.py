"""Scoring one set of images against another: folders, arrays, stored statistics, one table."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantry.errors import UserError
from gantry.evaluation.computations import COMPUTATIONS
from gantry.evaluation.score_images import score_images
from gantry.metrics.features import load_feature_network, train_embedded_classifier
from gantry.metrics.frechet import frechet_distance, gaussian_statistics


def pictures(count: int, seed: int, side: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, side, side, 3))
    images[np.arange(count), :, :, rng.integers(0, 3, count)] += 150
    return images.astype(np.uint8)


def folder_of(images: np.ndarray, folder: Path) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:04}.png")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = pictures(200, 0)
    path = tmp_path_factory.mktemp("weights") / "classifier.safetensors"
    train_embedded_classifier(images, images.mean(axis=(1, 2)).argmax(axis=1), 0, path)
    return path


def test_folder_array_and_file_give_the_same_numbers(classifier: Path, tmp_path: Path) -> None:
    real, generated = pictures(60, 1), pictures(50, 2)
    np.save(tmp_path / "real.npy", real)
    folder = folder_of(generated, tmp_path / "generated")
    told: list[tuple[str, int, int]] = []
    by_path = score_images(
        tmp_path / "real.npy", folder, "embedded", classifier, progress=lambda *step: told.append(step)
    )
    by_array = score_images(real, generated, "embedded", classifier)
    assert [(s.metric, s.value) for s in by_path.scores] == [(s.metric, s.value) for s in by_array.scores]
    assert told[-1] == (str(folder), 50, 50)
    assert not by_path.left_out
    network = load_feature_network("embedded", classifier)
    fitted = [gaussian_statistics(network.extract(images).features) for images in (real, generated)]
    values = {score.metric: score.value for score in by_path.scores}
    assert values["frechet_distance"] == pytest.approx(frechet_distance(*fitted))
    assert {"swd", "swd_16", "precision", "neighbour_accuracy_real", "mode_score"} <= set(values)
    json.dumps(by_path.as_json())
    table = by_path.table()
    assert "FD (embedded classifier)" in table and "FID" not in table and "interval" not in table


def test_a_stored_gaussian_stands_for_the_real_images(classifier: Path, tmp_path: Path) -> None:
    real, generated = pictures(60, 1), pictures(50, 2)
    network = load_feature_network("embedded", classifier)
    path = tmp_path / "real.npz"
    gaussian_statistics(network.extract(real).features).save(path)
    found = score_images(path, generated, "embedded", classifier)
    values = {score.metric: score.value for score in found.scores}
    both = {
        score.metric: score.value for score in score_images(real, generated, "embedded", classifier).scores
    }
    frechet = {"frechet_distance", "frechet_distance_infinity", "frechet_distance_bias"}
    assert set(values) == frechet | {
        "inception_score",
        "inception_score_deviation",
        "background_brightness",
        "saturated_share",
    }
    assert all(values[name] == pytest.approx(both[name]) for name in values)
    assert any("give the real images" in reason for reason in found.left_out)
    for metric, reason in (
        ("swd", "give the real images"),
        ("precision", "Gaussian of the real features alone"),
    ):
        with pytest.raises(UserError, match=reason):
            score_images(path, generated, "embedded", classifier, metrics=[metric])


def test_every_score_has_an_interval_on_request(classifier: Path) -> None:
    told: list[tuple[str, int, int]] = []
    found = score_images(
        pictures(60, 1),
        pictures(50, 2),
        "embedded",
        classifier,
        intervals=True,
        resamples=20,
        progress=lambda *step: told.append(step),
    )
    scores = {score.metric: score for score in found.scores}
    assert set(scores) == {*COMPUTATIONS, "swd_16"} and not found.left_out
    for name, score in scores.items():
        assert score.interval is not None and score.interval.low <= score.value <= score.interval.high, name
    frechet = scores["frechet_distance"]
    assert frechet.interval is not None and frechet.interval.low < frechet.value < frechet.interval.high
    assert "95 % interval" in found.table()
    assert ("intervals of SWD×10³", 20, 20) in told


def test_constant_images_and_few_of_them_give_numbers_or_reasons(classifier: Path) -> None:
    flat = np.full((20, 16, 16, 3), 7, dtype=np.uint8)
    found = score_images(pictures(60, 1), flat, "embedded", classifier)
    values = {score.metric: score.value for score in found.scores}
    assert set(values) == {*COMPUTATIONS, "swd_16"} and all(np.isfinite(list(values.values())))
    assert values["inception_score"] == pytest.approx(1) and values["recall"] == 0
    assert values["neighbour_accuracy_generated"] == 1 and values["frechet_distance"] > 0
    assert {s.value for s in score_images(flat, flat, metrics=["swd"]).scores} == {0.0}
    few = score_images(pictures(60, 1), pictures(5, 2), "embedded", classifier)
    assert np.isfinite([score.value for score in few.scores]).all()
    assert {score.metric for score in few.scores} >= {"frechet_distance", "kernel_distance", "mode_score"}
    assert any("5 nearest neighbours among 5 samples" in reason for reason in few.left_out)
    assert any("5 samples; this metric needs at least 10" in reason for reason in few.left_out)


def test_a_gpu_that_is_not_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="PyTorch sees no GPU"):
        score_images(pictures(20, 1), pictures(20, 2), metrics=["swd"], device="cuda")


def test_images_of_several_sizes_have_features_but_no_pyramid(classifier: Path, tmp_path: Path) -> None:
    folder = folder_of(pictures(20, 1), tmp_path / "mixed")
    Image.fromarray(pictures(1, 2, side=24)[0]).save(folder / "9999.png")
    found = score_images(folder, pictures(20, 3), "embedded", classifier)
    assert found.samples == (21, 20)
    assert any("9999.png" in reason for reason in found.left_out)


def test_pixels_alone_need_no_network() -> None:
    found = score_images(pictures(20, 1), pictures(20, 2), metrics=["swd"])
    assert found.feature_network == "" and [s.metric for s in found.scores] == ["swd", "swd_16"]


def test_bad_input_is_one_clear_message(classifier: Path, tmp_path: Path) -> None:
    good = pictures(20, 1)
    for source, message in (
        (tmp_path / "absent", "absent: no such file"),
        (tmp_path, "no image in this folder"),
    ):
        with pytest.raises(UserError, match=message):
            score_images(source, good, metrics=["swd"])
    broken = folder_of(good[:2], tmp_path / "broken")
    (broken / "0001.png").write_bytes((broken / "0001.png").read_bytes()[:60])
    with pytest.raises(UserError, match=r"0001\.png: the image cannot be read"):
        score_images(broken, good, "embedded", classifier)
    np.save(tmp_path / "points.npy", np.zeros((3, 2)))
    with pytest.raises(UserError, match="expected uint8 images"):
        score_images(tmp_path / "points.npy", good, metrics=["swd"])
    with pytest.raises(UserError, match="not for two sets of images"):
        score_images(good, good, metrics=["js"])
    with pytest.raises(UserError, match="did you mean"):
        score_images(good, good, metrics=["precison"])

"""Stored statistics of a prepared set: what they keep, and that they suffice for every metric of images."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gantry.cli import run
from gantry.data import open_prepared
from gantry.errors import UserError
from gantry.evaluation import asked, computations, points, stored
from gantry.evaluation.sample import SCORED_SEED
from gantry.evaluation.score_images import score_images
from gantry.evaluation.stored import StoredStatistics
from gantry.metrics import METRICS
from gantry.metrics.features import Features, load_feature_network
from gantry.metrics.frechet import gaussian_statistics
from gantry.metrics.inception_score import inception_score

OF_ASKED = {name for name, metric in METRICS.items() if metric.of_asked}
OF_IMAGES = [name for name, metric in METRICS.items() if metric.needs != "points" and name not in OF_ASKED]


def test_every_metric_is_computed_for_runs() -> None:
    assert set(computations.COMPUTATIONS) == set(OF_IMAGES)
    assert set(points.COMPUTATIONS) == set(METRICS) - set(OF_IMAGES) - OF_ASKED
    assert set(asked.ASKED) == OF_ASKED


def test_a_seeded_choice_of_features_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stored, "KEPT", 30)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((100, 6)).astype(np.float32)
    seen = Features(features, np.log(np.full((100, 4), [0.1, 0.2, 0.3, 0.4])).astype(np.float32))
    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        StoredStatistics.of("set", seen, "embedded", "0f").save(path)
    a, b = (StoredStatistics.load(path) for path in (tmp_path / "a.npz", tmp_path / "b.npz"))
    assert a.features is not None and b.features is not None and a.shares is not None
    assert a.features.shape == (30, 6) and np.array_equal(a.features, b.features)
    rows = [int(np.flatnonzero((features == row).all(axis=1))[0]) for row in a.features]
    assert len(set(rows)) == 30 and max(rows) > 60  # not the first thirty
    # The Gaussian and the shares are those of all hundred.
    assert a.gaussian.count == 100
    np.testing.assert_allclose(a.gaussian.mean, features.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(a.shares, [0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    a.check("embedded", "0f")
    for change in (("inception", "0f"), ("embedded", "1f")):
        with pytest.raises(UserError, match=r"a\.npz: made"):
            a.check(*change)


def test_a_run_is_scored_with_every_metric(images: Any, tmp_path: Path) -> None:
    """The same numbers as by hand, from the images themselves."""
    rows = images.score(tmp_path, metrics=OF_IMAGES, final_metrics=[])
    found = {
        row["metric"]: float(row["value"])
        for row in rows
        if (row["sampled_from"], row["iteration"]) == ("G2", "4")
    }
    assert set(OF_IMAGES) <= set(found)
    drawn = images.draw(4, 41, lambda number: SCORED_SEED + 1000 * number)[1]
    real = np.array(open_prepared(images.manifest).samples)
    torch.set_num_threads(1)
    by_hand = score_images(real, drawn, "embedded", images.weights)
    assert found == pytest.approx({score.metric: score.value for score in by_hand.scores}, rel=1e-3, abs=1e-6)


def test_a_gaussian_alone_is_refused_before_anything_is_drawn(images: Any, tmp_path: Path) -> None:
    path = tmp_path / "statistics.npz"
    assert images.statistics is not None
    StoredStatistics.load(images.statistics).gaussian.save(path)
    run = replace(images, statistics=path)
    assert run.score(tmp_path / "out", metrics=["frechet_distance"], final_metrics=[])
    with pytest.raises(UserError, match=r"statistics\.npz: holds the Gaussian .*give the real images"):
        run.score(tmp_path / "out", metrics=["kernel_distance"], final_metrics=[])


def test_a_network_without_classes_has_no_shares() -> None:
    features = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    kept = StoredStatistics.of("set", Features(features, None), "inception-64", "")
    with pytest.raises(UserError, match="no class probabilities"):
        kept.reference("shares")


@pytest.fixture
def workplace(images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the digits prepared, and their statistics."""
    root = Path(__file__).parents[2]
    (tmp_path / "workflow").symlink_to(root / "workflow")
    shutil.copy(root / "config.yaml", tmp_path)
    data = tmp_path / "results/data"
    shutil.copytree(images.manifest.parent, data / "digits-32")
    assert images.statistics is not None
    shutil.copy(images.statistics, data / "digits-32/statistics-embedded.npz")
    shutil.copy(images.weights, data / "embedded-classifier.safetensors")
    monkeypatch.chdir(tmp_path)
    return data


def test_scoring_against_a_prepared_set_by_name(
    workplace: Path, images: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = images.draw(4, 41, lambda number: SCORED_SEED + 1000 * number)[0]
    np.save("generated.npy", drawn)
    told = ["score", "generated.npy", "scale=smoke", "--against", "digits-32"]
    assert run(told) == 0
    table = capsys.readouterr().out
    count = len(open_prepared(images.manifest))
    assert f"real: digits-32 ({count})" in table and "left out" not in table
    network = load_feature_network("embedded", images.weights)
    assert "SWD" in table and "mode score" in table and "coverage" in table
    kept = StoredStatistics.load(workplace / "digits-32/statistics-embedded.npz")
    expected = gaussian_statistics(network.extract(open_prepared(images.manifest).samples).features)
    np.testing.assert_allclose(kept.gaussian.mean, expected.mean, rtol=1e-6)
    assert kept.digest == open_prepared(images.manifest).digest and kept.network == "embedded"


def test_what_is_missing_is_named_with_the_command_that_makes_it(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("generated.npy", np.zeros((20, 32, 32, 3), np.uint8))
    for told, message in (
        (
            ["--against", "digit-32"],
            "there are digits-32; make it with: snakemake --cores all -- results/data",
        ),
        (
            ["--against", "digits-32", "--network", "inception-768"],
            "make them with: gantry statistics --data results/data/digits-32/manifest.json --network inception-768",
        ),
        ([], "1 sets given; give REAL and GENERATED"),
    ):
        assert run(["score", "generated.npy", *told]) != 0
        assert message in capsys.readouterr().err


def test_the_splits_of_the_inception_score_may_be_others() -> None:
    logits = np.random.default_rng(0).normal(size=(60, 7))
    for splits in (1, 3, 10):
        table = computations.computations(splits)
        found = table["inception_score"].compute(None, logits, "cpu")
        assert found["inception_score"] == inception_score(logits, splits).mean
        assert table["inception_score"] is table["inception_score_deviation"]
        assert set(table) == set(computations.COMPUTATIONS)

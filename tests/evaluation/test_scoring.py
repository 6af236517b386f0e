"""Scored runs: the metrics' own numbers in the table, the right samples in the pictures."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.evaluation.conftest import IMAGES
from tests.workflow.steps import rewrite_record

from gantry.data import open_prepared
from gantry.evaluation import score
from gantry.evaluation.sample import SCORED_SEED, SHOWN_SEED
from gantry.metrics.density import mixture_divergences
from gantry.metrics.energy import energy_distance
from gantry.metrics.features import FeatureNetwork, Features, load_feature_network
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from gantry.metrics.inception_score import inception_score
from gantry.metrics.modes import mode_statistics
from gantry.metrics.swd import sliced_wasserstein
from gantry.metrics.wasserstein import wasserstein2

CPU = torch.device("cpu")
CLASSES = {
    "generators": 1,
    "terms": {},
    "networks": {"family": "dcgan", "width": 4, "head": "linear"},
    "objective": {"name": "hinge"},
    "method": {"name": "conditional", "generator": "concat", "discriminator": "planes"},
}


def by_key(rows: list[dict[str, str]]) -> dict[tuple[int, str, str], float]:
    table = {(int(row["iteration"]), row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
    assert len(table) == len(rows)
    return table


# ── points ────────────────────────────────────────────────────────────────────────────────────────────


def test_points_are_scored_with_the_metrics_own_numbers(points: Any, tmp_path: Path) -> None:
    rows = points.score(tmp_path)
    assert {(row["dataset"], row["recipe"], row["seed"], row["samples"]) for row in rows} == {
        ("set", "recipe", "0", "100")
    }
    assert {row["feature_network"] for row in rows} == {""}
    found = by_key(rows)
    assert {key[:2] for key in found} == {(i, s) for i in (2, 4) for s in ("G1", "G2", "G3", "mixture")}
    manifest = json.loads(points.manifest.read_text())
    means, variance = manifest["means"], manifest["variance"]
    for iteration in (2, 4):
        drawn = points.draw(iteration, 100, lambda number: SCORED_SEED + 1000 * number)
        assert not np.array_equal(drawn[0], drawn[1])
        sources = dict(zip(("G1", "G2", "G3"), drawn, strict=True))
        sources["mixture"] = np.concatenate([drawn[0][:34], drawn[1][:33], drawn[2][:33]])
        for source, samples in sources.items():
            modes = mode_statistics(samples, means, variance)
            divergences = mixture_divergences(samples, means, variance)
            expected = {
                "modes_covered": modes.covered,
                "modes_reached": modes.reached,
                "share_within_3_sigma": modes.within,
                "js": divergences.js,
                "kl_density_samples": divergences.density_samples,
                "kl_samples_density": divergences.samples_density,
                "energy_distance": energy_distance(samples, means, variance),
            } | {f"mode_share_{index}": share for index, share in enumerate(modes.histogram)}
            if iteration == 4:
                expected["w2"] = wasserstein2(samples, np.asarray(open_prepared(points.manifest).samples))
            of_source = {key[2]: value for key, value in found.items() if key[:2] == (iteration, source)}
            assert of_source == pytest.approx(expected, rel=1e-9), (iteration, source)


def test_shown_samples_share_their_latents(points: Any, tmp_path: Path) -> None:
    points.score(tmp_path)
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as shown:
        assert sorted(shown) == ["G1", "G2", "G3", "iterations", "real"]
        assert shown["iterations"].tolist() == [2, 4] and shown["iterations"].dtype == np.int64
        assert np.array_equal(shown["real"], open_prepared(points.manifest).samples[:7])
        for place, iteration in enumerate((2, 4)):
            for source, samples in zip(
                ("G1", "G2", "G3"), points.draw(iteration, 7, lambda number: SHOWN_SEED), strict=True
            ):
                assert np.array_equal(shown[source][place], samples)


def test_scoring_again_gives_the_same_files(points: Any, tmp_path: Path) -> None:
    for name in ("first", "second"):
        points.score(tmp_path / name)
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")
    ]
    assert contents[0]["metrics.csv"] == contents[1]["metrics.csv"]
    with np.load(tmp_path / "first/samples.npz") as a, np.load(tmp_path / "second/samples.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a)


def test_after_leaves_out_earlier_checkpoints(points: Any, tmp_path: Path) -> None:
    whole = points.score(tmp_path / "whole")
    later = points.score(tmp_path / "later", after=2)
    assert later == [row for row in whole if row["iteration"] == "4"]
    with np.load(tmp_path / "later/samples.npz") as shown:
        assert shown["iterations"].tolist() == [4] and shown["G2"].shape == (1, 7, 2)


def test_one_generator_is_not_a_mixture(trained_otherwise: Callable[..., Any], tmp_path: Path) -> None:
    single = trained_otherwise(generators=1, terms={})
    assert {row["sampled_from"] for row in single.score(tmp_path)} == {"G1"}


# ── images ────────────────────────────────────────────────────────────────────────────────────────────


def test_images_are_scored_with_the_metrics_own_numbers(images: Any, tmp_path: Path) -> None:
    rows = images.score(tmp_path)
    found = by_key(rows)
    network = load_feature_network("embedded", images.weights, CPU)
    prepared = open_prepared(images.manifest)
    real = gaussian_statistics(network.extract(prepared.samples).features)
    for iteration in (2, 4):
        one, two = images.draw(iteration, 41, lambda number: SCORED_SEED + 1000 * number)
        assert one.shape == (41, 32, 32, 3) and one.dtype == np.uint8
        for source, samples in {
            "G1": one,
            "G2": two,
            "mixture": np.concatenate([one[:21], two[:20]]),
        }.items():
            look = network.extract(samples)
            expected = {
                "frechet_distance": frechet_distance(real, gaussian_statistics(look.features)),
                "inception_score": inception_score(look.logits).mean,
                "inception_score_deviation": inception_score(look.logits).deviation,
            }
            if iteration == 4:
                distance = sliced_wasserstein(prepared.samples, samples)
                expected |= {"swd": distance.mean}
                expected |= {f"swd_{level}": value for level, value in distance.levels.items()}
            of_source = {key[2]: value for key, value in found.items() if key[:2] == (iteration, source)}
            assert of_source == pytest.approx(expected, rel=1e-4), (iteration, source)
    assert {(row["metric"], row["feature_network"]) for row in rows} == {
        ("frechet_distance", "embedded"),
        ("inception_score", "embedded"),
        ("inception_score_deviation", "embedded"),
        *((name, "") for name in ("swd", "swd_32", "swd_16")),
    }
    with np.load(tmp_path / "samples.npz") as shown:
        assert sorted(shown) == ["G1", "G2", "iterations"]
        assert shown["G1"].shape == (2, 5, 32, 32, 3) and shown["G1"].dtype == np.uint8
        (one, two) = images.draw(4, 5, lambda number: SHOWN_SEED)
        assert np.array_equal(shown["G1"][1], one) and np.array_equal(shown["G2"][1], two)


def test_the_network_is_loaded_and_sees_the_real_set_once_for_all_checkpoints(
    images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two checkpoints, two generators each: one network, and no image through it but the generated ones."""
    loaded, seen = [], []

    def load(*given: Any) -> FeatureNetwork:
        loaded.append(load_feature_network(*given))
        return loaded[-1]

    def extract(network: FeatureNetwork, given: np.ndarray, *rest: Any) -> Features:
        seen.append(len(given))
        return original(network, given, *rest)

    original = FeatureNetwork.extract
    monkeypatch.setattr("gantry.metrics.features.load_feature_network", load)
    monkeypatch.setattr(FeatureNetwork, "extract", extract)
    images.score(tmp_path)
    assert len(loaded) == 1 and seen == [41] * 4


def test_no_image_is_looked_at_twice_and_none_where_no_metric_asks_the_network(
    images: Any, images_otherwise: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distance, accuracy and confusion are of the same samples; each truncation has samples of its own."""
    looked = []
    original = FeatureNetwork.forward

    def forward(network: FeatureNetwork, batch: torch.Tensor) -> Any:
        looked.append(len(batch))
        return original(network, batch)

    monkeypatch.setattr(FeatureNetwork, "forward", forward)
    images.score(tmp_path / "none", metrics=["swd"], final_metrics=[])
    assert looked == []
    run = images_otherwise(IMAGES | CLASSES)
    told = {"metrics": ["frechet_distance", "label_accuracy"], "final_metrics": ["confusion"]}
    rows = run.score(tmp_path / "all", sweep={"truncation": [0.5, 1.0]}, **told)
    assert {row["metric"] for row in rows} >= {"frechet_distance", "class_frechet_distance", "confusion"}
    assert looked and sum(looked) == 4 * 41, "two checkpoints and two truncations"
    plain = run.score(tmp_path / "apart", metrics=["frechet_distance"], final_metrics=[])
    assert [
        row for row in rows if row["metric"] == "frechet_distance" and "trunc" not in row["sampled_from"]
    ] == plain


# ── runs that diverged ────────────────────────────────────────────────────────────────────────────────


def test_a_diverged_run_is_scored_as_far_as_it_went(
    trained_otherwise: Callable[..., Any], tmp_path: Path
) -> None:
    """The first step throws the weights far out: what finite samples there are are scored, the rest left out."""
    run = trained_otherwise(optimiser={"lr_g": 1e38, "lr_d": 1e38})
    record = json.loads(run.record.read_text())
    assert record["status"] == "diverged"
    assert run.score(tmp_path) == []
    with np.load(tmp_path / "samples.npz") as shown:
        assert sorted(shown) == ["iterations", "real"] and shown["iterations"].shape == (0,)


def test_checkpoints_before_a_divergence_are_scored_as_ever(points: Any, tmp_path: Path) -> None:
    run = replace(points, root=tmp_path / "set/recipe/seed0")
    shutil.copytree(points.root, run.root)
    kept = json.loads(run.record.read_text())["checkpoints"][:1]
    rewrite_record(run.record, status="diverged", diverged_at=3, checkpoints=kept)
    whole = points.score(tmp_path / "whole")
    assert run.score(tmp_path / "cut") == [row for row in whole if row["iteration"] == "2"]
    with np.load(tmp_path / "cut/samples.npz") as shown:
        assert shown["iterations"].tolist() == [2]


def test_a_checkpoint_of_nan_is_left_out(
    points: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss was finite at iteration 4, the weights after it were not."""
    from safetensors.torch import load_file, save_file

    from gantry.files import sha256_of_file

    run = replace(points, root=tmp_path / "set/recipe/seed0")
    shutil.copytree(points.root, run.root)
    record = json.loads(run.record.read_text())
    last = run.root / record["checkpoints"][1]["file"]
    weights = load_file(last)
    weights["1.0.weight"][:] = math.nan
    save_file(weights, last)
    record["checkpoints"][1]["sha256"] = sha256_of_file(last)
    rewrite_record(run.record, checkpoints=record["checkpoints"])
    assert {row["iteration"] for row in run.score(tmp_path)} == {"2"}
    with np.load(tmp_path / "samples.npz") as shown:
        assert shown["iterations"].tolist() == [2] and shown["G3"].shape == (1, 7, 2)
    assert (
        "set/recipe/seed0: iteration 4 is left out: the generator's samples hold NaN"
        in capsys.readouterr().err
    )


def test_real_samples_are_scored_as_if_generated(images: Any, tmp_path: Path) -> None:
    """Drawn with replacement: nearer to the real set than any generator of four iterations, yet not at 0."""
    rows = by_key(images.score(tmp_path, score_real=True))
    plain = by_key(images.score(tmp_path))
    assert plain.keys() == {key for key in rows if key[1] != "real"}
    assert {key[0] for key in rows if key[1] == "real"} == {4}
    real = rows[4, "real", "frechet_distance"]
    assert 0 < real < 0.5 * rows[4, "mixture", "frechet_distance"]


def test_a_run_is_scored_with_the_splits_that_the_workload_asks_for(images: Any, tmp_path: Path) -> None:
    whole = by_key(images.score(tmp_path, inception_splits=1))
    usual = by_key(images.score(tmp_path))
    key = (4, "mixture", "inception_score")
    assert whole[4, "mixture", "inception_score_deviation"] == 0 and whole[key] != usual[key]
    others = {place for place in usual if not place[2].startswith("inception_score")}
    assert all(whole[place] == usual[place] for place in others)


@pytest.mark.parametrize("kind", ["points", "images"])
def test_a_mixture_scored_alone_scores_the_same(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = request.getfixturevalue(kind)
    alone, usual = (by_key(run.score(tmp_path, score_generators=is_apart)) for is_apart in (False, True))
    mixture = {key: value for key, value in usual.items() if key[1] == "mixture"}
    assert mixture and alone.keys() == mixture.keys() < usual.keys()
    # The network sees the images in other batches, so that its last digits differ.
    assert alone == pytest.approx(mixture, rel=1e-4)


def test_the_real_samples_that_are_scored_are_drawn_with_replacement(points: Any) -> None:
    """More than there are, from all of them, the same each time."""
    prepared = open_prepared(points.manifest)
    count = 3 * len(prepared.samples)
    drawn = score._real_again(prepared, count)
    rows = np.random.default_rng(SCORED_SEED).integers(len(prepared.samples), size=count)
    np.testing.assert_array_equal(drawn, prepared.samples[np.sort(rows)])
    assert 0.9 < len(np.unique(drawn, axis=0)) / len(np.unique(prepared.samples, axis=0)) < 1

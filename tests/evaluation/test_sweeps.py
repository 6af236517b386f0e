"""Sweeps: one run's samples at other settings, scored as sources of their own, at the end alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.evaluation.test_montages import BASE
from tests.training.test_growing_runs import STYLES
from tests.training.test_runs_of_methods import PROJECTION

from gantry.data import open_prepared
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.referee import confusion
from gantry.evaluation.sample import SCORED_SEED, sampled
from gantry.evaluation.sweeps import of_samples, swept
from gantry.methods import build_method
from gantry.methods.checkpoint import load_sampler
from gantry.metrics.classes import label_accuracy
from gantry.metrics.names import is_own, metric
from gantry.plan.blocks.players import Latent
from gantry.plan.recipe import Recipe

CPU = torch.device("cpu")
METRICS = {"metrics": ["label_accuracy_points", "share_within_3_sigma"], "final_metrics": ["w2"]}


def test_a_run_is_scored_at_each_truncation_at_its_end(
    trained_otherwise: Callable[..., Any], tmp_path: Path
) -> None:
    told = PROJECTION | {"terms": {"sample_spread": 0}, "generators": 1}
    scored = trained_otherwise(**told)
    plain = scored.score(tmp_path / "plain", **METRICS)
    rows = scored.score(tmp_path / "swept", sweep={"truncation": [0.1, 2.0], "scaled": [0.5]}, **METRICS)
    assert [row for row in rows if is_own(row["sampled_from"]) or row["sampled_from"] == "real"] == plain
    more = [row for row in rows if row not in plain]
    assert {(row["iteration"], row["sampled_from"]) for row in more} == {
        ("4", "truncation 0.1"),
        ("4", "truncation 2"),
        ("4", "scaled 0.5"),
    }
    metrics = {row["metric"] for row in more if row["sampled_from"] == "truncation 2"}
    assert {"label_accuracy_points", "within_class_spread_points", "share_within_3_sigma", "w2"} <= metrics

    shape = DataShape.of(open_prepared(scored.manifest))
    sampler = load_sampler(build_method(scored.recipe, shape), next(scored.root.rglob("0000004.safetensors")))
    samples = dict(swept(sampler, scored.recipe.latent, {"truncation": [0.1]}, 100, CPU))["truncation 0.1"]
    means = np.asarray(open_prepared(scored.manifest).manifest["means"])
    seen = np.square(samples[:, None] - means).sum(-1).argmin(1)
    told_value = next(
        float(row["value"])
        for row in more
        if (row["sampled_from"], row["metric"]) == ("truncation 0.1", "label_accuracy_points")
    )
    assert told_value == pytest.approx(label_accuracy(seen, np.arange(100) % 9))


def test_truncated_latents_stay_within_and_labels_stay() -> None:
    class Told:
        """A sampler whose samples are its latents, and the number of each."""

        sources = ("G1",)

        def inputs(self, source: str, rows: range, randomness: torch.Generator, held_out: Any) -> Any:
            return {"z": torch.randn(len(rows), 1, generator=randomness), "labels": torch.tensor(rows)}

        def standing_at(self, truncation: Any) -> "Told":
            return self

        def sample(self, source: str, inputs: Any) -> torch.Tensor:
            return torch.cat([inputs["z"], inputs["labels"][:, None].float()], dim=1)

    latent = Latent(dimension=1)
    found = dict(swept(Told(), latent, {"truncation": [0.5, 3.0]}, 700, CPU))  # type: ignore[arg-type]
    narrow, wide = found["truncation 0.5"], found["truncation 3"]
    assert 0.45 < np.abs(narrow[:, 0]).max() <= 0.5 < 2 < np.abs(wide[:, 0]).max() <= 3
    assert narrow[:, 1].tolist() == wide[:, 1].tolist() == list(range(700))
    scaled = dict(swept(Told(), latent, {"scaled": [0.25]}, 700, CPU))["scaled 0.25"]  # type: ignore[arg-type]
    assert 0.45 < np.abs(scaled[:, 0]).max() <= 0.5, "0.25 times a number that is within ±2"
    assert scaled[:, 0].std() == pytest.approx(0.25 * 0.88, rel=0.05) and narrow[:, 0].std() > 0.27
    with pytest.raises(UserError, match=r"sweep\.scaled: these samples start from no normal latents"):
        dict(swept(Told(), Latent(dimension=1, distribution="censored"), {"scaled": [1.0]}, 5, CPU))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="start from no normal latents"):
        dict(swept(Told(), Latent(dimension=1, distribution="uniform"), {"truncation": [1.0]}, 5, CPU))  # type: ignore[arg-type]


def test_psi_is_of_the_sweep_alone_and_1_changes_nothing() -> None:
    torch.manual_seed(0)
    method = build_method(Recipe.model_validate({"workload": ""} | STYLES), DataShape((3, 32, 32)))
    method.enter(method.stages()[-1])
    sampler = method.sampler(method.kept.eval())
    own = sampled(sampler, "G1", 6, SCORED_SEED + 1000, CPU)
    found = dict(swept(sampler, method.recipe.latent, {"psi": [0.0, 1.0]}, 6, CPU))
    assert np.array_equal(found["psi 1"], own) and not np.array_equal(found["psi 0"], own)
    assert found["psi 0"].astype(float).std(0).mean() < own.astype(float).std(0).mean()
    assert np.array_equal(sampled(sampler, "G1", 6, SCORED_SEED + 1000, CPU), own), (
        "the run's own ψ is as it was"
    )
    plain = build_method(Recipe.model_validate(BASE), DataShape((3, 32, 32)))
    with pytest.raises(UserError, match=r"sweep.psi: these networks have no w"):
        list(swept(plain.sampler(plain.kept), method.recipe.latent, {"psi": [0.5]}, 2, CPU))


def test_what_does_not_look_at_samples_is_not_scored_again() -> None:
    assert of_samples(
        ["frechet_distance", "separability_w", "information_bound", "label_accuracy", "test_error"]
    ) == [
        "frechet_distance",
        "label_accuracy",
    ]


def test_confusion_has_a_row_for_each_class_asked() -> None:
    """Two of three samples of class 0 are taken for 1; class 1 is clear; class 2 is seen, and never asked for."""
    found = confusion(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 1]))
    assert found == pytest.approx(
        {
            "confusion": 2 / 3,
            "confusion_0_0": 1 / 3,
            "confusion_0_1": 2 / 3,
            "confusion_1_0": 0,
            "confusion_1_1": 1,
        }
    )
    assert metric("confusion_10_2").bounds == (0.0, 1.0)
    with pytest.raises(UserError, match="unknown metric"):
        metric("confusion_a")

"""Scoring and sampling ask a method's sampler, and nothing else: with a method that they have never heard of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.training.toy import RECIPE

from gantry.cli import run
from gantry.data import open_prepared
from gantry.evaluation.by_checkpoint import inputs, load_trained


def test_a_method_of_the_tests_own_is_scored_and_sampled(
    images_otherwise: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> None:
    scored = images_otherwise(RECIPE | {"method": {"name": "toy", "grow_at": 2}})
    rows = scored.score(tmp_path)
    assert {row["sampled_from"] for row in rows} == {"G1"}
    assert {row["metric"] for row in rows} > {"frechet_distance", "inception_score"}
    assert all(np.isfinite(float(row["value"])) for row in rows)
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as shown:
        assert shown["G1"].shape == (2, 5, 32, 32, 3)

    (path,) = scored.root.rglob("0000004.safetensors")
    lone = path.rename(
        tmp_path / "lone.safetensors"
    )  # what it needs to know of the data stands in its header
    trained = load_trained(lone)
    prepared = open_prepared(scored.manifest)
    assert prepared.labels is not None and trained.sampler.can == {"encode"}
    drawn = inputs(trained, 25, seed=0)
    classes = int(prepared.labels.max()) + 1
    assert drawn["labels"].tolist() == [number % classes for number in range(25)]
    assert trained.sampler.encode(torch.zeros(3, 3, 32, 32)).shape == (3, classes)
    assert run(["sample", str(lone), "--count", "6", "--out", str(tmp_path / "s.npy")]) == 0
    made = np.load(tmp_path / "s.npy", allow_pickle=False)
    assert made.shape == (6, 32, 32, 3) and made.dtype == np.uint8

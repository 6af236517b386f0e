"""What a run will cost follows from what was counted, or from round figures that say so."""

import json
from pathlib import Path

import pytest
from tests.plan.conftest import Checkout

from gantry.plan import Plan, costs
from gantry.plan.costs import Cost, StageCost, cost_of, count_missing, place_of
from gantry.plan.describe import describe
from gantry.plan.estimate import disk_bytes, training_gpu_mb, training_seconds

COST = Cost((StageCost(0, 4e9, 1_000_000, 600, 3e8),), weights=1_000_000, state=3_000_000, kept=600_000)


@pytest.fixture
def plan(checkout: Checkout) -> Plan:
    """Of one run, and nothing else."""
    return checkout.plan(
        papers=["bcgan"], outputs={"bcgan": ["synthetic"]}, seeds=[0], results=str(checkout.root / "results")
    )


def test_time_is_the_iterations_times_the_work(plan: Plan) -> None:
    run = plan.run("mixture", "synthetic_bcgan", 0)
    assert training_seconds(run, COST, "cpu") == pytest.approx(400 * (4e9 / 8e10 + 600 * 2e-5 + 3e8 / 6.7e9))
    assert training_seconds(run, COST, "cuda") < training_seconds(run, COST, "cpu") / 5


def test_stages_count_for_their_iterations() -> None:
    grown = Cost((StageCost(0, 1.0, 5), StageCost(10, 100.0, 50)), 1, 1, 1)
    assert [grown.flops(end) for end in (4, 10, 12)] == [4.0, 10.0, 210.0]
    assert grown.total(lambda stage: stage.bytes, 12) == 10 * 5 + 2 * 50
    assert grown.bytes == 50


def test_disk_holds_every_checkpoint_and_one_state(plan: Plan) -> None:
    run = plan.run("mixture", "synthetic_bcgan", 0)
    checkpoints, points = 4, 1_000
    assert disk_bytes(run, COST) == 4 * (checkpoints * 600_000 + 3_000_000) + checkpoints * points * 2 * 8


def test_memory_is_the_state_and_what_is_alive_at_once() -> None:
    assert training_gpu_mb(COST) == 1500 + 26  # 2 × (12 MB + 1 MB)


def test_counts_are_made_once_and_kept_for_each_recipe(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    run = plan.run("mixture", "synthetic_bcgan", 0)
    assert not cost_of(plan, run).is_counted
    assert "not counted, so that time and disk are round figures: synthetic_" in describe(plan)
    said: list[str] = []
    count_missing(plan, said.append)
    assert said == ["gantry: counting once what 5 recipes compute and hold"]
    counted = cost_of(plan, run)
    assert counted.is_counted and counted.stages[0].flops == pytest.approx(4.0e9, rel=1e-2)
    assert "not counted" not in describe(plan)
    # Another seed is the same count; a change of the recipe, or of how counting goes, is another.
    count_missing(plan, said.append)
    assert len(said) == 1
    place_of(plan, run).write_text("{}")
    assert not cost_of(plan, run).is_counted, "spoilt"
    count_missing(plan, said.append)
    assert said[1:] == ["gantry: counting once what 1 recipe computes and holds"]
    monkeypatch.setattr(costs, "COUNTED_BY", 0)
    assert not cost_of(plan, run).is_counted


def test_what_cannot_be_counted_is_told_and_has_its_round_figure(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NotImplementedError("no such kernel\nmore")

    monkeypatch.setattr("gantry.training.counting.count", fail)
    said: list[str] = []
    count_missing(plan, said.append)
    assert "gantry: synthetic_bcgan cannot be counted (NotImplementedError: no such kernel)" in said
    assert not cost_of(plan, plan.run("mixture", "synthetic_bcgan", 0)).is_counted


def test_the_shape_of_the_data_is_that_of_the_prepared_set(plan: Plan) -> None:
    run = plan.run("mixture", "synthetic_bcgan", 0)
    assert costs.shape_of(plan, run) == {"sample": [2], "classes": costs.CLASSES, "input": None}
    manifest = Path(plan.manifest(run))
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"labels": True, "label_names": ["a", "b", "c"]}))
    assert costs.shape_of(plan, run) == {"sample": [2], "classes": 3, "label_names": ["a", "b", "c"]}

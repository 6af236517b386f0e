"""Nothing changes unless a commit says so: see `renew.py`, which writes what is compared here.

A sample of the recipes is trained; all of them with GANTRY_GOLDEN=all (minutes).
"""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.golden import measure

RENEW = (
    "if that is on purpose: uv run python tests/golden/renew.py (with --digests where no loss changes), and name the "
    "entries and the reason in the commit"
)
EVERY = 24  # one recipe in so many is trained in the suite
TRAINED = measure.recipe_names()[:: 1 if os.environ.get("GANTRY_GOLDEN") == "all" else EVERY]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return measure.read()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> measure.Bench:
    return measure.Bench(tmp_path_factory.mktemp("golden"))


def test_every_recipe_is_in_it(golden: dict[str, Any]) -> None:
    assert sorted(golden["losses"]) == measure.recipe_names(), RENEW


@pytest.mark.parametrize("name", TRAINED)
def test_losses(name: str, bench: measure.Bench, golden: dict[str, Any]) -> None:
    """Equal to the bit on a processor like the one that wrote the file, else to three digits, bf16 to 5 %."""
    expected, found = dict(golden["losses"][name]), bench.losses(name)
    written_on = expected.pop("processor", golden["processor"])
    if written_on == measure.processor():
        assert found == expected, RENEW
        return
    rel = 0.05 if bench.plan.recipes[name].precision == "bf16" else 2e-3
    for ours, theirs in zip(found["losses"], expected["losses"], strict=True):
        assert list(map(float, ours)) == pytest.approx(list(map(float, theirs)), rel=rel, abs=1e-3), RENEW


@pytest.mark.parametrize("scale", measure.scales())
def test_specs_and_orders(scale: str, golden: dict[str, Any]) -> None:
    assert measure.specs_and_orders(scale) == golden["scales"].get(scale), RENEW


def test_prepared_sets(golden: dict[str, Any]) -> None:
    assert measure.prepared_sets() == golden["data"], RENEW


def test_tables_of_results(golden: dict[str, Any]) -> None:
    """Of a folder of results of scale quick, where GANTRY_QUICK names one."""
    folder = os.environ.get("GANTRY_QUICK")
    if folder is None:
        pytest.skip("no folder of results: set GANTRY_QUICK to results/quick")
    assert measure.tables(Path(folder)) == golden["tables"], RENEW

"""A few of the chaos run's faults, one after the other in one folder; `chaos.py --kills 100` does many."""

import sys
from pathlib import Path

import pytest
from tests.faults.fault_injection import ITERATIONS, Fault, Site, differences

# With --keep-going whatever does not rest on a step that was killed is made, so later faults strike later steps.
FAULTS = [
    Fault("write points.npy", "prepare"),
    Fault("SIGKILL to Snakemake alone", "train", delay=0.1),
    Fault("write state.bin", "train", turn=2),
    Fault("write metrics-", "score-run"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes by way of /proc")
def test_the_same_command_again_ends_in_the_same_bits(tmp_path: Path) -> None:
    alone = Site(tmp_path / "alone")
    assert alone.finish() == 0, alone.log.read_text()
    assert alone.iterations() == ITERATIONS
    struck = Site(tmp_path / "struck")
    for fault in FAULTS:
        assert struck.strike(fault), f"{fault} came too late:\n{struck.log.read_text()}"
        struck.settle()
    assert struck.finish() == 0, struck.log.read_text()
    assert differences(struck.results(), alone.results()) == []
    assert struck.litter() == []
    assert ITERATIONS < struck.iterations() < 2 * ITERATIONS

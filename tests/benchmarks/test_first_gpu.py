"""benchmarks/first_gpu.sh with a stand-in for Python: it ends in time whatever its steps do, and says how each did."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/first_gpu.sh"
STAND_IN = """#!/bin/sh
echo "$@"
case "$*" in
  *-m\\ pytest*tests/training/test_resume.py*) exit 1 ;;
  *--out*/bf16*) exec sleep 60 ;;
  *--out*/processes*) sleep 60 & sleep 60 ;;
esac
"""


def test_every_part_ends_within_its_time(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    environment = os.environ | {"PYTHON": str(python), "GANTRY_MINUTE": "1"}
    out = tmp_path / "out"
    began = time.monotonic()
    command = [str(SCRIPT), str(out), "all", "--quick"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 12 * 3, "twelve of its minutes, with room for a busy machine"
    summary = (out / "summary.txt").read_text()
    assert summary in done.stdout or done.stdout in summary
    ends = dict(re.findall(r"(?m)^(\w+): (done|given up|exit code 1|not begun)", summary))
    assert ends.pop("features") in ("done", "not begun")
    assert ends == {
        "warm": "done",
        "tests": "done",
        "bf16": "given up",
        "others": "done",
        "resume": "exit code 1",
        "processes": "given up",
    }
    steps = (out / "bf16.log").read_text()
    assert "--precisions bf16 --switches compile whole_iterations streams fused_oadam --profile" in steps
    assert "-m gpu tests/training" in (out / "tests.log").read_text()


@pytest.mark.parametrize("part", ["1", "2"])
def test_parts_run_alone(part: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho fine\n")
    python.chmod(0o755)
    environment = os.environ | {"PYTHON": str(python), "GANTRY_MINUTE": "1"}
    command = [str(SCRIPT), str(tmp_path / "out"), part, "--quick"]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    summary = (tmp_path / "out/summary.txt").read_text()
    assert re.findall(r"part (\d)", summary) == [part]
    assert "given up" not in summary

"""What is printed reaches every terminal, whatever its encoding lacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINTING = (
    "import sys; from gantry.system.terminal import forgive; forgive(); "
    "print(sys.argv[1]); print(sys.argv[1], file=sys.stderr)"
)


@pytest.mark.parametrize(
    ("encoding", "text", "printed"),
    [
        ("utf-8", "FID ↓ −0.3 ± 0.1 …", "FID ↓ −0.3 ± 0.1 …"),
        ("ascii", "FID ↓ −0.3 ± 0.1 …", "FID v -0.3 +- 0.1 ..."),
        ("latin-1", "FID ↓ −0.3 ± 0.1 …", "FID v -0.3 ± 0.1 ..."),
        ("cp437", "λ é ×", "lamda é x"),
        ("ascii", "λ Δ é χ² 日", "lamda delta e chi2 ?"),
        ("utf-8", "caf\udce9.png", "caf?.png"),  # the name of a file that is no UTF-8
    ],
)
def test_signs_that_are_lacking_are_replaced_by_what_reads_alike(
    encoding: str, text: str, printed: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTING, text],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode(encoding) == f"{printed}\n" == done.stderr.decode(encoding)


def test_a_log_of_any_name_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gantry.cli import run

    log = tmp_path / "log"
    missing = str(tmp_path / "caf\udce9")
    assert (
        run(["statistics", "--data", missing, "--network", "embedded", "--out", "x", "--log", str(log)]) == 2
    )
    assert "caf\\udce9" in log.read_text(encoding="utf-8")

"""How a command ends: exit codes, the last message, the log. What verbs do is tested in their rooms."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry import cli
from gantry.errors import UserError
from gantry.system.signals import EXIT_CONTINUE, Stopped
from gantry.verbs import compute

STATISTICS = ["statistics", "--data", "manifest.json", "--network", "embedded", "--out", "out.npz"]


def end_with(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the verb `statistics` end like this."""

    def verb(_: Any) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(compute, "_statistics", verb)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (None, 0, "done"),
        (UserError("config: seeds: wrong"), 2, "gantry: config: seeds: wrong"),
        (Stopped("SIGTERM: state saved"), EXIT_CONTINUE, "the same command continues"),
        (KeyboardInterrupt(), 130, "gantry: interrupted"),
        (ZeroDivisionError("oops"), 1, "a defect, please report it"),
    ],
)
def test_exit_codes_and_the_last_message(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException | None,
    code: int,
    says: str,
) -> None:
    end_with(error, monkeypatch)
    log = tmp_path / "logs/step.log"
    assert cli.run([*STATISTICS, "--log", str(log)]) == code
    printed = capsys.readouterr().err
    assert says in log.read_text(encoding="utf-8")
    assert (says in printed) == (error is not None)
    assert ("Traceback" in printed) == isinstance(error, ZeroDivisionError)


def test_a_log_that_cannot_be_written_changes_no_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end_with(None, monkeypatch)
    (tmp_path / "file").touch()
    assert cli.run([*STATISTICS, "--log", str(tmp_path / "file/step.log")]) == 0
    assert "the log cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["trian"],
        ["train"],
        ["train", "--until", "x"],
        ["train", "--until", "0"],
        [*STATISTICS, "--device", "gpu"],
        [*STATISTICS, "--threads", "0"],
        ["plan", "--nonsense"],
    ],
)
def test_arguments_that_do_not_parse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(arguments)
    assert caught.value.code == 2
    assert "usage: gantry" in capsys.readouterr().err


def test_settings_lie_over_config_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "workflow").symlink_to(repository / "workflow")
    (tmp_path / "config.yaml").write_text("scale: smoke\nseeds: [5]\nresults: mine\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan"]) == 0
    printed = capsys.readouterr().out
    assert "scale smoke" in printed
    assert "mine/smoke/report.html" in printed
    assert cli.run(["plan", "seeds=[6, 7]"]) == 0
    table = capsys.readouterr().out
    assert "6, 7" in table
    assert "mine/smoke/report.html" in table, "a setting replaced the whole file"


def test_a_plan_may_be_cut_short_by_its_reader(repository: Path) -> None:
    """`gantry plan | head -1` is nobody's error."""
    command = f'"{sys.executable}" -m gantry.cli plan scale=paper | head -1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=repository, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout == "scale paper: the papers' own scale\n"


@pytest.mark.parametrize(
    ("command", "module", "function"),
    [
        ("statistics", "gantry.evaluation.features", "store_real_statistics"),
        ("score-run", "gantry.evaluation.score", "score_run"),
    ],
)
def test_scoring_holds_its_share_of_a_gpu(
    command: str, module: str, function: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held: list[Any] = []

    @contextlib.contextmanager
    def slot(device: str, **options: Any) -> Iterator[None]:
        held.append((device, options))
        yield
        held.append("free")

    monkeypatch.setattr("gantry.system.gpus.gpu_slot", slot)
    monkeypatch.setattr(f"{module}.{function}", lambda *_, **__: held.append("at work"))
    # The files that a step is made of are no matter here, and there are none.
    monkeypatch.setattr("gantry.verbs.compute.recorded", lambda *_, **__: contextlib.nullcontext())
    scoring = (
        '{"metrics": [], "final_metrics": [], "samples": 1, "shown": 1, "features": null, "spec_digest": ""}'
    )
    of_a_run = [
        "score-run",
        "--record",
        "r",
        "--data",
        "d",
        "--scoring",
        scoring,
        "--metrics",
        "m",
        "--samples",
        "s",
    ]
    arguments = STATISTICS if command == "statistics" else of_a_run
    assert cli.run([*arguments, "--device", "cuda", "--runs-per-gpu", "4"]) == 0
    assert held == [("cuda", {"runs_per_gpu": 4}), "at work", "free"]

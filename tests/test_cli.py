"""How a command ends: exit codes, the last message, the log. What commands do is tested in their rooms."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantry import cli
from gantry.commands import compute
from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.system.signals import EXIT_CONTINUE, Stopped

STATISTICS = ["statistics", "--data", "manifest.json", "--network", "embedded", "--out", "out.npz"]


def end_with(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command `statistics` end like this."""

    def command(_: Any) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(compute, "_statistics", command)


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
        ["trian"],
        ["statistics"],
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


def test_gantry_alone_is_a_short_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) < 24
    listed = {line.split()[1] for line in said if line.startswith("  gantry ")}
    _, commands = cli._parser()
    assert listed == commands.keys() - set(cli.STEPS)
    assert all(line.split()[2:] for line in said if line.startswith("  gantry ")), "a command says nothing"


def test_the_version_names_the_commit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(["--version"])
    assert caught.value.code == 0
    assert re.match(r"gantry \d+\.\d+\.\d+(, commit [0-9a-f]{40}\+?)?\n$", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["statsu"], "unknown command 'statsu'; did you mean \"status\"?; known: "),
        (["plan", "--confg", "a=1"], '--confg: not understood; did you mean "--config"?'),
        (["plan", "--scale", "quick"], "settings are written without dashes: scale=…"),
        (["clean", "--dry-run"], "--dry-run: not understood"),
    ],
)
def test_what_may_have_been_meant(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert says in said and len(said.splitlines()) == 2


def test_a_format_that_samples_are_not_written_in_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though the run is not even there: and without importing PyTorch, in well under a second."""
    code = (
        "import sys; from gantry import cli; code = cli.run(sys.argv[1:]); "
        "print('torch' in sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "sample", str(tmp_path / "none"), "--out", "x.jpg"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert "x.jpg: .jpg is none of the formats" in done.stderr and ".png" in done.stderr
    assert cli.run(["sample", str(tmp_path / "none"), "--out", "x.png"]) == 2
    assert "none: not found; give a run's folder" in capsys.readouterr().err


def test_the_embedded_network_without_its_weights_says_how_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 32, 32, 3), np.uint8))
    for arguments in (["a.npy", "b.npy"], ["a.npy", "b.npy", "--weights", "gone.safetensors"]):
        assert cli.run(["score", *arguments, "--network", "embedded"]) == 2
        said = capsys.readouterr().err
        assert "snakemake classifier --config scale=quick" in said and "--weights" in said
        assert "None" not in said


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


def test_configurations_are_laid_over_each_other_as_snakemake_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """config.yaml, then files in their order, then settings: and a key inside a block leaves its neighbours."""
    (tmp_path / "workflow").symlink_to(repository / "workflow")
    for name, text in (
        ("config.yaml", "scale: smoke\nseeds: [5]\nresults: mine\n"),
        ("first.yaml", "seeds: [6]\nresults: first\nworkloads: {images: {samples: 11, shown: 7}}\n"),
        ("second.yaml", "results: second\nworkloads: {images: {samples: 12}}\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = []
    monkeypatch.setattr("gantry.plan.load_plan", lambda given, **_: loaded.append(given) or load_plan(given))
    files = ["--configfile", "first.yaml", "second.yaml"]
    for command in (["plan"], ["status"], ["clean"]):
        for settings in (
            ["workloads={images: {shown: 8}}", "seeds=[9]", *files],
            [*files, "--config", "workloads={images: {shown: 8}}", "seeds=[9]"],
            ["seeds=[9]", *files, "--config", "workloads={images: {shown: 8}}"],
        ):
            assert cli.run([*command, *settings]) == 0, capsys.readouterr().err
            assert loaded.pop() == {
                "scale": "smoke",
                "seeds": [9],
                "results": "second",
                "workloads": {"images": {"samples": 12, "shown": 8}},
            }
    assert cli.run(["status", "seeds=[9]", "--json", "papers=[bcgan]"]) == 0
    assert loaded.pop()["papers"] == ["bcgan"], "settings on both sides of an option"


def test_a_plan_may_be_cut_short_by_its_reader(repository: Path, tmp_path: Path) -> None:
    """`gantry plan | head -1` is nobody's error."""
    command = f'"{sys.executable}" -m gantry.cli plan scale=paper only_datasets=[mixture] results={tmp_path} | head -1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=repository, capture_output=True, text=True
    )
    assert [line for line in done.stderr.splitlines() if not line.startswith("gantry: counting once")] == []
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
    monkeypatch.setattr("gantry.commands.compute.recorded", lambda *_, **__: contextlib.nullcontext())
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


@pytest.mark.parametrize(
    ("words", "own", "given"),
    [
        (["trace", "table5", "scale=quick"], ["table5", None, ""], ["scale=quick"]),
        (["trace", "scale=quick", "table5", "Two", "--verify"], ["table5", "Two", ""], ["scale=quick"]),
        (["trace", "table5", "λ_G = 0.5", "FD", "seeds=[0]"], ["table5", "λ_G = 0.5", "FD"], ["seeds=[0]"]),
        (["trace", "table5", "lr=3", "FD", "scale=quick"], ["table5", "lr=3", "FD"], ["scale=quick"]),
    ],
)
def test_a_setting_is_never_taken_for_a_word_of_the_command(
    words: list[str], own: list[str | None], given: list[str]
) -> None:
    """`trace table5 scale=quick` looked for a column of that name, at scale paper."""
    options = cli._parse(words)
    assert options is not None
    assert [options.table, options.row, options.column] == own
    assert options.settings == given


def test_nor_for_a_data_set() -> None:
    options = cli._parse(["train", "bcgan", "scale=smoke", "digits", "--seed", "1"])
    assert options is not None
    assert (options.recipe, options.dataset, options.settings) == ("bcgan", "digits", ["scale=smoke"])

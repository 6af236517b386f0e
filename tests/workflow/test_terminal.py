"""What `snakemake` prints as people type it: a line now and then, what failed, and last where the page is."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.workflow.checkout import Done, Sketch

from gantry.plan import load_plan
from snakemake_logger_plugin_gantry import LogHandler

PROGRESS = re.compile(r"gantry: \d+ of \d+ jobs done, about [\d:]+ left(: .+)?")


def lines(output: str) -> list[str]:
    """What was printed, without the progress of a slow machine and Snakemake's word on its profile."""
    kept = [line for line in output.splitlines() if line and not PROGRESS.fullmatch(line)]
    return [line for line in kept if not line.startswith("Using workflow specific profile")]


def test_a_whole_run_is_a_few_lines_and_the_last_names_the_page(sketch: Sketch) -> None:
    assert sketch.said is not None
    said = lines(sketch.said.output)
    assert re.fullmatch(r"gantry: \d+ jobs done in [\d:]+; open results/tiny/report.html", said[-1])
    assert [line for line in said[:-1] if not line.startswith("embedded classifier: ")] == []
    assert sketch.said.jobs == set()


def test_nothing_to_do_is_one_line_that_names_the_page(sketch: Sketch) -> None:
    done = sketch.make_quietly()
    assert done.code == 0
    assert lines(done.output) == [
        "gantry: nothing to do, all that was asked for is there: results/tiny/report.html"
    ]


def test_a_dry_run_is_snakemakes_own(spoilt: Sketch) -> None:
    done = spoilt.plan(**{"recipes": {"points_two": {"terms": {"sample_spread": 0.3}}}})
    assert "rule train:" in done.output and "This was a dry-run" in done.output


def test_a_job_that_reads_the_configuration_does_not_repeat_what_is_said_of_it(sketch: Sketch) -> None:
    former = {"recipes": {"images_two": {"terms": {"verdict_agreement": 1.0}}}}
    assert sketch.plan(**former).output.count("is called logit_agreement now") == 1
    assert "is called logit_agreement now" not in sketch.plan("--mode", "subprocess", **former).output


@pytest.mark.parametrize("option", [[], ["-n"]])
def test_a_target_that_nothing_makes_is_one_helpful_line(sketch: Sketch, option: list[str]) -> None:
    done = sketch.make_quietly("results/tiny/sketch/mode.csv", *option)
    assert done.code == 1
    assert "MissingRuleException" not in done.output and "Traceback" not in done.output
    assert lines(done.output)[-1].startswith(
        'gantry: results/tiny/sketch/mode.csv: nothing makes this; did you mean "results/tiny/sketch/modes.csv"?'
    )


def test_a_target_after_the_settings_is_one_helpful_line(sketch: Sketch) -> None:
    done = sketch.server.run(sketch.folder, "-n", "--config", "papers=[sketch]", "sketch")
    assert done.code == 1
    (said,) = lines(done.output)
    assert said.startswith("gantry: sketch: stands after --config")


def test_no_cores_is_one_helpful_line(sketch: Sketch) -> None:
    """Only without the default profile, which says how many."""
    done = sketch.server.run(sketch.folder, "--workflow-profile", "none", "--config", "scale=smoke")
    assert done.code == 1 and "Traceback" not in done.output
    assert "use --cores N" in done.output.splitlines()[-1]


def test_a_dry_run_changes_no_file_and_is_quiet_where_all_is_well(spoilt: Sketch) -> None:
    """Of Snakemake's own cache in .snakemake nothing is said; however the flag is written."""

    def files() -> dict[str, tuple[int, bytes]]:
        found = [
            path for path in spoilt.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts
        ]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    def said(done: Done) -> list[str]:
        return [line for line in done.output.splitlines() if line.startswith("gantry: ")]

    assert said(spoilt.plan()) == []
    next(spoilt.folder.glob("results/tiny/runs/mixture/points_one/seed0/*/record-20.json")).unlink()
    before = files()
    for flag in ("-n", "-nq", "--dryrun"):
        done = spoilt.make_quietly(flag)
        assert done.code == 0 and files() == before, flag
        assert said(done)[-1] == "gantry: 3 of 4 trainings are done already"


def test_what_failed_is_said_once_with_its_reason(spoilt: Sketch) -> None:
    folder = spoilt.folder / "results/tiny/runs/mixture/points_one/seed0"
    (metrics,) = folder.glob("*/metrics-20-*.csv")
    metrics.unlink()
    for checkpoint in folder.glob("*/work/*/checkpoints/*"):
        checkpoint.write_bytes(b"spoilt")
    done = spoilt.make_quietly(str(metrics.relative_to(spoilt.folder)))
    said = lines(done.output)
    assert done.code == 1
    assert said[0] == "failed: score mixture/points_one/seed0"
    assert said[1].startswith("gantry: ") and "the checkpoint is damaged" in said[1]
    assert said[-1].startswith("gantry: 1 job failed (score mixture/points_one/seed0); what is done is kept")
    assert done.output.count("the checkpoint is damaged") == 1
    assert "Traceback" not in done.output and len(said) <= 4, done.output


@pytest.mark.parametrize(
    ("tell", "number", "last"),
    [
        pytest.param(
            os.kill, signal.SIGINT, "stopping", id="Ctrl-C"
        ),  # of Snakemake; a terminal tells the steps
        pytest.param(
            os.killpg, signal.SIGTERM, "1 job stopped (train mixture/points_one/seed0)", id="SIGTERM to all"
        ),
    ],
)
def test_what_is_stopped_ends_in_one_sentence_and_the_same_command_goes_on(
    spoilt: Sketch, tmp_path: Path, tell: Callable[[int, int], None], number: int, last: str
) -> None:
    config = [
        "scale=workflow/scales/tiny.yaml",
        "papers=[sketch]",
        'workloads={"synthetic": {"iterations": 200000}}',
    ]
    (spoilt.folder / "workflow/scales/tiny.yaml").write_bytes(
        (Path(__file__).parent / "tiny.yaml").read_bytes()
    )
    given = {
        "scale": "workflow/scales/tiny.yaml",
        "papers": ["sketch"],
        "workloads": {"synthetic": {"iterations": 200000}},
    }
    plan = load_plan(given, spoilt.folder)
    command = [
        "snakemake",
        plan.record(plan.run("mixture", "points_one", 0), 200000),
        "--config",
        *config,
    ]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    history = "results/tiny/runs/mixture/points_one/seed0/*/work/*/history.csv"
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(
            command,
            cwd=spoilt.folder,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
            # A suite that a script runs in the background ignores Ctrl-C, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            give_up = time.monotonic() + 600
            while not any(",".join(["100", ""]) in path.read_text() for path in spoilt.folder.glob(history)):
                if process.poll() is not None or time.monotonic() > give_up:
                    pytest.fail(f"training did not begin: {Path(said.name).read_text()}")
                time.sleep(0.1)
            tell(process.pid, number)
            assert process.wait(timeout=300) != 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        said.seek(0)
        assert lines(said.read())[-1:] == [
            f"gantry: {last}; what is done and trained so far is kept, and the same command goes on"
        ]
        said.seek(0)
        whole = said.read()
        assert "Traceback" not in whole and "failed" not in whole


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler])
def test_ctrl_c_that_snakemake_ignores_stops_no_training(before: object) -> None:
    asked = dict.fromkeys(("nocolor", "stdout", "dryrun", "printshellcmds", "verbose", "debug_dag"), False)
    set_by_the_tests = signal.signal(signal.SIGINT, before)  # type: ignore[arg-type]
    try:
        LogHandler(SimpleNamespace(quiet=None, **asked), None).close()
        kept = signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, set_by_the_tests)
    assert kept == (before is signal.SIG_IGN)

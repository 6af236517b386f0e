"""`gantry status`: what it says of runs and tables is what lies in the folder."""

import fcntl
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.status.half import SETTINGS, plan_of
from tests.workflow.steps import Gantry, rewrite_record, steps

from gantry.cli import run
from gantry.plan.runs import work_identity
from gantry.status.outputs import output_statuses
from gantry.status.runs import RunStatus, run_statuses

ONE, TWO = "mixture/points_one/seed0", "mixture/points_two/seed0"
NEW = "mixture/points_two/seed1"


def of(key: str) -> Path:
    """The folder of a run."""
    plan = plan_of()
    return Path(plan.folder(plan.runs[key]))


def now(**config: Any) -> dict[str, RunStatus]:
    return run_statuses(plan_of(**config))


def metrics_of(key: str, end: int = 20) -> Path:
    plan = plan_of()
    return Path(plan.metrics(plan.runs[key], end))


def lacks(**config: Any) -> dict[str, tuple[str, ...]]:
    plan = plan_of(**config)
    return {output.name: output.lacks for output in output_statuses(plan, run_statuses(plan))}


def history(iteration: int, rate: float) -> None:
    """A history of the run that has not begun, as its trainer would write it."""
    plan = plan_of()
    data = json.loads(Path("results/data/mixture/manifest.json").read_text())["digest"]
    path = Path(plan.folder(plan.runs[NEW]), "work", work_identity(plan.runs[NEW].spec, data), "history.csv")
    path.parent.mkdir(parents=True)
    path.write_text(
        f"iteration,loss_d,loss_g,iterations_per_second,images_per_second,peak_memory_bytes\n"
        f"{iteration},0.5,0.5,{rate},1,\n{iteration + 1},0.5"
    )


def test_done_and_waiting(here: Path) -> None:
    found = now()
    assert (found[ONE].state, found[ONE].iteration, found[ONE].recorded, found[ONE].scored) == (
        "done", 20, (10, 20), (10, 20)
    )  # fmt: skip
    assert (found[NEW].state, found[NEW].iteration, found[NEW].recorded) == ("waiting", 0, ())
    assert not any(status.older_code or status.stale for status in found.values())


def test_stopped_with_what_was_logged(here: Path) -> None:
    history(15, 2.5)
    assert (now()[NEW].state, now()[NEW].iteration, now()[NEW].eta_seconds) == ("stopped", 15, None)


def test_running_where_and_how_long(here: Path) -> None:
    history(15, 2.5)
    lock = of(NEW) / "work/lock"
    code = (
        "import sys; from pathlib import Path; from gantry.system.lock import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as trainer:
        assert trainer.stdout is not None and trainer.stdout.readline() == "held\n"
        found = now()[NEW]
        assert found.state == "running"
        assert found.holder is not None
        assert found.holder.startswith(f"process {trainer.pid} on {os.uname().nodename} since 20")
        assert found.eta_seconds == pytest.approx((20 - 15) / 2.5)
        assert trainer.stdin is not None
        trainer.stdin.close()
    assert now()[NEW].state == "stopped", "the lock file of a dead trainer counts as one at work"


def test_looking_does_not_disturb_a_trainer_that_starts(here: Path) -> None:
    lock = of(NEW) / "work/lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a+") as stream:
        assert now()[NEW].state == "waiting"
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_diverged(here: Path) -> None:
    rewrite_record(of(TWO) / "record-20.json", status="diverged", diverged_at=17)
    assert (now()[TWO].state, now()[TWO].iteration, now()[TWO].diverged_at) == ("diverged", 17, 17)


def test_another_recipe_is_another_run(here: Path) -> None:
    changed = now(recipes={"points_two": {"terms": {"sample_spread": 0.7}}})
    assert (changed[TWO].stale, changed[TWO].state, changed[TWO].iteration) == ((), "waiting", 0)
    assert changed[ONE].state == "done"


def test_stale_by_data_and_by_damage(here: Path) -> None:
    record = of(TWO) / "record-20.json"
    record.write_text(record.read_text().replace('"iterations": 20', '"iterations": 21'))
    assert (now()[TWO].stale, now()[ONE].stale) == ((20,), ())
    manifest = Path("results/data/mixture/manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"digest": "0" * 64}))
    assert now()[ONE].stale == (10, 20)
    Path("results/data/mixture/manifest.json").unlink()
    assert now()[ONE].stale == (), "without the data nothing says that a record is of others"


def test_older_code(here: Path) -> None:
    record = json.loads((of(ONE) / "record-10.json").read_text())
    rewrite_record(of(ONE) / "record-10.json", provenance=record["provenance"] | {"code_digest": "0" * 16})
    assert (now()[ONE].older_code, now()[TWO].older_code) == (True, False)


def test_the_command_that_makes_one_anew_keeps_the_settings(here: Path, gantry: Gantry) -> None:
    """As they were typed, so that it is of the same run: with other settings it would be another's record."""
    path = of(ONE) / "record-20.json"
    record = json.loads(path.read_text())
    rewrite_record(path, provenance=record["provenance"] | {"code_digest": "0" * 16})
    (said,) = [line for line in gantry("status", *SETTINGS)[1].splitlines() if line.startswith("older code")]
    command = shlex.split(said.partition(": snakemake ")[2])
    assert command == [str(path), "--forcerun", str(path), "--config", *SETTINGS]
    Path("mine.yaml").write_text("deterministic: false\n")
    told = ["--configfile", "mine.yaml", "--config", *SETTINGS]
    assert shlex.join(told) in gantry("status", *told)[1]


def test_other_defaults_are_told(here: Path, gantry: Gantry) -> None:
    """A setting that the recipe leaves open, and whose default was another when the run was trained."""
    assert not any(status.other_defaults for status in now().values())
    path = of(ONE) / "record-20.json"
    whole = json.loads(path.read_text())["recipe"]
    assert whole["ema"] == 0.0 and whole["optimiser"]["name"] == "adam", (
        "the record lacks what is as by default"
    )
    rewrite_record(path, recipe=whole | {"ema": 0.5, "forgotten": 1})
    assert now()[ONE].other_defaults == ("ema was 0.5, is 0.0",)
    assert "other defaults: ema was 0.5, is 0.0" in gantry("status", *SETTINGS)[1]


def test_how_the_steps_were_run(here: Path, gantry: Gantry) -> None:
    """The one thing that makes a GPU several times as slow, in silence."""
    said = "plain (operation not permitted when stream is capturing)"
    record = json.loads((of(ONE) / "record-20.json").read_text())
    assert now()[ONE].backend == record["provenance"]["step"] == "plain (a CPU captures nothing)"
    rewrite_record(of(ONE) / "record-20.json", provenance=record["provenance"] | {"step": said})
    assert (now()[ONE].backend, now()[TWO].backend) == (said, "plain (a CPU captures nothing)")
    text = gantry("status", *SETTINGS)[1]
    assert "steps of the trained runs: " in text and f"1 {said}" in text
    assert said in gantry("status", "--json", *SETTINGS)[1]


def test_damaged_files_count_as_missing(here: Path) -> None:
    (of(ONE) / "record-20.json").write_text("{")
    (of(TWO) / "record-20.json").write_text("[]")
    assert now()[ONE].recorded == now()[TWO].recorded == (10,)


def test_what_tables_lack(here: Path) -> None:
    assert lacks(seeds=[0])["sketch/modes"] == ()
    (first, files) = lacks(seeds=[0])["sketch/checkpoints"]
    assert first.startswith("2 of 2 runs to train (digits/images_one/seed0, ")
    assert files == "to make: checkpoints.csv, checkpoints.md, checkpoints.tex"
    assert lacks(seeds=[0])["sketch/places"] == ("to make: places.png, places.svg",)
    (missing,) = lacks()["sketch/modes"]
    assert missing.startswith("2 of 4 runs to train (mixture/points_one/seed1, mixture/points_two/seed1)")
    metrics_of(ONE).unlink()
    assert lacks(seeds=[0])["sketch/modes"] == (f"1 of 2 runs to score ({ONE})",)


def test_a_table_of_other_scores(here: Path) -> None:
    os.utime(metrics_of(ONE))
    assert lacks(seeds=[0])["sketch/modes"] == (), "its time alone makes nothing stale"
    metrics_of(ONE).write_text(metrics_of(ONE).read_text() + "\n")
    assert lacks(seeds=[0])["sketch/modes"] == ("to make again: of other runs or settings, or damaged",)


def test_a_table_of_other_settings(here: Path) -> None:
    """The folder remembers itself what it was made of: a change that is taken back is seen on both ways."""
    changed = {"recipes": {"points_two": {"terms": {"sample_spread": 0.7}}}}
    plan = plan_of(seeds=[0], **changed)
    for step in steps(plan, TWO):
        assert run(step) == 0
    assert lacks(seeds=[0], **changed)["sketch/modes"] == (
        "to make again: of other runs or settings, or damaged",
    )
    assert lacks(seeds=[0])["sketch/modes"] == ()


def test_the_run_that_was_missing_is_done(here: Path) -> None:
    for step in steps(plan_of(), NEW):
        assert run(step) == 0
    assert now()[NEW].state == "done"


def test_the_command_line(here: Path, gantry: Gantry) -> None:
    history(15, 2.5)
    code, text = gantry("status", *SETTINGS)
    assert code == 0
    assert "scale tiny: 8 runs: 2 done, 5 waiting, 1 stopped; 0 of 10" in text
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert lines[NEW].split() == [NEW, "stopped", "15/20"]
    assert "2 of 4 runs to train" in lines["sketch/modes"]
    code, text = gantry("status", "--json", *SETTINGS)
    found = json.loads(text)
    assert {told["key"]: told["state"] for told in found["runs"]}[ONE] == "done"
    assert {output["name"]: output["complete"] for output in found["outputs"]}["sketch/modes"] is False


def test_it_starts_without_torch(here: Path) -> None:
    code = (
        "import sys; from gantry.cli import run; run(sys.argv[1:]); "
        "sys.exit(bool({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, "status", *SETTINGS], capture_output=True).returncode == 0
    )

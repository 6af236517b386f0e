"""The workflow on a real SLURM of two nodes with two fake GPUs each: whatever the cluster does to its jobs, the
results are those of a run that nobody disturbed.

Skipped without root, SLURM's packages, or Snakemake's SLURM plugin (`uv run --group slurm pytest tests/cluster`).
GANTRY_SLURM_SCALE=quick, or another scale, puts the whole of that scale through it too.
"""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests.cluster.slurm import Slurm, obstacle
from tests.workflow.plans import HERE, REPOSITORY, sketch_plan
from tests.workflow.steps import MANIFEST, steps

from gantry.cli import run
from gantry.plan import load_plan

PATIENCE = 900.0
CONFIG = {
    "scale": str(HERE / "tiny.yaml"),
    "papers": ["sketch"],
    "seeds": [0, 1],
    "datasets": {"mixture": {"images": 1000, "options": {"count": 1000}}},
    "workloads": {"synthetic": {"iterations": 600, "checkpoint_every": 150, "snapshots": [600]}},
}
INJECTED = REPOSITORY / "tests/faults/injected"
RECIPES = ("points_one", "points_two")


def metrics(config: dict[str, Any], recipe: str, seed: int = 0) -> str:
    """The last scores of a run."""
    plan = sketch_plan(config)
    run = plan.run("mixture", recipe, seed)
    return plan.metrics(run, max(run.ends))


TARGETS = [metrics(CONFIG, recipe, seed) for recipe in RECIPES for seed in (0, 1)]
# Rows of a table that hold for one machine at one time.
COSTS = re.compile("time of one iteration|GPU memory")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The cluster, for all tests of this file."""
    reason = obstacle()
    if reason is None and importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        reason = "not installed: snakemake-executor-plugin-slurm (uv run --group slurm …)"
    if reason:
        pytest.skip(f"no SLURM: {reason}")
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


class Workflow:
    """A checkout, and the one Snakemake that runs in it."""

    def __init__(self, folder: Path, config: dict[str, Any], **resources: Any) -> None:
        self.folder = folder
        folder.mkdir()
        self.settings = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()
        ]
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(REPOSITORY / name, folder)
        for name in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / name, folder / name)
        shutil.copy(HERE / "sketch.yaml", folder / "workflow/experiments")
        self._overrule(resources)

    def _overrule(self, resources: dict[str, Any]) -> None:
        """The shipped profile with smaller jobs, as a user would edit it."""
        profile = self.folder / "profiles/slurm/config.yaml"
        content = yaml.safe_load(profile.read_text())
        content["default-resources"] = {"mem_mb": 1000, "runtime": 30}
        small = {"mem_mb": 1000, "runtime": 30}
        content["set-resources"]["train"] |= {"gpu": 1, **small, **resources}
        content["set-resources"] |= {"score": small}
        content["latency-wait"] = 10
        content |= {"slurm-init-seconds-before-status-checks": 1, "seconds-between-status-checks": 1}
        content |= {"slurm-status-command": "squeue", "slurm-no-account": True}
        profile.write_text(yaml.safe_dump(content))

    def start(
        self, *targets: str, profile: str = "profiles/slurm", slow: float = 0.0
    ) -> subprocess.Popen[bytes]:
        """Start Snakemake, with iterations that take `slow` seconds longer; its output goes to snakemake.log."""
        scripts = Path(sys.executable).parent
        path = os.pathsep.join([str(scripts), os.environ["PATH"]])
        command = [sys.executable, "-m", "snakemake", *targets, "--workflow-profile", profile, "--config"]
        if profile == "profiles/default":
            command[-1:-1] = ["--cores", "2"]
        log = (self.folder / "snakemake.log").open("ab")
        modules = os.pathsep.join(filter(None, [str(INJECTED), os.environ.get("PYTHONPATH")]))
        env = os.environ | {
            "PATH": path,
            "PYTHONPATH": modules,
            "OMP_NUM_THREADS": "1",
            "GANTRY_SLOW": str(slow),
            "GANTRY_STEPS": str(self.folder / "steps.log"),
        }
        return subprocess.Popen([*command, *self.settings], cwd=self.folder, env=env, stdout=log, stderr=log)

    def finish(self, snakemake: subprocess.Popen[bytes]) -> None:
        """Wait for a good end."""
        try:
            code = snakemake.wait(timeout=PATIENCE)
        finally:
            snakemake.kill()
        assert code == 0, self.log()

    def log(self) -> str:
        """What Snakemake has said."""
        return (self.folder / "snakemake.log").read_text()

    def results(self) -> dict[str, Any]:
        """What must not depend on the cluster: checkpoints, their scores, the tables."""
        found: dict[str, Any] = {}
        for record in sorted(self.folder.glob("results/*/runs/*/*/*/*/record-*.json")):
            entries = json.loads(record.read_text())["checkpoints"]
            found[str(record.relative_to(self.folder))] = {e["iteration"]: e["sha256"] for e in entries}
        for file in [
            *self.folder.glob("results/*/runs/**/metrics-*.csv"),
            *self.folder.glob("results/*/*/*.csv"),
        ]:
            lines = file.read_text().splitlines()
            found[str(file.relative_to(self.folder))] = [line for line in lines if not COSTS.search(line)]
        return found

    def steps(self, command: str) -> list[tuple[float, float, str, str]]:
        """(began, ended, node, devices) of every step of a command; one that was killed ended with its job."""
        open_steps: dict[str, tuple[float, str, str]] = {}
        done = []
        for line in (self.folder / "steps.log").read_text().splitlines():
            what, when, process, name, node, devices = line.split()
            if name == command and what == "begin":
                open_steps[process] = float(when), node, devices
            elif name == command and process in open_steps:
                began, node, devices = open_steps.pop(process)
                done.append((began, float(when), node, devices))
        return done + [(began, began, node, devices) for began, node, devices in open_steps.values()]


def wait_for(condition: Callable[[], Any], workflow: Workflow, snakemake: subprocess.Popen[bytes]) -> Any:
    """The first true answer; fails if Snakemake ends before."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        found = condition()
        if found:
            return found
        assert snakemake.poll() is None, workflow.log()
        time.sleep(0.3)
    raise AssertionError(f"waited in vain:\n{workflow.log()}")


def training(slurm: Slurm, run: str = "") -> list[dict[str, str]]:
    """The jobs that train, at work now; of one run only, if it is named: 'points_one, 0'."""
    return [
        job
        for job in slurm.jobs()
        if job["state"] == "RUNNING" and job["comment"].startswith("rule_train") and run in job["comment"]
    ]


def alone(workflow: Workflow, config: dict[str, Any]) -> dict[str, Any]:
    """The results of the same workflow in this process, step by step, disturbed by nobody."""
    before = Path.cwd()
    os.chdir(workflow.folder)
    try:
        plan = load_plan(config)
        assert run(["prepare", "mixture", "--config", json.dumps(config), "--out", str(MANIFEST)]) == 0
        for key in plan.runs:
            if key.startswith("mixture/"):
                for step in steps(plan, key):
                    assert run(step) == 0
    finally:
        os.chdir(before)
        torch.set_flush_denormal(False)
    return workflow.results()


def iterations(workflow: Workflow) -> dict[str, int]:
    """How far each run has got, from its history."""
    found = {}
    for history in workflow.folder.glob("results/tiny/runs/mixture/*/*/*/work/*/history.csv"):
        last = history.read_text().splitlines()[-1].partition(",")[0]
        found["/".join(history.parts[-5:-3])] = int(last) if last.isdecimal() else 0
    return found


def test_requeue_scancel_kill_preemption_and_a_node_that_fails(slurm: Slurm, tmp_path: Path) -> None:
    workflow = Workflow(tmp_path / "slurm", CONFIG)
    snakemake = workflow.start(*TARGETS, slow=0.05)
    try:
        wait_for(lambda: len(training(slurm)) == 4, workflow, snakemake)
        wait_for(
            lambda: sum(iteration > 0 for iteration in iterations(workflow).values()) == 4,
            workflow,
            snakemake,
        )
        jobs = training(slurm)
        assert sorted(job["node"] for job in jobs) == ["n1", "n1", "n2", "n2"]

        slurm.control("requeue", jobs[0]["number"])
        subprocess.run(["scancel", jobs[1]["number"]], check=True)
        lock = next(workflow.folder.glob(f"results/tiny/runs/mixture/{_folder(jobs[2])}/*/work/lock"))
        found = re.match(r"process (\d+) ", lock.read_text())
        assert found
        os.kill(int(found[1]), signal.SIGKILL)

        # What is at work on n1 makes room for somebody more important.
        wait_for(lambda: any(job["node"] == "n1" for job in training(slurm)), workflow, snakemake)
        subprocess.run(
            ["sbatch", "-p", "high", "-w", "n1", "--gpus=2", "--mem=500", "--wrap=sleep 3", "-o", "/dev/null"],
            check=True, capture_output=True,
        )  # fmt: skip
        wait_for(lambda: any(job["node"] == "n2" for job in training(slurm)), workflow, snakemake)
        slurm.control("update", "nodename=n2", "state=down", "reason=test")
        time.sleep(3)
        # It may have come back by itself: its daemon is alive.
        subprocess.run(["scontrol", "update", "nodename=n2", "state=resume"], capture_output=True)
        # A job that was about to start there is held by SLURM, until somebody releases it.
        give_up = time.monotonic() + PATIENCE
        while snakemake.poll() is None and time.monotonic() < give_up:
            for job in slurm.jobs():
                if job["state"] == "PENDING":
                    subprocess.run(["scontrol", "release", job["number"]], capture_output=True)
            time.sleep(2)
        workflow.finish(snakemake)
    finally:
        snakemake.kill()
    assert workflow.results() == alone(Workflow(tmp_path / "alone", CONFIG), CONFIG)
    steps = workflow.steps("train")
    assert len(steps) >= 8, "the disturbances have disturbed nothing"
    assert {devices for _, _, _, devices in steps} == {"0", "1"}
    assert_nobody_shares(steps)


def assert_nobody_shares(steps: list[tuple[float, float, str, str]]) -> None:
    """No two trainers were at once on one GPU of one node."""
    for one, other in combinations(steps, 2):
        if max(one[0], other[0]) < min(one[1], other[1]):
            assert one[2:] != other[2:], "two trainers at once on one GPU"


def _folder(job: dict[str, str]) -> str:
    """'rule_train_wildcards_mixture_points_one_0_4000' → 'points_one/seed0'."""
    found = re.search(r"(points_(?:one|two))\D+(\d)\D", job["comment"])
    assert found, job["comment"]
    return f"{found[1]}/seed{found[2]}"


def test_the_warning_reaches_the_trainer(slurm: Slurm, tmp_path: Path) -> None:
    """SIGURG, sent by SLURM to a job as it does before a time limit: saved, ended, and gone on with."""
    config = CONFIG | {"seeds": [0]}
    workflow = Workflow(tmp_path / "slurm", config)
    target = metrics(config, "points_two")
    snakemake = workflow.start(target, slow=0.05)
    try:
        wait_for(
            lambda: any(iteration > 0 for iteration in iterations(workflow).values()), workflow, snakemake
        )
        (job,) = training(slurm)
        subprocess.run(["scancel", "--signal=URG", job["number"]], check=True)
        workflow.finish(snakemake)
    finally:
        snakemake.kill()
    undisturbed = alone(Workflow(tmp_path / "alone", config), config)
    assert workflow.results().items() <= undisturbed.items()
    assert len(workflow.steps("train")) == 2
    assert re.search(
        r"SIGURG: state saved at iteration \d+ of 600", workflow.log() + _slurm_logs(workflow.folder)
    )


def test_a_time_limit_ends_an_attempt_and_nothing_else(slurm: Slurm, tmp_path: Path) -> None:
    """Two minutes, with the warning 45 seconds before (SLURM looks every half minute): the run takes longer.

    A warning that comes before the trainer is there is lost; then the SIGTERM at the limit itself saves.
    """
    longer = {"synthetic": {"iterations": 1000, "checkpoint_every": 250, "snapshots": [1000]}}
    config = CONFIG | {"workloads": longer, "seeds": [0]}
    targets = [metrics(config, recipe) for recipe in RECIPES]
    workflow = Workflow(tmp_path / "slurm", config, runtime=2, slurm_extra="'--signal=URG@45'")
    workflow.finish(workflow.start(*targets, slow=0.05))
    assert workflow.results() == alone(Workflow(tmp_path / "alone", config), config)
    assert len(workflow.steps("train")) > 1, "the run was too short for the limit"
    assert re.search(
        r"SIG(URG|TERM): state saved at iteration", workflow.log() + _slurm_logs(workflow.folder)
    )


def _slurm_logs(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.glob(".snakemake/slurm_logs/**/*.log"))


@pytest.mark.skipif(
    not os.environ.get("GANTRY_SLURM_SCALE"), reason="takes long: set GANTRY_SLURM_SCALE=quick"
)
def test_a_whole_scale(slurm: Slurm, tmp_path: Path) -> None:
    config = {"scale": os.environ["GANTRY_SLURM_SCALE"]}
    results = []
    for profile in ("profiles/default", "profiles/slurm"):
        workflow = Workflow(tmp_path / Path(profile).name, config)
        snakemake = workflow.start(profile=profile)
        try:
            assert snakemake.wait(timeout=7200) == 0, workflow.log()
        finally:
            snakemake.kill()
        results.append(workflow.results())
    assert results[0] == results[1]
    steps = workflow.steps("train")
    assert {(node, devices) for _, _, node, devices in steps} == {(n, d) for n in ("n1", "n2") for d in "01"}
    assert_nobody_shares(steps)

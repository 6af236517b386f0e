"""A change has done again what depends on it, and nothing else: asserted on the jobs that Snakemake plans.

The paper of `sketch.yaml` has one output of every kind; it is made for real, once, at the scale of `tiny.yaml`.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.workflow.conftest import HERE, TINY, Checkout, Done, Snakes

from gantry.plan.configuration import merged

PAPER = yaml.safe_load((HERE / "sketch.yaml").read_text(encoding="utf-8"))
KINDS = {
    **dict.fromkeys(("mode_statistics", "scores"), ("csv", "md", "tex")),
    **dict.fromkeys(("scatter", "curves", "grids", "trajectories", "heatmap"), ("png", "svg")),
    "claims": ("csv", "md"),
}
OF_POINTS = {"modes", "places", "rise", "said"}
BASE = {
    "scale": str(TINY),
    "papers": ["sketch"],
    "segment_iterations": 20,
    "datasets": {
        "mixture": {"images": 1000, "options": {"count": 1000}},
        "digits": {"fraction": 0.05},
        "china": {"images": 40, "options": {"count": 40}},
        "flower": {"images": 40, "options": {"count": 40}},
    },
}
POINTS_TWO = "results/tiny/runs/mixture/points_two/seed0"


class Sketch(Checkout):
    """A checkout that knows the tests' own paper and scale."""

    def __init__(self, folder: Path, snakes: Snakes) -> None:
        super().__init__(folder, snakes)
        self.paper = folder / "workflow/experiments/sketch.yaml"
        shutil.copy(HERE / "sketch.yaml", self.paper)

    def make(self, *targets: str, **config: Any) -> Done:
        """Run Snakemake for real on one core."""
        return self._run(*targets, "--cores", "1", **config)

    def plan(self, *targets: str, **config: Any) -> Done:
        """Ask Snakemake what it would do."""
        done = self._run(*targets, "-n", **config)
        assert done.code == 0, done.output
        return done

    def _run(self, *arguments: str, **config: Any) -> Done:
        return self.snakemake(*arguments, **merged(BASE, config))

    @contextmanager
    def edited(self, old: str, new: str) -> Iterator[None]:
        """The paper with `old` replaced, until the end of the block."""
        text = self.paper.read_text(encoding="utf-8")
        assert old in text
        self.paper.write_text(text.replace(old, new), encoding="utf-8")
        try:
            yield
        finally:
            self.paper.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory, snakes: Snakes) -> Sketch:
    """The whole paper, made."""
    made = Sketch(tmp_path_factory.mktemp("sketch"), snakes)
    done = made.make()
    assert done.code == 0, done.output
    return made


def names(done: Done) -> set[str]:
    """The outputs of the paper that are made anew."""
    return {Path(file).stem for rule in ("table", "figure", "claims") for file in done.outputs(rule)}


def checkpoints(seal: Path) -> dict[int, str]:
    """Iteration → SHA-256."""
    return {entry["iteration"]: entry["sha256"] for entry in json.loads(seal.read_text())["checkpoints"]}


# ── what is made ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PAPER["outputs"])
def test_every_kind_of_output_is_made(sketch: Sketch, name: str) -> None:
    for suffix in KINDS[PAPER["outputs"][name]["kind"]]:
        content = (sketch.folder / f"results/tiny/sketch/{name}.{suffix}").read_bytes()
        if suffix == "png":
            assert content.startswith(b"\x89PNG")
        elif suffix == "csv":
            rows = list(csv.reader(content.decode().splitlines()))
            assert len(rows) > 1
            assert len({len(row) for row in rows}) == 1
        else:
            assert len(content) > 100


def test_the_sketch_has_every_kind_there_is() -> None:
    assert {output["kind"] for output in PAPER["outputs"].values()} == set(KINDS)


def test_the_page_shows_all_of_it(sketch: Sketch) -> None:
    page = (sketch.folder / "results/tiny/report.html").read_text(encoding="utf-8")
    for output in PAPER["outputs"].values():
        assert output["title"] in page
    assert "the tests&#39; own" in page or "the tests' own" in page, "the page does not name its scale"
    assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css)"', page), "the page needs the network"


def test_metrics_are_of_the_checkpoints_that_were_asked_for(sketch: Sketch) -> None:
    with (sketch.folder / POINTS_TWO / "metrics-20.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {int(row["iteration"]) for row in rows} == {10, 20}
    assert {row["sampled_from"] for row in rows} == {"G1", "G2", "mixture"}
    assert {"modes_covered", "js"} <= {row["metric"] for row in rows}
    assert {row["samples"] for row in rows} == {"200"}


# ── what is made again ────────────────────────────────────────────────────────────────────────────────


def test_nothing_changed_nothing_to_do(sketch: Sketch) -> None:
    done = sketch.plan()
    assert done.jobs == set()
    assert "Nothing to be done" in done.output


def test_a_weight_retrains_one_recipe(sketch: Sketch) -> None:
    done = sketch.plan(recipes={"points_two": {"terms": {"sample_spread": 0.2}}})
    assert done.outputs("train") == {f"{POINTS_TWO}/seal-20.json"}
    assert done.outputs("score") == {f"{POINTS_TWO}/metrics-20.csv"}
    assert names(done) == OF_POINTS
    assert done.outputs("page") == {"results/tiny/report.html"}
    assert {rule for rule, _ in done.jobs} == {"train", "score", "table", "figure", "claims", "page"}


def test_a_new_seed_adds_its_runs_only(sketch: Sketch) -> None:
    done = sketch.plan(seeds=[0, 1])
    assert len(done.outputs("train")) == 4
    assert all("/seed1/" in output for output in done.outputs("train") | done.outputs("score"))
    assert names(done) == set(PAPER["outputs"])
    assert done.outputs("prepare") == set()


def test_a_caption_remakes_its_output_and_the_page(sketch: Sketch) -> None:
    with sketch.edited('title: "Modes"', 'title: "Modes, counted"'):
        done = sketch.plan()
    assert names(done) == {"modes"}
    assert {rule for rule, _ in done.jobs} == {"table", "page"}


def test_a_figures_option_redraws_it_and_the_page(sketch: Sketch) -> None:
    with sketch.edited("options: {tail_checkpoints: 2}", "options: {tail_checkpoints: 1}"):
        done = sketch.plan()
    assert names(done) == {"rise"}
    assert {rule for rule, _ in done.jobs} == {"figure", "page"}


def test_a_data_set_more_adds_its_own_work_only(sketch: Sketch) -> None:
    mine = {"title": "mine", "source": "digits", "fraction": 0.04}
    with sketch.edited("- datasets: [digits]", "- datasets: [digits, mine]"):
        done = sketch.plan(datasets={"mine": mine})
    assert done.outputs("prepare") == {"results/data/mine-32/manifest.json"}
    made = done.outputs("train") | done.outputs("score")
    assert {Path(output).parts[3] for output in made} == {"mine"}
    assert len(made) == 4
    assert names(done) == set(PAPER["outputs"]) - OF_POINTS


def test_other_numbers_of_samples_score_again_and_train_nothing(sketch: Sketch) -> None:
    done = sketch.plan(workloads={"images": {"samples": 19}})
    assert done.outputs("train") == set()
    assert {Path(output).parts[3] for output in done.outputs("score")} == {"digits"}
    assert names(done) == set(PAPER["outputs"]) - OF_POINTS


def test_a_metric_more_scores_again_and_trains_nothing(sketch: Sketch) -> None:
    done = sketch.plan(workloads={"synthetic": {"metrics": ["modes_covered", "js", "energy_distance"]}})
    assert done.outputs("train") == set()
    assert {Path(output).parts[-3] for output in done.outputs("score")} == {"points_one", "points_two"}
    assert names(done) == OF_POINTS


def test_cosmetic_edits_do_nothing(sketch: Sketch) -> None:
    """Comments, 0.1 against 0.10, and where raw data lie."""
    with sketch.edited("sample_spread: 0.1}", "sample_spread: 0.10} # as printed"):
        done = sketch.plan(data="/elsewhere", datasets={"digits": {"acquisition": "ships with scikit-learn"}})
    assert done.jobs == set()


def test_another_order_of_keys_does_nothing(sketch: Sketch) -> None:
    first, second = "    generators: 2\n", "    terms: {sample_spread: 0.1}\n"
    with sketch.edited(first + second, second + first):
        assert sketch.plan().jobs == set()
    with sketch.edited("{name: realness, outcomes: 5}", "{outcomes: 5, name: realness}"):
        assert sketch.plan().jobs == set()


# ── moved, without a memory, at another time, by two at once ──────────────────────────────────────────


@pytest.mark.parametrize("forgotten", [False, True])
def test_results_that_were_moved_are_good_where_they_are(
    sketch: Sketch, tmp_path: Path, forgotten: bool
) -> None:
    """To another path, with or without Snakemake's own memory; a stale seal is noticed without it too."""
    moved = Sketch(tmp_path, sketch.snakes)
    shutil.copytree(sketch.folder / "results", tmp_path / "results")
    if not forgotten:
        shutil.copytree(sketch.folder / ".snakemake", tmp_path / ".snakemake")
    assert moved.plan().jobs == set()
    if forgotten:
        page = tmp_path / "results/tiny/sketch/modes.csv"
        before = page.read_bytes()
        page.rename(tmp_path / "kept")
        changed = {"points_two": {"terms": {"sample_spread": 0.2}}}
        done = moved.make("results/tiny/sketch/modes.csv", recipes=changed)
        assert done.code != 0 and "Traceback" not in done.output
        assert "seal-20.json: stale: trained with spec" in done.output
        assert f"--forcerun {POINTS_TWO}/seal-20.json" in done.output
        assert not page.exists()
        assert moved.make("results/tiny/sketch/modes.csv").code == 0
        assert page.read_bytes() == before


def test_a_clock_that_jumps_starts_nothing(sketch: Sketch, tmp_path: Path) -> None:
    """A file from a day ahead, whose content is what it was, starts nothing; nor does one from a day ago."""
    moved = Sketch(tmp_path, sketch.snakes)
    for name in ("results", ".snakemake"):
        shutil.copytree(sketch.folder / name, tmp_path / name)
    for name, jump in (("seal-20.json", 86400), ("metrics-20.csv", -86400)):
        then = time.time() + jump
        os.utime(tmp_path / POINTS_TWO / name, (then, then))
    assert moved.plan().jobs == set()


def test_two_at_once_and_one_that_was_killed(sketch: Sketch) -> None:
    """The second is refused while the first is alive; when it was killed, nobody needs to unlock anything."""
    code = (
        "import sys; from gantry.caller import release_stale_locks; release_stale_locks(); "
        "print('on', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=sketch.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None and first.stdout.readline() == "on\n"
        lock = sketch.folder / ".snakemake/locks/0.output.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.write_text("results/tiny/sketch/modes.csv\n")
        table = ["results/tiny/sketch/modes.csv", "--forcerun", "table"]
        second = sketch.make(*table)
        assert second.code != 0 and "cannot be locked" in second.output
        first.kill()
    third = sketch.make(*table)
    assert third.code == 0, third.output
    assert third.outputs("table") == {"results/tiny/sketch/modes.csv"}


# ── taken back ────────────────────────────────────────────────────────────────────────────────────────


def made_of_points(sketch: Sketch) -> dict[str, bytes]:
    """Everything that is made of the runs on points."""
    root = sketch.folder / "results/tiny"
    files = [*root.glob("runs/mixture/*/seed0/*.*"), *root.glob("sketch/*.*"), root / "report.html"]
    return {str(path): path.read_bytes() for path in files if path.suffix != ".log"}


def test_a_change_that_is_taken_back_leaves_nothing_to_do(sketch: Sketch) -> None:
    """Seal, scores, tables, figures and the page are put back as they were; and so are the others', in their turn."""
    before = made_of_points(sketch)
    changed = {"recipes": {"points_two": {"terms": {"sample_spread": 0.3}}}}
    done = sketch.make(**changed)
    assert done.code == 0, done.output
    assert done.outputs("train") == {f"{POINTS_TWO}/seal-20.json"}
    after = made_of_points(sketch)
    assert (
        after[f"{sketch.folder}/{POINTS_TWO}/metrics-20.csv"]
        != before[f"{sketch.folder}/{POINTS_TWO}/metrics-20.csv"]
    )

    assert sketch.plan().jobs == set()
    assert made_of_points(sketch) == before
    assert sketch.plan(**changed).jobs == set()
    assert made_of_points(sketch) == after
    assert sketch.plan().jobs == set()
    assert made_of_points(sketch) == before


def test_scores_that_come_back_are_shown_by_no_table_of_others(sketch: Sketch) -> None:
    """A table of other scores, whose own order is the same, is made anew where its earlier self is lost."""
    before = made_of_points(sketch)
    changed = {"workloads": {"synthetic": {"samples": 150}}}
    table = "results/tiny/sketch/modes.csv"
    assert sketch.make(table, **changed).outputs("table") == {table}
    assert (sketch.folder / table).read_bytes() != before[f"{sketch.folder}/{table}"]
    for kept in (sketch.folder / "results/tiny/earlier").glob("*/*/0"):
        if kept.read_bytes() == before[f"{sketch.folder}/{table}"]:
            shutil.rmtree(kept.parent)
    done = sketch.make()
    assert done.code == 0, done.output
    assert {rule for rule, _ in done.jobs} <= {"table", "page"}
    assert done.outputs("table") == {table}
    assert {path for path, content in made_of_points(sketch).items() if content != before[path]} <= {
        f"{sketch.folder}/results/tiny/report.html"
    }


# ── longer, and back ──────────────────────────────────────────────────────────────────────────────────


def test_twice_the_iterations_are_one_more_segment(sketch: Sketch) -> None:
    longer = {"workloads": {"synthetic": {"iterations": 40}}}
    done = sketch.plan(**longer)
    assert done.outputs("train") == {
        f"results/tiny/runs/mixture/{recipe}/seed0/seal-40.json" for recipe in ("points_one", "points_two")
    }
    assert len(done.outputs("score")) == 2
    assert names(done) == OF_POINTS

    # For real, against one run without a stop, in a folder whose name holds a space.
    other = "other results"
    shutil.copytree(sketch.folder / "results/data", sketch.folder / other / "data")
    straight = f"{other}/tiny/runs/mixture/points_two/seed0/seal-40.json"
    made = sketch.make(straight, **longer, results=other, segment_iterations=40)
    assert made.code == 0, made.output
    assert made.jobs == {("train", straight)}
    resumed = sketch.make(f"{POINTS_TWO}/seal-40.json", **longer)
    assert resumed.code == 0, resumed.output
    assert resumed.jobs == {("train", f"{POINTS_TWO}/seal-40.json")}
    expected = checkpoints(sketch.folder / straight)
    assert checkpoints(sketch.folder / POINTS_TWO / "seal-40.json") == expected
    assert list(expected) == [10, 20, 30, 40]
    first = checkpoints(sketch.folder / POINTS_TWO / "seal-20.json")
    assert first.items() <= expected.items()


def test_a_change_that_is_taken_back_finds_the_old_run(sketch: Sketch) -> None:
    seal = f"{POINTS_TWO}/seal-20.json"
    before = checkpoints(sketch.folder / seal)
    work = sketch.folder / POINTS_TWO / "work"
    old = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    changed = sketch.make(seal, recipes={"points_two": {"terms": {"sample_spread": 0.2}}})
    assert changed.code == 0, changed.output
    after = checkpoints(sketch.folder / seal)
    assert after.keys() == before.keys()
    assert set(after.values()).isdisjoint(before.values()), "the weight changed nothing"

    back = sketch.make(seal)
    assert back.code == 0, back.output
    assert checkpoints(sketch.folder / seal) == before
    now = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    assert {path: now[path] for path in old} == old, "a checkpoint was written again"
    assert len(now) == len(old) + len(after)

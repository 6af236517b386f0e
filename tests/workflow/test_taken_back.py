"""A change that is taken back, or followed further, finds what was made before: files for files, bits for bits."""

import shutil
from typing import Any

from tests.workflow.checkout import BASE, OF_POINTS, POINTS_TWO, RECORD, Sketch, names
from tests.workflow.plans import sketch_plan

# Another recipe, and other scores of all.
CHANGED: dict[str, Any] = {
    "recipes": {"points_two": {"terms": {"sample_spread": 0.3}}},
    "workloads": {"synthetic": {"samples": 150}},
}


def of_runs(sketch: Sketch) -> dict[str, tuple[bytes, int]]:
    """Every file of the runs on points that is not a log: content and time."""
    files = sketch.folder.glob("results/tiny/runs/mixture/**/*.*")
    return {
        str(path.relative_to(sketch.folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in files
        if path.is_file() and path.suffix != ".log"
    }


def outputs(sketch: Sketch) -> dict[str, bytes]:
    """The tables, figures and claims."""
    files = sketch.folder.glob("results/tiny/sketch/*.*")
    return {path.name: path.read_bytes() for path in files if path.suffix != ".log"}


def test_a_change_that_is_taken_back_makes_tables_and_figures_alone(spoilt: Sketch) -> None:
    """And so does the change itself, made a second time; no run, no score is touched, and no copy is kept."""
    runs, made = of_runs(spoilt), outputs(spoilt)
    done = spoilt.make(**CHANGED)
    assert done.code == 0, done.output
    assert {rule for rule, _ in done.jobs} >= {"score", "table", "page"}
    with_both, of_change = of_runs(spoilt), outputs(spoilt)
    assert runs.items() <= with_both.items(), "something that was there has changed"
    assert of_change != made
    for given, expected in (({}, made), (CHANGED, of_change)):
        back = spoilt.make(**given)
        assert back.code == 0, back.output
        assert names(back) == OF_POINTS
        assert {rule for rule, _ in back.jobs} == {"table", "figure", "claims", "page"}
        assert outputs(spoilt) == expected
        assert of_runs(spoilt) == with_both
        assert spoilt.plan(**given).jobs == set()


def test_a_change_that_is_taken_back_is_noticed_without_snakemakes_memory(spoilt: Sketch) -> None:
    """A table of other settings passes for none of these, wherever and under whatever name the folder lies."""
    assert spoilt.make(**CHANGED).code == 0
    shutil.rmtree(spoilt.folder / ".snakemake")
    done = spoilt.plan()
    assert names(done) == OF_POINTS
    assert {rule for rule, _ in done.jobs} == {"table", "figure", "claims", "page"}
    assert spoilt.plan(**CHANGED).jobs == set()


def test_twice_the_iterations_are_one_more_segment(spoilt: Sketch) -> None:
    longer = {"workloads": {"synthetic": {"iterations": 40}}}
    plan = sketch_plan(BASE, **longer)
    records = {name: plan.record(plan.run("mixture", name, 0), 40) for name in ("points_one", "points_two")}
    done = spoilt.plan(**longer)
    assert done.outputs("train") == set(records.values())
    assert len(done.outputs("score")) == 2
    assert names(done) == OF_POINTS

    # For real, against one run without a stop, in a folder whose name holds a space.
    other = "other results"
    shutil.copytree(spoilt.folder / "results/data", spoilt.folder / other / "data")
    whole = sketch_plan(BASE, **longer, results=other, segment_iterations=40)
    straight = whole.record(whole.run("mixture", "points_two", 0), 40)
    made = spoilt.make(straight, **longer, results=other, segment_iterations=40)
    assert made.code == 0, made.output
    assert made.jobs == {("train", straight)}
    further = records["points_two"]
    assert further.startswith(f"{POINTS_TWO}/"), "a run that is followed further has another folder"
    resumed = spoilt.make(further, **longer)
    assert resumed.code == 0, resumed.output
    assert resumed.jobs == {("train", further)}
    expected = spoilt.checkpoints(straight)
    assert spoilt.checkpoints(further) == expected
    assert list(expected) == [10, 20, 30, 40]
    first = spoilt.checkpoints(RECORD)
    assert first.items() <= expected.items()

"""A change that is taken back, or followed further, finds what was made before: files for files, bits for bits."""

import shutil

from tests.workflow.checkout import OF_POINTS, POINTS_TWO, Sketch, names


def made_of_points(sketch: Sketch) -> dict[str, bytes]:
    """Everything that is made of the runs on points."""
    root = sketch.folder / "results/tiny"
    files = [*root.glob("runs/mixture/*/seed0/*.*"), *root.glob("sketch/*.*"), root / "report.html"]
    return {str(path): path.read_bytes() for path in files if path.suffix != ".log"}


def test_a_change_that_is_taken_back_leaves_nothing_to_do(spoilt: Sketch) -> None:
    """Record, scores, tables, figures and the page are put back as they were; and so are the others', in their turn."""
    before = made_of_points(spoilt)
    changed = {"recipes": {"points_two": {"terms": {"sample_spread": 0.3}}}}
    done = spoilt.make(**changed)
    assert done.code == 0, done.output
    assert done.outputs("train") == {f"{POINTS_TWO}/record-20.json"}
    after = made_of_points(spoilt)
    assert (
        after[f"{spoilt.folder}/{POINTS_TWO}/metrics-20.csv"]
        != before[f"{spoilt.folder}/{POINTS_TWO}/metrics-20.csv"]
    )

    assert spoilt.plan().jobs == set()
    assert made_of_points(spoilt) == before
    assert spoilt.plan(**changed).jobs == set()
    assert made_of_points(spoilt) == after
    assert spoilt.plan().jobs == set()
    assert made_of_points(spoilt) == before


def test_scores_that_come_back_are_shown_by_no_table_of_others(spoilt: Sketch) -> None:
    """A table of other scores, whose own order is the same, is made anew where its earlier self is lost."""
    before = made_of_points(spoilt)
    changed = {"workloads": {"synthetic": {"samples": 150}}}
    table = "results/tiny/sketch/modes.csv"
    assert spoilt.make(table, **changed).outputs("table") == {table}
    assert (spoilt.folder / table).read_bytes() != before[f"{spoilt.folder}/{table}"]
    for kept in (spoilt.folder / "results/tiny/earlier").glob("*/*/0"):
        if kept.read_bytes() == before[f"{spoilt.folder}/{table}"]:
            shutil.rmtree(kept.parent)
    done = spoilt.make()
    assert done.code == 0, done.output
    assert {rule for rule, _ in done.jobs} <= {"table", "page"}
    assert done.outputs("table") == {table}
    assert {path for path, content in made_of_points(spoilt).items() if content != before[path]} <= {
        f"{spoilt.folder}/results/tiny/report.html"
    }


def test_twice_the_iterations_are_one_more_segment(spoilt: Sketch) -> None:
    longer = {"workloads": {"synthetic": {"iterations": 40}}}
    done = spoilt.plan(**longer)
    assert done.outputs("train") == {
        f"results/tiny/runs/mixture/{recipe}/seed0/record-40.json" for recipe in ("points_one", "points_two")
    }
    assert len(done.outputs("score")) == 2
    assert names(done) == OF_POINTS

    # For real, against one run without a stop, in a folder whose name holds a space.
    other = "other results"
    shutil.copytree(spoilt.folder / "results/data", spoilt.folder / other / "data")
    straight = f"{other}/tiny/runs/mixture/points_two/seed0/record-40.json"
    made = spoilt.make(straight, **longer, results=other, segment_iterations=40)
    assert made.code == 0, made.output
    assert made.jobs == {("train", straight)}
    resumed = spoilt.make(f"{POINTS_TWO}/record-40.json", **longer)
    assert resumed.code == 0, resumed.output
    assert resumed.jobs == {("train", f"{POINTS_TWO}/record-40.json")}
    expected = spoilt.checkpoints(straight)
    assert spoilt.checkpoints(f"{POINTS_TWO}/record-40.json") == expected
    assert list(expected) == [10, 20, 30, 40]
    first = spoilt.checkpoints(f"{POINTS_TWO}/record-20.json")
    assert first.items() <= expected.items()


def test_a_change_that_is_taken_back_finds_the_old_run(spoilt: Sketch) -> None:
    record = f"{POINTS_TWO}/record-20.json"
    before = spoilt.checkpoints(record)
    work = spoilt.folder / POINTS_TWO / "work"
    old = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    changed = spoilt.make(record, recipes={"points_two": {"terms": {"sample_spread": 0.2}}})
    assert changed.code == 0, changed.output
    after = spoilt.checkpoints(record)
    assert after.keys() == before.keys()
    assert set(after.values()).isdisjoint(before.values()), "the weight changed nothing"

    back = spoilt.make(record)
    assert back.code == 0, back.output
    assert spoilt.checkpoints(record) == before
    now = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    assert {path: now[path] for path in old} == old, "a checkpoint was written again"
    assert len(now) == len(old) + len(after)

"""A change has done again what depends on it, and nothing else: asserted on the jobs that Snakemake plans.

The paper of `sketch.yaml` has one output of every type; it is made for real, once, at the scale of `tiny.yaml`.
"""

import csv
import re
from pathlib import Path

import pytest
import yaml
from tests.workflow.checkout import BASE, HERE, METRICS, OF_POINTS, RECORD, Sketch, names
from tests.workflow.plans import sketch_plan

PAPER = yaml.safe_load((HERE / "sketch.yaml").read_text(encoding="utf-8"))
TYPES = {
    **dict.fromkeys(("mode_statistics", "scores"), ("csv", "md", "tex")),
    **dict.fromkeys(("scatter", "curves", "grids", "trajectories", "heatmap"), ("png", "svg")),
    "claims": ("csv", "md"),
}


# ── what is made ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PAPER["outputs"])
def test_every_type_of_output_is_made(sketch: Sketch, name: str) -> None:
    for suffix in TYPES[PAPER["outputs"][name]["type"]]:
        content = (sketch.folder / f"results/tiny/sketch/{name}.{suffix}").read_bytes()
        if suffix == "png":
            assert content.startswith(b"\x89PNG")
        elif suffix == "csv":
            rows = list(csv.reader(content.decode().splitlines()))
            assert len(rows) > 1
            assert len({len(row) for row in rows}) == 1
        else:
            assert len(content) > 100


def test_the_sketch_has_every_type_there_is() -> None:
    assert {output["type"] for output in PAPER["outputs"].values()} == set(TYPES)


def test_the_page_shows_all_of_it(sketch: Sketch) -> None:
    page = (sketch.folder / "results/tiny/report.html").read_text(encoding="utf-8")
    for output in PAPER["outputs"].values():
        assert output["title"] in page
    assert "the tests&#39; own" in page or "the tests' own" in page, "the page does not name its scale"
    assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css)"', page), "the page needs the network"


def test_snakemakes_own_report_holds_every_output_with_its_notes(sketch: Sketch, tmp_path: Path) -> None:
    done = sketch.report(tmp_path / "snakemake.html")
    assert done.code == 0, done.output
    text = (tmp_path / "snakemake.html").read_text(encoding="utf-8")
    for name, output in PAPER["outputs"].items():
        first = TYPES[output["type"]][0]
        assert f"results/tiny/sketch/{name}.{first}" in text, name
        assert output["title"] in text
    assert all(f'"{family}"' in text for family in ("tables", "figures", "claims"))
    assert "Trained for 20 iterations instead of 1,000." in text, "the notes are not among the labels"
    assert "with its 95 % interval" in text, "a caption is missing"


def test_metrics_are_of_the_checkpoints_that_were_asked_for(sketch: Sketch) -> None:
    with (sketch.folder / METRICS).open(encoding="utf-8") as stream:
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
    changed = {"recipes": {"points_two": {"terms": {"sample_spread": 0.2}}}}
    done, plan = sketch.plan(**changed), sketch_plan(BASE, **changed)
    run = plan.run("mixture", "points_two", 0)
    assert done.outputs("train") == {plan.record(run, 20)} != {RECORD}
    assert done.outputs("score") == {plan.metrics(run, 20)}
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
    assert {Path(output).parts[4] for output in done.outputs("score")} == {"points_one", "points_two"}
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
    with sketch.edited("{name: realness, atoms: 5}", "{atoms: 5, name: realness}"):
        assert sketch.plan().jobs == set()

"""The plan itself: names, files, orders, missing data, and how little it needs to be made."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.plan.conftest import BCGAN, Checkout
from tests.shipped import REPOSITORY, shipped
from tests.workflow.checkout import BASE
from tests.workflow.plans import sketch_plan

from gantry.errors import UserError
from gantry.files import canonical_json
from gantry.plan import Plan, load_plan, load_planned
from gantry.plan.costs import cost_of
from gantry.plan.describe import describe
from gantry.plan.estimate import training_seconds
from gantry.plan.report_specs import report_spec
from gantry.report.specs import parse_spec
from gantry.system.formatting import format_duration

SCALES = [path.stem for path in shipped("workflow/scales")]
PAPERS = [path.stem for path in shipped("workflow/experiments")]


def test_a_file_of_ones_own_is_no_part_of_the_suite(tmp_path: Path) -> None:
    """A broken experiment that a user keeps beside the papers fails no test, and no plan that does not name it."""
    shutil.copytree(REPOSITORY / "workflow", tmp_path / "workflow")
    for command in (["init", "--quiet"], ["add", "workflow"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "workflow/experiments/mine.yaml").write_text("recipes: [oh", encoding="utf-8")
    (tmp_path / "workflow/scales/mine.yaml").write_text("title: {", encoding="utf-8")
    assert [path.stem for path in shipped("workflow/experiments", tmp_path)] == PAPERS
    assert [path.stem for path in shipped("workflow/scales", tmp_path)] == SCALES
    for paper in ("bcgan", "bcgan_extras", "precision"):
        assert load_plan({"scale": "smoke", "papers": [paper]}, tmp_path).runs
    with pytest.raises(UserError, match=r"workflow/experiments/mine.yaml: line \d: not valid YAML"):
        load_plan({"scale": "smoke", "papers": ["mine"]}, tmp_path)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_plans_at_every_scale(scale: str, paper: str, repository: Path) -> None:
    plan = load_plan({"scale": scale, "papers": [paper], "seeds": [0, 1, 2]}, repository)
    assert plan.runs
    assert plan.output_files(paper)
    for run in plan.runs.values():
        assert run.ends[-1] % run.workload.checkpoint_every == 0
    for output, name, _ in plan.outputs():
        told = report_spec(plan, output, name)
        parse_spec(json.loads(canonical_json(told)))  # what the report reads it with
        for group in told["groups"]:
            assert [run["seed"] for run in group["runs"]] == [0, 1, 2]
            for run in group["runs"]:
                planned = plan.run(group["dataset"], group["recipe"], run["seed"])
                assert run["spec_digest"] == planned.spec_digest
                assert set(run["ends"]) <= set(planned.ends)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_published_file_of_an_output_exists(paper: str, repository: Path) -> None:
    plan = load_plan({"scale": "paper", "papers": [paper]}, repository)
    files = [file for output, name, _ in plan.outputs() for file in plan.published(output, name)]
    # The collections that are nobody's paper have no published numbers.
    assert files or paper in (
        "bcgan_extras",
        "bcgan_small",
        "conditional",
        "encoders",
        "precision",
        "translation",
        "zoo",
    )
    assert [file for file in files if not (repository / file).is_file()] == []


def test_the_smoke_scale_needs_nothing_to_be_fetched(repository: Path) -> None:
    assert load_plan({"scale": "smoke", "papers": PAPERS}, repository).missing() == []


def test_planning_imports_no_numerics(repository: Path) -> None:
    """A dry run of thousands of jobs starts in a moment, and a plan can be made where PyTorch is not."""
    code = (
        "import sys; from gantry.plan import load_plan; from gantry.plan.describe import describe; "
        "print(describe(load_plan({'scale': 'paper'}))); import gantry.cli; "
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules); "
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_orders_of_a_proxy_say_so(checkout: Checkout) -> None:
    group = report_spec(checkout.plan(), "bcgan", "table5")["groups"][0]
    assert (group["dataset"], group["dataset_name"], group["dataset_label"]) == ("digits", "celeba", "CelebA")
    assert (group["trained_on"], group["is_proxy"]) == ("handwritten digits (scikit-learn)", True)
    real = report_spec(checkout.plan(scale="paper"), "bcgan", "table5")["groups"][0]
    assert (real["dataset"], real["trained_on"]) == ("celeba", None)


def test_scoring_follows_the_workload(checkout: Checkout) -> None:
    plan = checkout.plan()
    points, images = plan.run("mixture", "synthetic_bcgan", 0), plan.run("digits", "bcgan", 0)
    assert plan.scoring(points)["features"] is None
    assert plan.scoring(images)["features"] == "embedded"
    assert plan.scoring(images)["spec_digest"] == images.spec_digest
    asked = {"score_real": True, "score_generators": False, "inception_splits": 5}
    plain, more = plan.scoring(images), checkout.plan(workloads={"images": asked})
    assert more.scoring(more.run("digits", "bcgan", 0)) == plain | asked
    assert not plain.keys() & asked.keys(), "what is not asked for changes nothing that was scored before"
    assert plan.real_statistics(points) == []
    assert plan.real_statistics(images) == ["results/data/digits-32/statistics-embedded.npz"]
    assert plan.manifest(points) == "results/data/mixture/manifest.json"
    assert plan.feature_weights() == ["results/data/embedded-classifier.safetensors"]


def test_weights_of_a_network_come_from_the_configuration(checkout: Checkout) -> None:
    plan = checkout.plan(scale="paper", weights={"inception": "/somewhere/inception.pt"})
    assert plan.feature_weights() == ["/somewhere/inception.pt"]
    assert checkout.plan(scale="paper").feature_weights() == [], "the network fetches its own"


def test_runs_are_shared_between_outputs(checkout: Checkout) -> None:
    plan = checkout.plan()
    assert len(plan.runs) == len({run.key for run in plan.runs.values()}) == 2 * 21
    files = plan.metrics_of(plan.output("bcgan", "table5"))
    assert len(files) == len(set(files)) == 2 * 4


def test_a_name_that_is_asked_for_by_mistake_is_a_key_error(checkout: Checkout) -> None:
    with pytest.raises(KeyError):
        checkout.plan().run("mixture", "synthetic_bcgan", 5)


# ── data that are not there ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def paper_plan(checkout: Checkout, tmp_path: Path) -> Plan:
    return checkout.plan(scale="paper", data=str(tmp_path / "data"))


def test_missing_data_are_listed_with_how_to_get_them(paper_plan: Plan, tmp_path: Path) -> None:
    missing = {dataset.name: str(dataset) for dataset in paper_plan.missing()}
    assert set(missing) == {"celeba", "lsun_bedroom", "lsun_bridge"}
    text = missing["celeba"]
    assert text.startswith("data set celeba (CelebA) is missing: looked for img_align_celeba.zip or ")
    assert f"in {tmp_path}/data/celeba" in text
    assert "mmlab.ie.cuhk.edu.hk" in text
    assert """--config 'datasets={"celeba": {"path": "/your/folder"}}'""" in text


def test_data_that_are_there_are_not_missing(paper_plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "data/celeba").mkdir(parents=True)
    assert "celeba" in {dataset.name for dataset in paper_plan.missing()}, "an empty folder holds no data"
    (tmp_path / "data/celeba/img_align_celeba.zip").touch()
    assert {dataset.name for dataset in paper_plan.missing()} == {"lsun_bedroom", "lsun_bridge"}
    assert paper_plan.missing_for(["mixture", "celeba-256"]) == []
    assert [dataset.name for dataset in paper_plan.missing_for(["lsun_bridge-256", "mixture"])] == [
        "lsun_bridge"
    ]


def test_data_may_lie_in_the_home_folder(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/img_align_celeba.zip").touch()
    plan = checkout.plan(scale="paper", datasets={"celeba": {"path": "~/faces"}})
    assert plan.source_of("celeba") == tmp_path / "faces"
    assert "celeba" not in {dataset.name for dataset in plan.missing()}


def test_the_description_says_what_it_will_cost(checkout: Checkout) -> None:
    lines = describe(checkout.plan(scale="paper", seeds=[0, 1, 2])).splitlines()
    assert lines[0] == "scale paper: the papers' own scale"
    (bcgan,) = [line for line in lines if line.startswith("celeba") and " bcgan " in line]
    assert "0, 1, 2" in bcgan
    assert "1,000,000" in bcgan
    assert any(
        line.startswith("63 runs; training takes about") and "one large data-centre GPU" in line
        for line in lines
    )
    # 39 runs of images; 500 a second, each generator's samples and the mixture's, at every checkpoint and for SWD
    # and coverage at the end.
    assert any(line.startswith("scoring the images of 39 runs with Inception takes about") for line in lines)
    assert any("files of tables and figures, and results/paper/report.html" in line for line in lines)
    assert sum(line.startswith("  data set ") and "is missing: looked for" in line for line in lines) == 3
    assert "missing" not in describe(checkout.plan())


def test_the_cost_is_that_of_what_is_left(checkout: Checkout) -> None:
    plan = checkout.plan(seeds=[0, 1])
    seconds = {key: training_seconds(run, cost_of(plan, run), "cpu") for key, run in plan.runs.items()}
    key = "digits/bcgan/seed0"
    text = describe(plan, {key: 1.0, "digits/bcgan/seed1": 0.5})
    left = format_duration(sum(seconds.values()) - 1.5 * seconds[key])
    assert f"{len(seconds)} runs, 1 of them trained; training the rest takes about {left} of one core" in text
    (row,) = [line.split() for line in text.splitlines() if line.split()[:2] == ["digits", "bcgan"]]
    assert row[row.index("of") - 1 : row.index("of") + 2] == ["1", "of", "2"]
    assert f"{len(seconds)} runs, all of them trained" in describe(plan, dict.fromkeys(seconds, 1.0))


def test_scoring_counts_sweeps_and_real_images_and_what_is_done_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Six images a second: 2 checkpoints of 600 samples, then 3 × 600; of real ones again 600."""
    monkeypatch.chdir(tmp_path)
    images = {"iterations": 4, "checkpoint_every": 2, "samples": 600, "metrics": ["frechet_distance"]}

    def told(**changes: Any) -> list[str]:
        workloads = {"images": images | changes}
        plan = sketch_plan(BASE, features="inception-768", workloads=workloads, only_recipes=["images_one"])
        assert [run.key for run in plan.runs.values()] == ["digits/images_one/seed0"]
        return [line for line in describe(plan).splitlines() if "scoring" in line or "real images" in line]

    real = "Inception looks at 90 real images once, which takes about 15 s"
    scored = "scoring the images of 1 run with Inception takes about {} more"
    assert told() == [scored.format("3.3 min"), real]
    assert told(score_real=True) == [scored.format("5.0 min"), real]
    late = told(metrics=["swd"], final_metrics=["frechet_distance"])
    assert late == [scored.format("1.7 min"), real], "the last checkpoint alone"
    swept = {"sweep": {"truncation": [0.5, 1.0, 2.0]}}
    assert told(**swept) == [scored.format("8.3 min"), real]
    assert told(metrics=["swd"]) == [real]
    plan = sketch_plan(
        BASE, features="inception-768", workloads={"images": images}, only_recipes=["images_one"]
    )
    (run,) = plan.runs.values()
    for file in (*plan.real_statistics(run), plan.metrics(run, 4)):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    assert told() == []
    assert told(samples=601) == [scored.format("3.3 min")], "other scores are asked for"


def test_one_output_needs_no_more_than_its_runs(checkout: Checkout) -> None:
    checkout.edit(BCGAN, "\noutputs:\n", "\noutputs: &outputs\n")
    plan = checkout.plan(seeds=[3])
    needed = {run.key for run, _ in plan.runs_of(plan.output("bcgan", "figure9"))}
    assert needed == {"digits/realnessgan/seed3", "digits/bcgan/seed3"}


# ── the plan that jobs are told of ────────────────────────────────────────────────────────────────────


def test_a_plan_that_was_written_down_is_the_same_without_the_files(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = load_plan({"scale": "smoke", "papers": PAPERS}, repository)
    place = tmp_path / f"{plan.digest}.yaml"
    place.write_text(plan.sources, encoding="utf-8")
    again = load_planned(place)
    assert again.digest == plan.digest
    assert list(again.runs) == list(plan.runs), "the order of rows and columns follows that of the keys"
    assert [run.spec for run in again.runs.values()] == [run.spec for run in plan.runs.values()]
    specs = [
        [report_spec(planned, paper, name) for paper, name, _ in planned.outputs()]
        for planned in (plan, again)
    ]
    assert specs[0] == specs[1]


def test_a_plan_that_was_changed_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    plan = checkout.plan()
    place = tmp_path / f"{plan.digest}.yaml"
    place.write_text(plan.sources.replace("bcgan", "bcgen", 1), encoding="utf-8")
    with pytest.raises(UserError, match="its digest differs"):
        load_planned(place)
    with pytest.raises(UserError, match="cannot be read"):
        load_planned(tmp_path / "gone.yaml")


def test_a_curve_over_what_is_no_number_is_refused(checkout: Checkout) -> None:
    path = "workflow/experiments/conditional.yaml"
    checkout.edit(path, "over: method.known", "over: method.name")
    found = checkout.problems(papers=["conditional"])
    assert len(found) == 9
    assert found[0] == (
        f"{path}: outputs.label_curve.options.over: recipe pictures_semi_supervised_50 has no number at method.name: "
        "name a key that is one, such as method.known"
    )


# ── the same edit, on the command line and in the file ────────────────────────────────────────────────

EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "a weight that heirs keep": ("bcgan", {"terms": {"sample_spread": 0.7}}),
    "a weight that heirs have themselves": ("bcgan", {"terms": {"logit_agreement": 0.7}}),
    "another objective": ("realnessgan", {"objective": {"name": "non_saturating"}}),
    "an heir": ("bcgan_none", {"batch_size": 64}),
    "another parent": ("bcgan_none", {"extends": "bcgan_patchgan"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_change_does_the_same_on_the_command_line_and_in_the_file(checkout: Checkout, edit: str) -> None:
    name, change = EDITS[edit]
    before = checkout.plan()
    given = checkout.plan(recipes={name: change})
    path = checkout.root / "workflow/experiments/bcgan.yaml"
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = read["recipes"][name]
    for key, value in change.items():
        new = isinstance(value, dict) and "name" in value and text.get(key, {}).get("name") != value["name"]
        text[key] = {**({} if new else text.get(key, {})), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(read, sort_keys=False), encoding="utf-8")
    written = checkout.plan()
    assert {run.key: run.spec for run in given.runs.values()} == {
        run.key: run.spec for run in written.runs.values()
    }
    changed = {run.recipe_name for run in given.runs.values() if before.runs[run.key].spec != run.spec}
    assert changed, "nothing has changed"
    if edit == "a weight that heirs keep":
        assert len(changed) > 1, "no heir has followed"


def test_the_command_line_has_the_last_word_over_the_scale_for_heirs_too(checkout: Checkout) -> None:
    """The scale's patch of a workload lies over what recipes say; what a user types lies over both, heirs included."""
    plan = checkout.plan(recipes={"bcgan": {"networks": {"width": 6}}})
    widths = {name: plan.recipes[name].networks.width for name in ("bcgan", "bcgan_none")}
    assert widths == {"bcgan": 6, "bcgan_none": 6}

"""Whatever is overridden, the labels beside the numbers say so, and the paper's numbers stand apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.plan.conftest import TRIAL, checkout  # noqa: F401
from tests.report.conftest import files_of
from tests.workflow.plans import REPOSITORY

from gantry.plan import load_plan
from gantry.plan.report_specs import report_spec
from gantry.report.claims import make_claims
from gantry.report.costs import COSTS
from gantry.report.figures.make import make_figure
from gantry.report.page.make import make_page
from gantry.report.specs import Group, changes_of
from gantry.report.tables.make import make_table

NONE = "λ<sub>D</sub> = 0, λ<sub>G</sub> = 0"
# The configuration that is laid over the experiments, and what must then be said of table 5.
REAL = {"scale": "paper", "papers": ["bcgan"], "seeds": [0]}
CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "a recipe": (
        {"recipes": {"bcgan_none": {"terms": {"sample_spread": 0.25}}}},
        [f"{NONE}.25 (changed)", "terms.sample\\_spread: 0.25 instead of 0", "of a changed recipe"],
        [f"| {NONE} |"],
    ),
    "a workload's recipe": (
        {"workloads": {"images": {"recipe": {"batch_size": 16}}}},
        ["batch\\_size: 16 instead of 32."],
        ["(changed)"],
    ),
    "a workload's learning rate": (
        {"workloads": {"images": {"recipe": {"optimiser": {"lr_g": 0.001}}}}},
        [f"{NONE} (changed)", "optimiser.lr\\_g: 0.001 instead of 0.0002", "of a changed recipe"],
        ["difference |"],
    ),
    "a workload's objective": (
        {"workloads": {"images": {"recipe": {"objective": {"name": "hinge"}}}}},
        [f"{NONE} (changed)", "objective.name: hinge instead of realness", "of a changed recipe"],
        ["difference |"],
    ),
    "a workload's family": (
        {"workloads": {"images": {"resolution": 32, "recipe": {"networks": {"family": "sngan", "width": 16}}}}},
        [f"{NONE} (changed)", "networks.family: sngan instead of dcgan", "networks.width: 16."],
        ["networks.width: 16 instead of", "difference |"],
    ),
    "a workload's size": (
        {"workloads": {"images": {"iterations": 10000, "extended_iterations": None, "resolution": 64}}},
        ["Trained for 10,000 iterations instead of 520,000.", "Resolution: 64 instead of 256."],
        ["(changed)"],
    ),
    "proxy data": (
        {"substitute": {"celeba": "digits"}},
        ["Proxy data: handwritten digits", "(scikit-learn) in place of CelebA (table 5)", "no difference is given"],
        ["difference |", "stand-in"],
    ),
    "data of one's own": (
        {
            "datasets": {"faces": {"title": "my faces", "source": "folder", "path": "faces"}},
            "substitute": {"celeba": "faces"},
        },
        ["taken apart, my faces in place of CelebA (table 5)", "Data: my faces in place of CelebA."],
        ["published", "85.93", "proxy", "(CelebA)"],
    ),
    "data of one's own under the paper's name": (
        {"datasets": {"celeba": {"source": "folder", "path": "/somewhere/faces"}}},
        ["taken apart, images of faces in place of CelebA (table 5)", "images of faces in place of CelebA"],
        ["published", "85.93", "/somewhere"],
    ),
    "data of one's own under the paper's name, with a title": (
        {"datasets": {"celeba": {"source": "folder", "path": "/somewhere/faces", "title": "my faces"}}},
        ["taken apart, my faces in place of CelebA (table 5)", "Data: my faces in place of CelebA."],
        ["published", "85.93", "in place of my faces"],
    ),
    "a data set's title": (
        {"datasets": {"celeba": {"title": "CelebA-HQ"}}},
        ["CelebA-HQ (changed): title: CelebA-HQ instead of CelebA.", "of a changed recipe or data set"],
        ["difference |"],
    ),
    "a part of the data": (
        {"datasets": {"celeba": {"fraction": 0.1}}},
        ["CelebA (changed): fraction: 0.1 instead of 1.", "of a changed recipe or data set"],
        ["difference |"],
    ),
    "another feature network": (
        {"features": "inception-768", "workloads": {"images": {"metrics": ["frechet_distance"]}}},
        ["FID-768", "Feature network: inception-768 instead of inception.", "of another feature network"],
        ["| published |"],
    ),
    "seeds": ({"seeds": [7]}, ["Seeds: 7 instead of 0, 1, 2."], ["(changed)"]),
}  # fmt: skip


@pytest.fixture
def spec_of(checkout, results, tmp_path: Path) -> Callable[..., dict[str, Any]]:  # noqa: F811
    """A report spec of an edited checkout, with made-up runs behind it."""

    def made(name: str, paper: str = "bcgan", **config: Any) -> dict[str, Any]:
        plan = checkout.plan(**config)
        spec = report_spec(plan, paper, name) | {"results": str(results.root)}
        # The specs' own digests say what a run was trained with; the made-up runs have simpler ones.
        for group in spec["groups"]:
            for run in group["runs"]:
                run |= files_of(group["recipe"])
                several = plan.recipes[group["recipe"]].generators
                results.run(
                    group["dataset"], group["recipe"], run["seed"], generators=several, network=plan.features
                )
        if spec["published"]:
            spec["published"] = str(checkout.root / spec["published"])
        return json.loads(json.dumps(spec))

    return made


def written(spec: dict[str, Any], folder: Path) -> str:
    make_table(spec, folder / "t.csv", folder / "t.md", folder / "t.tex")
    return (folder / "t.md").read_text()


@pytest.mark.parametrize("case", CASES)
def test_an_override_is_named_and_marks_what_it_touches(spec_of, tmp_path, case):
    config, said, unsaid = CASES[case]
    text = written(spec_of("table5", **REAL | config), tmp_path)
    assert [words for words in said if words not in text] == [], text
    assert [words for words in unsaid if words in text] == [], text


def test_without_an_override_nothing_is_marked(spec_of, tmp_path):
    text = written(spec_of("table5", **REAL | {"seeds": None}), tmp_path)
    assert f"| {NONE}<sup>" in text and "| 85.93 |" in text and "| difference |" in text
    said, of_precision, after = text.partition("precision: bf16 instead of fp32.")
    assert of_precision and not any(word in said + after for word in ("instead of", "changed", "proxy"))


@pytest.mark.parametrize("paper", ["bcgan", "bcgan_small", "bcgan_extras", "edgan", "zoo", "precision"])
def test_a_shipped_experiment_at_the_papers_scale_overrides_the_precision_alone(checkout, paper):  # noqa: F811
    for precision in (None, "fp32"):
        found = checkout.plan(scale="paper", papers=[paper], precision=precision).overrides
        assert not (found.recipes or any(found.sizes.values()) or found.datasets)
        said = {phrase for phrases in found.settings.values() for phrase in phrases}
        assert said == (set() if precision else {"precision: bf16 instead of fp32"})


def test_a_scale_of_ones_own_is_an_override(checkout, spec_of, tmp_path):  # noqa: F811
    checkout.edit(TRIAL, "width: 16", "width: 8")
    text = written(spec_of("table5", papers=["bcgan"]), tmp_path)
    assert "networks.width: 8 instead of 32." in text and "Scored samples: 500 instead of 5,000." in text


def test_a_setting_that_is_the_default_anyway_changes_nothing(checkout):  # noqa: F811
    plan = checkout.plan(scale="paper", recipes={"bcgan_none": {"batch_size": 32}})
    assert not plan.overrides.recipes


@pytest.mark.parametrize("based", [True, False])
def test_an_experiment_of_ones_own_is_held_against_the_paper(checkout, spec_of, tmp_path, based):  # noqa: F811
    file = checkout.root / "workflow/experiments/bcgan.yaml"
    paper = yaml.safe_load(file.read_text())
    changed = paper["recipes"]["bcgan_none"] | {"batch_size": 16}
    own = paper | {"outputs": {"table5": paper["outputs"]["table5"]}}
    own["recipes"] = {"bcgan_none": changed} if based else own["recipes"] | {"bcgan_none": changed}
    if based:
        own |= {"based_on": "bcgan"}
    (file.parent / "mine.yaml").write_text(yaml.safe_dump(own, allow_unicode=True))
    text = written(spec_of("table5", "mine", **REAL | {"papers": ["mine"]}), tmp_path)
    assert f"{NONE} (changed)" in text and "batch\\_size: 16 instead of 32" in text, text


@pytest.fixture
def own_copy(checkout, spec_of, tmp_path) -> Callable[..., str]:  # noqa: F811
    """Table 5 of a copy of the paper's file, `edited`, that shows the paper's numbers."""

    def made(edited: Callable[[dict[str, Any]], None]) -> str:
        file = checkout.root / "workflow/experiments/bcgan.yaml"
        own = yaml.safe_load(file.read_text())
        own |= {"outputs": {"table5": own["outputs"]["table5"]}, "highlights": []}
        edited(own)
        (file.parent / "mine.yaml").write_text(yaml.safe_dump(own, allow_unicode=True))
        return written(spec_of("table5", "mine", **REAL | {"papers": ["mine"]}), tmp_path)

    return made


@pytest.mark.parametrize("name", ["images", "mine"])
def test_a_copy_that_trains_for_less_says_so(own_copy, name):
    def shorter(own: dict[str, Any]) -> None:
        short = {"iterations": 10000, "extended_iterations": None, "resolution": 64}
        own["workloads"][name] = own["workloads"]["images"] | short
        own["recipes"]["realnessgan"]["workload"] = name

    text = own_copy(shorter)
    assert "Trained for 10,000 iterations instead of 520,000." in text, text
    assert "Resolution: 64 instead of 256." in text and "(changed)" not in text, text


def test_a_copy_on_other_data_has_no_published_numbers(own_copy):
    def on_faces(own: dict[str, Any]) -> None:
        own["datasets"] = {"faces": {"title": "my faces", "source": "folder", "path": "faces"}}
        own["outputs"]["table5"]["runs"][0]["datasets"] = ["faces"]

    text = own_copy(on_faces)
    assert "| ours" not in text and "published" not in text and "85.93" not in text, text


def test_each_of_several_lengths_is_named(spec_of, tmp_path):
    sizes = {"penalties": {"iterations": 5000, "checkpoint_every": 1000}}
    spec = spec_of("table6", "edgan", **REAL | {"papers": ["edgan"], "workloads": sizes})
    text = written(spec, tmp_path)
    assert "Trained for 5,000 iterations instead of 100,000: SNGAN, GAN-0GP, EDGAN." in text, text
    sizes = "iterations between checkpoints: 1,000 instead of 10,000."
    assert f"SNGAN, GAN-0GP, EDGAN: {sizes}" in text and sizes.capitalize() not in text, text


def test_a_claim_is_judged_by_the_length_of_its_own_runs(spec_of, tmp_path):
    sizes = {"penalties": {"iterations": 400, "checkpoint_every": 100}}
    config = REAL | {"papers": ["edgan"], "workloads": sizes, "seeds": None}
    claims = make_claims(
        spec_of("claims_baselines", "edgan", **config), tmp_path / "c.csv", tmp_path / "c.md"
    )
    short = [
        not {"lsgan", "wgan_gp", "sagan"} & set(keys.replace("/", " ").split()) for keys in claims["groups"]
    ]
    assert any(short) and not all(short)
    assert [verdict == "not tested at this scale" for verdict in claims["verdict"]] == short


def test_a_data_set_of_ones_own_keeps_its_name_for_several_of_the_papers(spec_of, tmp_path):
    config = REAL | {
        "datasets": {"faces": {"title": "my faces", "source": "folder", "path": "faces"}},
        "substitute": dict.fromkeys(("celeba", "lsun_bedroom", "lsun_bridge"), "faces"),
    }
    text = written(spec_of("table2", **config), tmp_path)
    assert "| my faces, for CelebA |" in text and "| my faces, for LSUN bedroom, 10 % |" in text
    assert "proxy" not in text.lower() and "published" not in text


def test_figures_and_claims_name_overrides_too(spec_of, tmp_path):
    config = REAL | {"recipes": {"bcgan_none": {"terms": {"sample_spread": 0.25}}}}
    make_figure(spec_of("figure10", **config), tmp_path / "f.png", tmp_path / "f.svg")
    claims = make_claims(spec_of("claims", **config), tmp_path / "c.csv", tmp_path / "c.md")
    touched = claims["groups"].str.contains("bcgan_none")
    assert touched.any() and (claims.loc[touched, "marks"] == "changed").all()
    assert (claims.loc[~touched, "marks"] == "").all()
    text = (tmp_path / "c.md").read_text()
    assert "(changed)" in text and "terms.sample\\_spread: 0.25 instead of 0" in text


def test_the_page_names_overrides(spec_of, tmp_path):
    config = REAL | {"recipes": {"bcgan_none": {"terms": {"sample_spread": 0.25}}}}
    spec = spec_of("table5", **config)
    written(spec, tmp_path)
    files = {"bcgan/table5": {suffix: tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")}}
    make_page([spec], files, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert f"{NONE}.25 (changed)" in text and "terms.sample_spread: 0.25 instead of 0" in text


def test_whose_device_a_papers_costs_are_of_is_said_by_the_paper_alone(spec_of, tmp_path):
    text = written(spec_of("table3", **REAL), tmp_path)
    assert "measured on cpu; the published time is of the paper's own device." in text
    assert "The paper's GPU is a TITAN RTX" in text
    assert not any("TITAN" in cost.note for cost in COSTS.values()), (
        "another paper's published times say it too"
    )


def test_a_list_that_was_emptied_is_called_none() -> None:
    changed = {"recipes": {"faces_stargan": {"method": {"exclusive": []}}}}
    plan = load_plan({"scale": "paper", "papers": ["translation"]} | changed, REPOSITORY)
    told = json.dumps(report_spec(plan, "translation", "attributes_of_faces"))
    assert "method.exclusive: none instead of Black_Hair, Blond_Hair, Brown_Hair" in told


def test_what_is_changed_alike_is_told_once():
    """Recipes with equal changes share a sentence; one label with two sets of changes has both."""

    def group(label: str, recipe: list[str], dataset: list[str]) -> Any:
        told = {"recipe_label": label, "recipe_changes": recipe, "dataset_changes": dataset}
        data = {"dataset": "celeba", "dataset_name": "celeba", "dataset_label": "CelebA"}
        return Group.model_validate({"recipe": label, "method": label, "runs": []} | data | told)

    rate, size, part = "lr_g: 1 instead of 2", "batch_size: 3 instead of 4", ["fraction: 0.1 instead of 1"]
    groups = [
        group("A", [rate], part),
        group("B", [rate], part),
        group("A", [size], part),
        group("C", [], part),
    ]
    assert changes_of(groups) == [
        f"A (changed), B (changed): {rate}.",
        f"A (changed): {size}.",
        "CelebA (changed): fraction: 0.1 instead of 1.",
    ]

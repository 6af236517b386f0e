"""An experiment on own images: written outside of the project, valid as written, and called what it is."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.shipped import REPOSITORY

from gantry.cli import run
from gantry.errors import UserError
from gantry.plan import Plan, load_plan
from gantry.plan.reading import read_yaml
from gantry.plan.report_specs import report_spec
from gantry.report.specs import parse_spec


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images in two folders, and a file that is none."""
    for number in range(12):
        place = tmp_path / "my pictures" / f"part{number % 2}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 36), (20 * number, 0, 99)).save(place)
    (tmp_path / "my pictures/read me.txt").write_text("none")
    return tmp_path / "my pictures"


def new(*arguments: object) -> int:
    return run(["new", *map(str, arguments)])


def plan_of(folder: Path) -> Plan:
    return load_plan(read_yaml(folder / "config.yaml", "config"))


def test_it_is_written_outside_and_valid(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my cats"
    assert new(folder, "--images", images, "--title", "my cats") == 0
    said = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "cpu.yaml", "my_cats.yaml"]
    assert f"uv run snakemake --configfile {folder / 'config.yaml'}" in said
    assert "12 images of" in said and "12 images are few" in said
    plan = plan_of(folder)
    assert list(plan.experiments) == ["my_cats"]
    assert plan.source_of("my_cats") == images
    assert {run.recipe_name for run in plan.runs.values()} == {"realnessgan", "bcgan"}
    assert all(run.workload.samples == 12 for run in plan.runs.values())
    # Everything that is made lies in the folder.
    # What it says of itself stays true when its numbers are changed.
    text = (folder / "my_cats.yaml").read_text()
    assert not re.search(r"\d", plan.scale.title) and "but for the width, written out" in text
    assert plan.results == str(folder / "results/cpu") and plan.prepared_root == str(folder / "results/data")


def test_its_recipes_are_those_of_the_papers(images: Path, tmp_path: Path) -> None:
    """Written out or as heirs of each other: the same settings as where they come from, but for the width."""
    names = ("bcgan", "realnessgan", "bcgan_none", "edgan")
    assert new(tmp_path / "own", "--images", images, "--width", "32", "--recipe", *names) == 0
    plan = plan_of(tmp_path / "own")
    shipped = load_plan({"scale": "paper", "papers": ["bcgan", "edgan"], "precision": "fp32"}, REPOSITORY)
    changed = {"workload", "networks", "decay", "schedules"}
    for name in names:
        mine, theirs = (told.recipes[name].model_dump(exclude=changed) for told in (plan, shipped))
        assert mine == theirs
        networks = plan.recipes[name].networks.model_dump()
        assert networks == shipped.recipes[name].networks.model_dump() | {"width": 32}
    text = read_yaml(tmp_path / "own/own.yaml", "own")
    assert text["recipes"]["bcgan_none"]["extends"] == "bcgan"


def test_own_images_are_in_place_of_nothing(images: Path, tmp_path: Path) -> None:
    assert new(tmp_path / "own", "--images", images, "--title", "my cats") == 0
    plan = plan_of(tmp_path / "own")
    for paper, name, _ in plan.outputs():
        spec = parse_spec(report_spec(plan, paper, name))
        assert not spec.replaced and not spec.has_proxies
        assert not spec.overrides and not spec.changes
        assert all(group.dataset_label == "my cats" and group.trained_on is None for group in spec.groups)


def test_an_array_and_a_gpu(images: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.zeros((5, 32, 32, 3), np.uint8))
    gpu = ["--images", tmp_path / "own.npy", "--device", "cuda"]
    assert new(tmp_path / "own", *gpu, "--recipe", "hinge") == 0
    plan = plan_of(tmp_path / "own")
    assert plan.datasets["own"].source == "array"
    assert (plan.device, plan.features, plan.scale_name) == ("cuda", "inception", "gpu")
    (one,) = plan.runs.values()
    assert (one.workload.resolution, one.workload.iterations) == (64, 50000)


REFUSED = {
    "no folder": (["--images", "{tmp}/nowhere"], "nowhere: no such file or folder"),
    "no images": (["--images", "{tmp}/empty"], "no image in this folder"),
    "an unknown recipe": (["--images", "{images}", "--recipe", "bcgn"], 'did you mean "bcgan"?'),
    "a recipe for points": (
        ["--images", "{images}", "--recipe", "synthetic_bcgan"],
        "is for points in the plane",
    ),
    "a recipe for another size": (["--images", "{images}", "--recipe", "edgan", "--size", "64"], "--size"),
    "an unknown network": (["--images", "{images}", "--features", "incpetion"], 'did you mean "inception"?'),
    "a name that is taken": (["--images", "{images}"], "celeba"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_leaves_nothing(
    case: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, says = REFUSED[case]
    (tmp_path / "empty").mkdir()
    folder = tmp_path / "celeba"
    assert new(folder, *(word.format(tmp=tmp_path, images=images) for word in arguments)) == 2
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said
    assert not folder.exists()


def test_nothing_is_written_over(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(tmp_path / "own", "--images", images) == 0
    (tmp_path / "own/own.yaml").write_text("mine")
    assert new(tmp_path / "own", "--images", images) == 2
    assert "own.yaml" in capsys.readouterr().err
    assert (tmp_path / "own/own.yaml").read_text() == "mine"


PAPER = """\
title: t
source: s
based_on: bcgan
datasets:
  {name}: {{title: mine, source: folder, path: {path}}}
recipes:
  own: {{extends: realnessgan}}
workloads: {{}}
outputs:
  samples: {{type: grids, title: x, runs: [{{datasets: [{name}], recipes: {{own: Own}}}}]}}
"""


def test_a_paper_by_its_path_with_a_set_of_its_own(tmp_path: Path) -> None:
    paper = tmp_path / "mine.yaml"
    paper.write_text(PAPER.format(name="cats", path=tmp_path), encoding="utf-8")
    plan = load_plan({"scale": "smoke", "papers": [str(paper), "bcgan"]}, REPOSITORY)
    assert list(plan.experiments) == ["mine", "bcgan"]
    assert plan.source_of("cats") == tmp_path
    # The configuration has the last word over it, as over the shipped ones.
    changed = load_plan(
        {"scale": "smoke", "papers": [str(paper)], "datasets": {"cats": {"fraction": 0.5}}}, REPOSITORY
    )
    assert changed.datasets["cats"].fraction == 0.5


@pytest.mark.parametrize(
    ("papers", "name", "says"),
    [
        (
            ["{paper}"],
            "celeba",
            "mine.yaml: datasets.celeba: workflow/datasets.yaml has something else of this name",
        ),
        (["{paper}", "{paper}"], "cats", "each paper once"),
        (["{paper}.txt"], "cats", "a path that ends in .yaml"),
        (["train"], "cats", "train: is the name of a step of the workflow"),
    ],
)
def test_papers_that_cannot_be(papers: list[str], name: str, says: str, tmp_path: Path) -> None:
    paper = tmp_path / "mine.yaml"
    paper.write_text(PAPER.format(name=name, path=tmp_path), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_plan(
            {"scale": "smoke", "papers": [template.format(paper=paper) for template in papers]}, REPOSITORY
        )
    assert says in str(caught.value)

"""docs/methods/: what is committed is what the recipes make; numbers and pictures come in where there are some."""

import re
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gantry.cli import run
from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.plan.layering import lineage
from gantry.plan.problems import Problems
from gantry.plan.recipe import Recipe
from gantry.report.cells import COLUMNS
from gantry.report.handbook import equations_of, pages, resolved, write_handbook

REPOSITORY = Path(__file__).parents[2]
NUMBER = {"part": "main", "dataset": "", "source": "G1", "n": 3, "runs": 3, "diverged": 0, "trained_on": ""}
JS = NUMBER | {"quantity": "JS", "metric": "js"}


@pytest.fixture
def plan(tmp_path):
    return load_plan({"scale": "laptop", "papers": ["zoo"], "results": str(tmp_path / "results")}, REPOSITORY)


PAGES = pages(REPOSITORY / "docs/methods")


def test_every_collection_has_a_page():
    assert set(PAGES) == {"zoo", "conditional", "translation", "scales", "encoders"}


@pytest.mark.parametrize("paper", sorted(PAGES))
def test_the_committed_handbook_is_what_the_recipes_make(paper, tmp_path):
    given = {"scale": "laptop", "papers": [paper], "results": str(tmp_path / "results")}
    committed = PAGES[paper].read_text(encoding="utf-8")
    out = tmp_path / f"{paper}.md"
    out.write_text(committed, encoding="utf-8")
    write_handbook(load_plan(given, REPOSITORY, quiet=True), paper, out)
    assert out.read_text(encoding="utf-8") == committed, "run: gantry handbook"


@pytest.mark.parametrize("paper", sorted(PAGES))
def test_every_picture_of_the_committed_handbook_is_there(paper):
    lines = PAGES[paper].read_text(encoding="utf-8").splitlines()
    shown = [line[line.rindex("(") + 1 : -1] for line in lines if line.startswith("![")]
    assert [path for path in shown if not (PAGES[paper].parent / path).is_file()] == []
    there = (PAGES[paper].parent / paper).glob("*.png")
    assert {path.name for path in there} <= {Path(path).name for path in shown}, (
        "a picture that no page shows"
    )


def test_every_method_has_the_equations_of_its_losses(plan):
    experiment = plan.experiments["zoo"]
    for name in chain(*(output.runs[0].recipes for output in experiment.outputs.values())):
        recipe = resolved(experiment, "zoo", name)
        given = set(chain(*(entry.losses for entry in equations_of(recipe))))
        expected = {"discriminator", "generator"} if recipe.updates.discriminator else {"generator"}
        assert given == expected, name


def test_a_term_and_a_setting_bring_their_own():
    block = {"workload": "", "networks": {"family": "mlp"}, "objective": {"name": "hinge"}}
    plain = equations_of(Recipe.model_validate(block))
    more = equations_of(Recipe.model_validate(block | {"terms": {"gradient_penalty": 1}, "pack": 2}))
    added = [entry for entry in more if entry not in plain]
    assert "\\nabla D" in "".join(entry.losses.get("discriminator", "") for entry in added)
    assert any("`pack`" in entry.where for entry in added)


def test_a_row_and_a_picture_come_in_and_stay(plan, tmp_path):
    rows = [
        JS | {"method": "LSGAN", "ours_mean": 0.1234, "ours_sd": 0.01, "groups": "mixture/points_lsgan"},
        JS | {"method": "Hinge", "ours_mean": 0.2, "ours_sd": 0.02, "groups": "mixture/points_hinge"},
        JS | {"method": "WGAN", "ours_mean": 0.3, "groups": "digits/points_wgan"},  # of other data
        # measured by a run of LSGAN, and not its own
        JS
        | {
            "method": "inputs as they are",
            "source": "identity",
            "ours_mean": 0.4,
            "groups": "mixture/points_lsgan",
        },
        JS | {"method": "real", "source": "real", "ours_mean": 0.0, "groups": "mixture/points_lsgan"},
    ]
    table = tmp_path / "results/laptop/zoo/points.csv"
    table.parent.mkdir(parents=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(table, index=False)
    (run,) = [
        run for run in plan.runs.values() if run.recipe_name == "points_lsgan" and run.seed == plan.seeds[0]
    ]
    folder = Path(plan.folder(run))
    folder.mkdir(parents=True)
    points = np.zeros((1, 50, 2), dtype=np.float32)
    real = np.ones((50, 2), dtype=np.float32)
    np.savez(plan.samples(run, run.ends[-1]), iterations=[2000], G1=points, real=real)

    out = tmp_path / "methods.md"
    write_handbook(plan, "zoo", out)
    text = out.read_text(encoding="utf-8")
    block = text.partition("<!-- results of points_lsgan -->")[2].partition("<!-- end")[0]
    assert "| JS ↓ |\n| --: |\n| 0.123 ± 0.010 |" in block
    assert "![Samples of LSGAN after 2,000 iterations, seed 0](methods/points_lsgan.png)" in block
    with Image.open(tmp_path / "methods/points_lsgan.png") as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert len(colours) > 2  # points, real points, paper
    assert "<!-- results of points_wgan -->\n<!-- end of results -->" in text

    table.unlink()
    Path(plan.samples(run, run.ends[-1])).unlink()
    write_handbook(plan, "zoo", out)
    assert out.read_text(encoding="utf-8") == text


def test_a_changed_recipe_is_told_to_be_one(tmp_path):
    """Its row is found under the marked label; the line below says all that is not as the recipe has it."""
    given = {"scale": "laptop", "papers": ["zoo"], "results": str(tmp_path / "results"), "seeds": [4]}
    changed = {"recipes": {"points_lsgan": {"batch_size": 7, "objective": {"a": 0.5}}}}
    table = tmp_path / "results/laptop/zoo/points.csv"
    table.parent.mkdir(parents=True)
    row = JS | {"method": "LSGAN (changed)", "ours_mean": 0.1234, "groups": "mixture/points_lsgan"}
    pd.DataFrame([row], columns=COLUMNS).to_csv(table, index=False)
    out = tmp_path / "methods.md"
    write_handbook(load_plan(given | changed, REPOSITORY, quiet=True), "zoo", out)
    block = out.read_text(encoding="utf-8").partition("<!-- results of points_lsgan -->")[2]
    told = block.partition("<!-- end")[0]
    assert (
        "| 0.123 |" in told and "Scale laptop; mixture of 9 Gaussians; seeds: 3. Trained for 2,000 " in told
    )
    assert (
        ". Seeds: 4 instead of 0, 1, 2. LSGAN (changed): objective.a: 0.5 instead of 0; batch\\_size: 7 "
        in told
    )


@pytest.mark.parametrize(
    ("recipe", "shape", "said"),
    [
        ("points_cyclegan", (2,), "Lines go from"),
        ("pictures_pix2pix", (32, 32, 3), "Held-out inputs, outputs"),
        ("faces_srgan", (32, 32, 3), None),  # CelebA's agreement lets no image be passed on
    ],
)
def test_translations_stand_beside_what_they_are_made_of(recipe, shape, said, tmp_path):
    """Two data sets are two lines; the picture of a translator has its inputs."""
    results = tmp_path / "results"
    given = {"scale": "laptop", "papers": ["translation"], "results": str(results)}
    plan = load_plan(given, REPOSITORY, quiet=True)
    run = next(run for run in plan.runs.values() if run.recipe_name == recipe)
    name, output = next(
        (name, output)
        for _, name, output in plan.outputs()
        if output.type == "scores" and any(recipe in block.recipes for block in output.runs)
    )
    label = next(block.recipes[recipe] for block in output.runs if recipe in block.recipes)
    rows = [
        NUMBER
        | {"method": label, "dataset": data, "quantity": "W2", "ours_mean": mean, "metric": "w2"}
        | {"groups": f"{run.dataset}/{recipe}"}
        for data, mean in (("one", 0.25), ("other", 0.5))
    ]
    (results / "laptop/translation").mkdir(parents=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(results / f"laptop/translation/{name}.csv", index=False)
    Path(plan.folder(run)).mkdir(parents=True)
    kind = np.float32 if len(shape) == 1 else np.uint8
    given, made = np.zeros((1, 20, *shape), kind), np.ones((1, 20, *shape), kind)
    arrays = {"a→b": made, "input a→b": given, "iterations": np.array([500])}
    np.savez(plan.samples(run, run.ends[-1]), **arrays, real=np.ones((20, 2), np.float32))
    out = tmp_path / "translation.md"
    write_handbook(plan, "translation", out)
    block = (
        out.read_text(encoding="utf-8").partition(f"<!-- results of {recipe} -->")[2].partition("<!-- end")[0]
    )
    assert "| Trained on | W2 ↓ |\n| :-- | --: |\n| one | 0.250 |\n| other | 0.500 |" in block
    drawn = tmp_path / f"translation/{recipe}.png"
    if said is None:
        assert "*No picture: the licence of these images" in block and not drawn.exists()
        return
    assert (
        f"![Translations by {label}, a→b, after 500 iterations, seed {run.seed}](translation/{recipe}.png)"
        in block
    )
    assert f"\n*{said}" in block and drawn.stat().st_size > 300


def test_a_method_that_nobody_published_is_refused(plan, tmp_path):
    del plan.experiments["zoo"].recipes["points_hinge"]["source"]
    with pytest.raises(UserError, match=r"recipes\.points_hinge\.source: say who published"):
        write_handbook(plan, "zoo", tmp_path / "methods.md")


def test_what_was_found_of_a_method_is_told_and_silence_is_refused(plan, tmp_path):
    recipes, out = plan.experiments["zoo"].recipes, tmp_path / "methods.md"
    recipes["points_hinge"] |= {"checked": "their code", "unchecked": "its rates"}
    del recipes["points_lsgan"]["checked"]
    recipes["points_lsgan"]["unchecked"] = "all of it"
    write_handbook(plan, "zoo", out)
    text = out.read_text(encoding="utf-8")
    assert "Checked in: their code.\n\nNot checked: its rates.\n\n```math" in text
    lsgan = text.partition("\n### LSGAN (points_lsgan)\n")[2].partition("\n### ")[0]
    assert "Not checked: all of it.\n\n```math" in lsgan and "Checked in" not in lsgan
    del recipes["points_lsgan"]["unchecked"]
    silent = [recipes[name] for name in lineage(recipes, "points_lsgan", "", Problems())]
    for recipe in silent:  # what it extends may say it in its place
        recipe.pop("checked", None)
        recipe.pop("unchecked", None)
    with pytest.raises(UserError, match=r": say what of its settings was checked"):
        write_handbook(plan, "zoo", out)


def test_a_method_that_extends_one_of_the_page_says_what_is_its_own(plan, tmp_path):
    out = tmp_path / "methods.md"
    write_handbook(plan, "zoo", out)
    text = out.read_text(encoding="utf-8")
    packs = text.partition("\n### PacGAN4\n")[2].partition("\n### ")[0]
    assert "Equations and settings are those of *PacGAN2*." in packs and "```math" not in packs
    two_rates = text.partition("\n### TTUR\n")[2].partition("\n### ")[0]
    assert (
        "Equations are those of *GAN (points_gan)*.\n\nNetworks mlp; adam, 0.0001 for G and 0.0003 for D"
        in two_rates
    )


@pytest.mark.parametrize("paper", PAGES)
def test_no_two_methods_of_a_page_have_one_heading(paper):
    """A label may be that of points and of images: then the recipe's name stands beside it."""
    headings = re.findall(r"^### (.*)$", PAGES[paper].read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) > 5 and len(set(headings)) == len(headings)
    assert paper != "zoo" or {"BEGAN (points_began)", "BEGAN (images_began)", "PacGAN4"} <= set(headings)


def test_the_command_writes_the_page_of_a_paper_and_asks_for_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["handbook", "--out", "page.md"]) != 0
    assert "--out: of which paper?" in capsys.readouterr().err
    assert run(["handbook"]) != 0
    assert "no page of `gantry handbook` is here" in capsys.readouterr().err
    assert run(["handbook", "--paper", "encoders"]) == 0
    assert pages(tmp_path / "docs/methods") == {"encoders": tmp_path / "docs/methods/encoders.md"}
    assert run(["handbook"]) == 0
    assert "docs/methods/encoders.md: is as the recipes have it" in capsys.readouterr().out

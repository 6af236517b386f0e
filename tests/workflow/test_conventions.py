"""What Snakemake's users expect of a workflow: lint, docstrings, modules, other folders, the catalogue, containers."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.workflow.checkout import BASE, SnakemakeServer
from tests.workflow.plans import HERE, REPOSITORY

from gantry.cli import run
from gantry.plan import load_plan
from gantry.plan.configuration import Config
from gantry.plan.places import WORKFLOW

# The one remark of `snakemake --lint` that stays; config/README.md says why.
ONE_ENVIRONMENT = "Specify a conda environment or container for each rule.:"

SECOND_WORKFLOW = """
from gantry.plan import load_plan

configfile: "config.yaml"

PLAN = load_plan(config["gantry"])
RUN = PLAN.run("mixture", "points_two", seed=0)

module gantry:
    snakefile: {snakefile!r}
    config: config["gantry"]

use rule prepare, train from gantry as gantry_*

rule mine:
    default_target: True
    input: PLAN.record(RUN, RUN.ends[-1])
    output: "mine.txt"
    shell: "wc -c {{input}} > {{output}}"
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder without a workflow, but with the tests' own paper."""
    papers = tmp_path / "workflow/experiments"
    papers.mkdir(parents=True)
    shutil.copy(HERE / "sketch.yaml", papers)
    return tmp_path


def test_lint_asks_for_nothing_but_an_environment_a_rule(snakemake: SnakemakeServer) -> None:
    done = snakemake.run(REPOSITORY, "--lint")
    remarks = re.findall(r"^    \* (.*)", done.output, re.MULTILINE)
    assert set(remarks) == {ONE_ENVIRONMENT}, done.output
    assert len(remarks) == 10


def test_every_rule_says_what_it_does(snakemake: SnakemakeServer) -> None:
    listed = snakemake.run(REPOSITORY, "--list").output.splitlines()
    rules = [line for line in listed if not line.startswith("Using workflow specific profile")]
    assert {line.partition(" ")[0] for line in rules} >= {"all", "bcgan", "train", "score", "page"}
    assert all(re.fullmatch(r"\w+ \([A-Z].*\.\)", line) for line in rules), rules


def test_a_second_workflow_uses_two_of_its_rules(snakemake: SnakemakeServer, elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(SECOND_WORKFLOW.format(snakefile=str(REPOSITORY / "Snakefile")))
    (elsewhere / "config.yaml").write_text(yaml.safe_dump({"gantry": BASE, "own": 1}))
    done = snakemake.run(elsewhere, "--cores", "1", "--printshellcmds", "--config", "own=2")
    assert done.code == 0, done.output
    assert {rule for rule, _ in done.jobs} == {"gantry_prepare", "gantry_train", "mine"}
    assert "record-20.json" in (elsewhere / "mine.txt").read_text()
    again = snakemake.run(elsewhere, "-n", "--config", "own=3")
    assert "Nothing to be done" in again.output


def test_a_module_with_an_unknown_key_is_refused_by_name(snakemake: SnakemakeServer, elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(SECOND_WORKFLOW.format(snakefile=str(REPOSITORY / "Snakefile")))
    (elsewhere / "config.yaml").write_text(yaml.safe_dump({"gantry": BASE | {"sedes": [0]}}))
    done = snakemake.run(elsewhere, "-n")
    assert done.code != 0
    assert 'sedes: unknown key; did you mean "seeds"?' in done.output


@pytest.mark.parametrize("own", [False, True])
def test_another_directory_works_with_its_own_configuration_and_without(
    snakemake: SnakemakeServer, elsewhere: Path, own: bool
) -> None:
    settings = ["--config", *(f"{key}={json.dumps(value)}" for key, value in BASE.items())]
    if own:
        (elsewhere / "config.yaml").write_text(yaml.safe_dump(BASE | {"seeds": [7]}))
        settings = []
    done = snakemake.run(REPOSITORY, "-n", "--directory", str(elsewhere), *settings)
    assert done.code == 0, done.output
    trained = done.outputs("train")
    assert trained
    assert all(file.startswith("results/tiny/runs/") for file in trained)
    assert {re.findall(r"/seed(\d+)/", file)[0] for file in trained} == ({"7"} if own else {"0"})


def test_jobs_elsewhere_read_the_plan_with_what_is_published(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gantry.files import write_text
    from gantry.plan import load_planned

    monkeypatch.chdir(elsewhere)
    assert load_plan(BASE).experiments.keys() == {"sketch"}  # the folder's own paper
    plan = load_plan({"scale": "smoke", "papers": ["bcgan"]})
    published = plan.published("bcgan", "table2")
    assert published == [str(REPOSITORY / "workflow/published/bcgan_table2.csv")]
    write_text(Path(plan.place), plan.sources)
    assert load_planned(Path(plan.place)).published("bcgan", "table2") == published


def test_init_writes_a_folder_in_which_the_workflow_runs(
    snakemake: SnakemakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    assert run(["init", str(folder)]) == 0
    assert "snakemake --cores all --config scale=quick" in capsys.readouterr().out
    done = snakemake.run(folder, "-n", "--quiet", "--config", "scale=smoke", "papers=[bcgan]")
    assert done.code == 0, done.output
    assert run(["init", str(folder)]) == 2
    assert "has Snakefile, config.yaml, workflow, profiles already" in capsys.readouterr().err


def test_the_wheel_carries_the_workflow(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=REPOSITORY, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    init = (
        "import sys; sys.path.insert(0, sys.argv[1]); from gantry.cli import run; run(['init', sys.argv[2]])"
    )
    folder = tmp_path / "study"
    command = [sys.executable, "-c", init, str(tmp_path / "installed"), str(folder)]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert _files(folder) == {
        file for name in WORKFLOW for file in _files(REPOSITORY) if file.parts[0] == name
    }


def _files(folder: Path) -> set[Path]:
    found = (path for name in WORKFLOW for path in (folder / name, *(folder / name).rglob("*")))
    return {path.relative_to(folder) for path in found if path.is_file() and "__pycache__" not in path.parts}


# ── what is written down for others ───────────────────────────────────────────────────────────────────


def test_the_catalogue_finds_what_it_looks_for() -> None:
    said = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert said["report"] is True
    assert set(said) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert 'include: "../Snakefile"' in (REPOSITORY / "workflow/Snakefile").read_text()


def test_the_catalogues_snakefile_is_the_workflow(snakemake: SnakemakeServer) -> None:
    listed = snakemake.run(REPOSITORY, "--snakefile", "workflow/Snakefile", "--list").output
    assert "train (" in listed


def test_every_key_of_the_configuration_is_explained() -> None:
    text = (REPOSITORY / "config/README.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    explained = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(explained) == sorted(Config.model_fields)


def test_the_container_copies_all_that_the_package_is_built_from() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    project = (REPOSITORY / "pyproject.toml").read_text()
    wanted = {"src", "pyproject.toml", *re.findall(r'(?m)^"([\w.]+)" = "gantry/bundled', project)}
    wanted |= {
        *re.findall(r'(?m)^readme = "(.*)"', project),
        *re.findall(r'license-files = \["(.*)"\]', project),
    }
    assert wanted >= {"README.md", "LICENSE", *WORKFLOW}
    assert wanted <= let_through


def test_the_containers_recipe_is_clean(tmp_path: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed (uv sync --group containers)")
    recipe = REPOSITORY / "workflow/container/Dockerfile"
    assert subprocess.run([linter, str(recipe)], capture_output=True, text=True).stdout == ""
    spoilt = tmp_path / "Dockerfile"
    spoilt.write_text(recipe.read_text().replace("--no-cache-dir ", ""))
    assert "DL3042" in subprocess.run([linter, str(spoilt)], capture_output=True, text=True).stdout

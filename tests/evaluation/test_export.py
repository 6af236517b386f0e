"""`gantry export`: what is given away runs without Gantry, and says what it is."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.evaluation.conftest import Scored
from tests.golden.measure import Bench

from gantry.cli import run
from gantry.data.shape import DataShape
from gantry.evaluation.by_checkpoint import load_trained
from gantry.export.program import written_out
from gantry.methods import build_method
from gantry.plan.recipe import Recipe

SAME, OTHER = 1e-4, 0.1
WITHOUT_GANTRY = "import sys\nsys.modules['gantry'] = None\n"


@pytest.fixture(scope="module")
def given_away(images: Scored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored run of two generators of digits, exported."""
    folder = tmp_path_factory.mktemp("given") / "model"
    images.score(images.root)
    (images.root / "metrics.csv").rename(images.root / "metrics-4-00000000.csv")
    assert run(["export", str(images.root), "--to", str(folder), "--licence", "cc0-1.0"]) == 0
    return folder


def distance(samples: torch.Tensor, expected: torch.Tensor) -> float:
    """How far samples are from others, as a share of these; an untrained generator's are tiny."""
    return float((samples - expected).norm() / expected.norm())


def python_of(card: str) -> str:
    """The lines of Python that a card shows."""
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    return code


def test_the_cards_ten_lines_make_the_pictures_samples_without_gantry(
    given_away: Path, images: Scored, tmp_path: Path
) -> None:
    code = python_of((given_away / "README.md").read_text())
    assert len([line for line in code.splitlines() if line]) <= 10
    folder = tmp_path / "elsewhere"
    shutil.copytree(given_away, folder)
    as_in_picture = re.sub(r"(?m)^given\[.*\n", "", code)
    assert as_in_picture != code
    program = f"{WITHOUT_GANTRY}{as_in_picture}torch.save(samples, 'samples.pt')\n{code}torch.save(samples, 'new.pt')"
    (folder / "try.py").write_text(program)
    done = subprocess.run([sys.executable, "try.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    samples, new = (torch.load(folder / name, weights_only=True) for name in ("samples.pt", "new.pt"))
    trained = load_trained(images.root)
    given = load_file(folder / "inputs.safetensors")
    expected = trained.sampler.sample("G1", given)
    assert distance(samples, expected) < SAME
    assert new.shape == expected.shape and distance(new, expected) > OTHER


def test_every_source_has_a_function(given_away: Path, images: Scored) -> None:
    names: dict[str, Any] = {}
    exec((given_away / "generator.py").read_text(), names)  # noqa: S102 (written by us just now)
    weights, given = (load_file(given_away / name) for name in ("model.safetensors", "inputs.safetensors"))
    trained = load_trained(images.root)
    made = {source: trained.sampler.sample(source, given) for source in ("G1", "G2")}
    for source, expected in made.items():
        assert distance(names[source](weights, **given), expected) < SAME
    assert distance(made["G1"], made["G2"]) > OTHER


def test_the_card_says_what_is_known(given_away: Path, images: Scored) -> None:
    card = (given_away / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["library_name"], head["datasets"]) == ("cc0-1.0", "pytorch", ["set"])
    record = json.loads(images.record.read_text())
    last = record["checkpoints"][-1]
    assert last["sha256"] in card and record["provenance"]["commit"] in card
    rows = [row for row in _rows(images.root / "metrics-4-00000000.csv") if row["iteration"] == "4"]
    of_g1 = next(row for row in rows if (row["metric"], row["sampled_from"]) == ("frechet_distance", "G1"))
    assert f"| {float(of_g1['value']):.5g} | G1 | 41 |" in card
    assert "FID" not in card  # of the embedded network it is none
    assert "of the data: not stated" in card
    assert (given_away / "samples.png").exists() and "![Samples of" in card
    told = json.loads((given_away / "config.json").read_text())
    assert told["recipe"] == record["spec"]["recipe"] and told["iteration"] == 4


def _rows(path: Path) -> list[dict[str, str]]:
    import csv

    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_points_and_lone_files_go_too_and_nothing_of_others_is_written_over(
    points: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = points.root.rglob("0000002.safetensors")
    folder = tmp_path / "model"
    assert run(["export", str(path), "--to", str(folder)]) == 0
    card = (folder / "README.md").read_text()
    assert "Not scored" in card and "# in the data's units" in card
    assert not (folder / "samples.png").exists()
    assert run(["export", str(path), "--to", str(folder), "--title", "Points"]) == 0  # its own export
    assert "# Points" in (folder / "README.md").read_text()
    (tmp_path / "mine.txt").write_text("mine")
    assert run(["export", str(path), "--to", str(tmp_path)]) == 2
    assert "is not empty, and no earlier export" in capsys.readouterr().err


def one_of_each() -> list[str]:
    """Recipes that together have every method and every family of networks that starts from latents."""
    found, seen = [], set()
    latent = {
        n: r
        for n, r in Bench(Path()).plan.recipes.items()
        if not r.method.translates and r.method.name != "cogan"
    }
    for name, recipe in sorted(latent.items()):
        has = {recipe.method.name, recipe.networks.family}
        if not has <= seen:
            found.append(name)
            seen |= has
    return found


@pytest.mark.parametrize("name", one_of_each())
def test_every_architecture_can_be_written_out(name: str) -> None:
    bench = Bench(Path())
    recipe = Recipe.model_validate({"workload": ""} | bench.recipe(name))
    sample = (2,) if recipe.networks.makes == "points" else (3, 32, 32)
    torch.manual_seed(0)
    method = build_method(recipe, DataShape(sample, classes=9 if len(sample) == 1 else 10))
    kept = method.kept.train().requires_grad_(False)
    sampler = method.sampler(kept)
    source = sampler.sources[0]
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):  # batch norm's means come near those of batches, as after training
        sampler.sample(source, sampler.inputs(source, range(32), draw))
    kept.eval()
    text, constants = written_out("t", kept, sampler, {source: sampler.inputs(source, range(32), draw)})
    given = sampler.inputs(source, range(5), draw)  # another number of samples than was recorded
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102 (written by us just now)
    made = names[source](kept.state_dict() | constants, **given)
    assert distance(made, sampler.sample(source, given)) < SAME

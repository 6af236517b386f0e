"""`gantry export`: what is given away runs without Gantry, and says what it is."""

import contextlib
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
from tests.evaluation.conftest import Scored, trained
from tests.golden.measure import Bench
from torch import nn

from gantry.cli import run
from gantry.data import prepare
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import load_trained
from gantry.export.make import noise_set
from gantry.export.program import FURTHER, function_name, written_out
from gantry.methods import build_method
from gantry.methods.adversarial import GeneratorSampler
from gantry.plan.blocks.players import Latent
from gantry.plan.dataset import DatasetSpec
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
    model = load_trained(images.root)
    given = load_file(folder / "inputs.safetensors")
    expected = model.sampler.sample("G1", given)
    assert distance(samples, expected) < SAME
    assert new.shape == expected.shape and distance(new, expected) > OTHER


def test_every_source_has_a_function(given_away: Path, images: Scored) -> None:
    names = called((given_away / "generator.py").read_text())
    weights, given = (load_file(given_away / name) for name in ("model.safetensors", "inputs.safetensors"))
    model = load_trained(images.root)
    made = {source: model.sampler.sample(source, given) for source in ("G1", "G2")}
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
    assert (folder / "samples.png").stat().st_size > 1000
    assert run(["export", str(path), "--to", str(folder), "--title", "Points"]) == 0  # its own export
    assert "# Points" in (folder / "README.md").read_text()
    (tmp_path / "mine.txt").write_text("mine")
    assert run(["export", str(path), "--to", str(tmp_path)]) == 2
    assert "is not empty, and no earlier export" in capsys.readouterr().err


def one_of_each() -> list[str]:
    """Recipes that together have every method, and every family of networks."""
    found, seen = [], set()
    for name, recipe in sorted(Bench(Path()).plan.recipes.items()):
        has = {recipe.method.name, recipe.networks.family}
        if not has <= seen:
            found.append(name)
            seen |= has
    return found


def shape_for(bench: Bench, name: str) -> DataShape:
    """The shape of data that a recipe can train on."""
    kind = bench.data(name)
    sample = (2,) if "points" in kind else (3, 32, 32)
    if kind == "enlargements":
        return DataShape(sample, input=(3, 8, 8))
    return DataShape(sample, classes=10, input=sample if "pairs" in kind else None)


def called(text: str) -> dict[str, Any]:
    """The functions of a module's text."""
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102 (written by us just now)
    return names


@pytest.mark.parametrize("name", one_of_each())
def test_every_sampler_and_architecture_can_be_written_out(name: str) -> None:
    bench = Bench(Path())
    recipe = Recipe.model_validate({"workload": ""} | bench.recipe(name))
    data = shape_for(bench, name)
    torch.manual_seed(0)
    method = build_method(recipe, data)
    kept = method.kept.train().requires_grad_(False)
    if (amplitudes := getattr(kept, "amplitudes", None)) is not None:
        amplitudes.fill_(0.5)  # of SinGAN's scales, as if all had begun
    sampler = method.sampler(kept)
    noise, draw = noise_set(data), torch.Generator().manual_seed(0)
    for _ in range(20):  # batch norm's means come near those of batches, as after training
        for source in sampler.sources:
            sampler.sample(source, sampler.inputs(source, range(32), draw, noise))
    kept.eval()
    x = torch.rand(32, *data.sample)
    asked = {request: {"x": x} for request in FURTHER if request in sampler.can}
    drawn = {kind: sampler.inputs(kind, range(32), draw, noise) for kind in sampler.sources}
    text, constants = written_out("t", kept, sampler, drawn | asked)
    functions, weights = called(text), kept.state_dict() | constants
    for source in sampler.sources:
        given = sampler.inputs(source, range(5), draw, noise)  # another number of samples than was recorded
        assert (
            distance(functions[function_name(source)](weights, **given), sampler.sample(source, given)) < SAME
        )
    for request in asked:
        assert distance(functions[request](weights, x[:5]), getattr(sampler, request)(x[:5])) < SAME


RESNET = {"family": "label_resnet", "width": 2, "blocks": 1, "patch_width": 2}
SNGAN = {"family": "sngan", "width": 2}
OTHERS: dict[str, dict[str, Any]] = {
    "translator": {"method": {"name": "stargan"}, "networks": RESNET, "objective": {"name": "wasserstein"}},
    "coupled": {
        "method": {"name": "cogan", "domains": [3, 8]},
        "networks": {"family": "mlp", "width": 8, "depth": 2, "maxout_depth": 2},
    },
    "encoder": {"method": {"name": "joint"}, "networks": SNGAN},
    "truncated": {
        "method": {"name": "conditional", "truncation": 0.5},
        "networks": SNGAN,
        "latent": {"dimension": 16, "scale": 2.0},
    },
    "scaled": {
        "method": {"name": "conditional", "truncation": 0.25, "scaled": True},
        "networks": SNGAN,
        "latent": {"dimension": 16, "scale": 2.0},
    },
    "styles": {"method": {"name": "growing"}, "networks": {"family": "stylegan", "width": 4, "base": 32}},
}
EXTREMES = {"truncated": 1.0, "scaled": 1.0, "encoder": 6.0, "styles": 6.0, "coupled": 6.0}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits, their classes beside them."""
    folder = tmp_path_factory.mktemp("labelled")
    spec = DatasetSpec(title="d", source="digits", fraction=0.05)
    prepare(spec, "digits", folder, 32, folder / "data")
    return folder / "data/manifest.json"


@pytest.mark.parametrize("name", OTHERS)
def test_the_cards_lines_run_whatever_the_sampler(
    name: str, labelled: Path, points: Scored, tmp_path: Path
) -> None:
    told = {"objective": {"name": "non_saturating"}, "batch_size": 4} | OTHERS[name]
    run_of = trained(tmp_path, points.manifest if name == "coupled" else labelled, told, {})
    folder = tmp_path / "model"
    assert run(["export", str(run_of.root), "--to", str(folder)]) == 0
    code = python_of((folder / "README.md").read_text())
    assert len([line for line in code.splitlines() if line]) <= 10
    with contextlib.chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            fresh = called(code)
        finally:
            sys.path.remove(str(folder))
            sys.modules.pop("generator", None)
    model, given = load_trained(run_of.root), fresh["given"]
    source = model.sampler.sources[0]
    assert distance(fresh["samples"], model.sampler.sample(source, given)) < SAME
    told = json.loads((folder / "config.json").read_text())["check"][function_name(source)]
    kept = model.sampler.sample(source, load_file(folder / "inputs.safetensors")).double()
    assert (told["mean"], told["deviation"]) == pytest.approx(
        (float(kept.mean()), float(kept.std())), rel=1e-6
    )
    assert f"mean {told['mean']:.6f}" in (folder / "README.md").read_text()
    if name in EXTREMES:  # z is drawn anew, as the recipe draws it
        assert not torch.equal(given["z"], load_file(folder / "inputs.safetensors")["z"])
        largest = given["z"].abs().max()
        least = 0.8 if name in ("truncated", "scaled") else 1 / 3
        assert least * EXTREMES[name] < largest <= EXTREMES[name]
    else:
        assert set(given) == {"x", "labels"} and "put your own images" in code and "given['labels']" in code
        assert not (folder / "samples.png").exists()
    if name == "encoder":
        assert "`encode(weights, x)`" in (folder / "README.md").read_text()


class Refusing(nn.Module):
    """A network whose layers depend on the numbers that it is given."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z if bool((z.sum() > 0).item()) else -z


def test_what_cannot_be_written_out_is_refused_in_words() -> None:
    kept = nn.ModuleDict({"G1": Refusing()})
    sampler = GeneratorSampler(kept, Latent(dimension=2))
    with pytest.raises(
        UserError, match=r"G1: these networks cannot be written out as plain PyTorch: .*; give the"
    ):
        written_out("t", kept, sampler, {"G1": {"z": torch.ones(3, 2)}})

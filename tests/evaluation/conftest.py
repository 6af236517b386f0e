"""Tiny trained runs, of points and of images, and how they are scored."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from gantry.data import open_prepared, prepare
from gantry.data.shape import DataShape
from gantry.evaluation.features import store_real_statistics, train_classifier
from gantry.evaluation.sample import sampled
from gantry.evaluation.score import score_run
from gantry.files import digest_of
from gantry.methods import build_method
from gantry.methods.checkpoint import load_sampler
from gantry.metrics.names import COLUMNS
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe
from gantry.training.train import train

CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "depth": 1, "maxout_units": 16, "maxout_pieces": 2, "maxout_depth": 1}
POINTS = {
    "networks": MLP,
    "objective": {"name": "realness", "atoms": 5},
    "terms": {"sample_spread": 0.01},
    "generators": 3,
    "latent": {"dimension": 16},
    "batch_size": 16,
}
IMAGES = POINTS | {"networks": {"family": "dcgan", "width": 4}, "generators": 2}


@dataclass
class Scored:
    """A recorded run and how it is scored."""

    root: Path
    manifest: Path
    recipe: Recipe
    scoring: dict[str, Any]
    statistics: Path | None = None
    weights: Path | None = None
    end: int = 4

    @property
    def record(self) -> Path:
        return self.root / f"record-{self.end}.json"

    def score(self, out: Path, after: int = 0, **change: Any) -> list[dict[str, str]]:
        """Score into the folder `out`; return the rows."""
        score_run(
            self.record,
            self.manifest,
            self.scoring | change,
            after=after,
            statistics=self.statistics,
            weights=self.weights,
            metrics_out=out / "metrics.csv",
            samples_out=out / "samples.npz",
        )
        with (out / "metrics.csv").open(newline="") as stream:
            reader = csv.DictReader(stream)
            assert reader.fieldnames == list(COLUMNS)
            return list(reader)

    def draw(self, iteration: int, count: int, seed: Callable[[int], int]) -> list[Any]:
        """Samples of each generator, drawn here, with the seed of the generator's number."""
        entry = next(
            checkpoint
            for checkpoint in json.loads(self.record.read_text())["checkpoints"]
            if checkpoint["iteration"] == iteration
        )
        shape = open_prepared(self.manifest).sample_shape
        sampler = load_sampler(build_method(self.recipe, DataShape(shape)), self.root / entry["file"])
        return [
            sampled(sampler, source, count, seed(number), CPU)
            for number, source in enumerate(sampler.sources, 1)
        ]


def trained(folder: Path, manifest: Path, told: dict[str, Any], scoring: dict[str, Any]) -> Scored:
    """Train to iteration 4, a checkpoint every 2."""
    root = folder / "set" / "recipe" / "seed0"
    shape = open_prepared(manifest).sample_shape
    dataset = {"name": "set", "resolution": shape[1] if len(shape) == 3 else None}
    spec = {"recipe": told, "dataset": dataset, "seed": 0, "checkpoint_every": 2}
    train(root, spec, manifest, 4, root / "record-4.json")
    recipe = Recipe.model_validate({"workload": ""} | told)
    torch.set_flush_denormal(False)
    return Scored(root, manifest, recipe, scoring | {"spec_digest": digest_of(spec)})


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Three generators of points."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("points")
    options = {"count": 300, "seed": 0, "side": 3, "spacing": 2.0, "variance": 0.05}
    spec = DatasetSpec(title="points", source="gaussian_grid", options=options)
    prepare(spec, "points", folder, None, folder / "data")
    metrics = ["modes_covered", "modes_reached", "share_within_3_sigma", "js", "energy_distance"]
    scoring = {"metrics": metrics, "final_metrics": ["w2"], "samples": 100, "shown": 7, "features": None}
    return trained(folder, folder / "data" / "manifest.json", POINTS, scoring)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Two generators of digits, and a classifier of digits."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("images")
    prepare(DatasetSpec(title="d", source="digits", fraction=0.08), "digits", folder, 32, folder / "data")
    manifest = folder / "data" / "manifest.json"
    train_classifier([manifest], folder / "classifier.safetensors")
    store_real_statistics(
        manifest, "embedded", folder / "classifier.safetensors", folder / "statistics.npz", "cpu", 1
    )
    scoring = {
        "metrics": ["frechet_distance", "inception_score"],
        "final_metrics": ["swd"],
        "samples": 41,
        "shown": 5,
        "features": "embedded",
    }
    found = trained(folder, manifest, IMAGES, scoring)
    found.statistics, found.weights = folder / "statistics.npz", folder / "classifier.safetensors"
    return found


@pytest.fixture
def trained_otherwise(points: Scored, tmp_path: Path) -> Callable[..., Scored]:
    """`trained_otherwise(generators=1)`: a run on the same points whose recipe differs in these keys."""

    def make(**change: Any) -> Scored:
        return trained(tmp_path, points.manifest, POINTS | change, points.scoring)

    return make


@pytest.fixture
def images_otherwise(images: Scored, tmp_path: Path) -> Callable[[dict[str, Any]], Scored]:
    """`images_otherwise(recipe)`: a run of another recipe on the same images."""

    def make(told: dict[str, Any]) -> Scored:
        found = trained(tmp_path, images.manifest, told, images.scoring)
        found.statistics, found.weights = images.statistics, images.weights
        return found

    return make

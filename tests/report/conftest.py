"""Synthetic run files: what the trainer and the scorer would have written, without training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gantry.files import digest_of
from gantry.metrics.names import COLUMNS
from gantry.runs.outputs import record_of, recorded
from gantry.runs.paths import record_name, scores_name
from gantry.runs.record import write_record

SCORING = "5c0de5c0"
MODES = np.array([[x, y] for x in (-2.0, 0.0, 2.0) for y in (-2.0, 0.0, 2.0)])
IMAGE_METRICS = {"frechet_distance": "embedded", "inception_score": "embedded", "swd": ""}
POINT_METRICS = ("modes_covered", "share_within_3_sigma", "kl_density_samples", "js", "energy_distance")


def spec_of(recipe: str) -> dict[str, Any]:
    """The spec of a recipe's runs."""
    return {"recipe": {"batch_size": 32}, "name": recipe}


def files_of(recipe: str, ends: tuple[int, ...] = (240,)) -> dict[str, Any]:
    """What a report spec says of where a made-up run's files lie."""
    scorings = [SCORING] * len(ends)
    return {"spec_digest": digest_of(spec_of(recipe)), "ends": list(ends), "scorings": scorings}


@dataclass
class Results:
    """A results folder under construction. `value(metric, recipe, seed, iteration, source)` gives numbers."""

    root: Path
    iterations: tuple[int, ...] = (60, 120, 180, 240)
    values: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)

    def set(self, metric: str, recipe: str, seed: int, curve: list[float]) -> None:
        """Fix the curve of a metric over the checkpoints, of the headline source."""
        self.values[metric, recipe, seed] = curve

    def run(
        self,
        dataset: str,
        recipe: str,
        seed: int,
        *,
        generators: int = 1,
        ends: tuple[int, ...] = (240,),
        points: bool = False,
        network: str = "embedded",
        device: str = "cpu",
        diverged_at: int | None = None,
        side: int = 32,
    ) -> None:
        """Write the records, metrics and samples of one run."""
        folder = self.root / "runs" / dataset / recipe / f"seed{seed}" / digest_of(spec_of(recipe))
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, len(recipe)])
        previous = 0
        for end in ends:
            done = [i for i in self.iterations if previous < i <= end and i <= (diverged_at or end)]
            self._record(folder, dataset, recipe, seed, end, done, device, diverged_at)
            rows = self._rows(dataset, recipe, seed, done, generators, points, network, rng)
            columns = list(COLUMNS)
            metrics, samples = (folder / scores_name(end, SCORING, suffix) for suffix in (".csv", ".npz"))
            with recorded([metrics, samples], [], SCORING):
                pd.DataFrame(rows, columns=columns).to_csv(metrics, index=False)
                np.savez(samples, **self._samples(done, generators, points, side, rng))
            previous = end

    def metrics(self, dataset: str, recipe: str, seed: int, end: int = 240) -> Path:
        """The metrics of a run's segment, to be changed: nothing will say that they are not what was written."""
        folder = self.root / "runs" / dataset / recipe / f"seed{seed}" / digest_of(spec_of(recipe))
        path = folder / scores_name(end, SCORING)
        record_of(path).unlink(missing_ok=True)
        return path

    def _record(
        self, folder: Path, dataset: str, recipe: str, seed: int, end: int, done: list[int], device: str,
        diverged_at: int | None,
    ) -> None:  # fmt: skip
        failed = diverged_at is not None and diverged_at <= end
        record = {
            "run": {"dataset": dataset, "recipe": recipe, "seed": seed},
            "spec": spec_of(recipe),
            "spec_digest": digest_of(spec_of(recipe)),
            "recipe": {"batch_size": 32},
            "iterations": diverged_at if failed else end,
            "status": "diverged" if failed else "complete",
            "diverged_at": diverged_at if failed else None,
            "checkpoints": [{"iteration": i, "file": f"{i}.safetensors", "sha256": "00"} for i in done],
            "data_digest": "d1a2b3c4",
            "provenance": {
                "commit": "0123456789abcdef", "code_digest": "c0de", "device": device, "step": "captured",
                "torch": "2.11.0", "python": "3.11.9", "wall_seconds": 12.5,
                "seconds_per_iteration": 0.04 + 0.01 * seed, "images_per_second": 800.0,
                "peak_memory_bytes": None if device == "cpu" else (2 + seed) * 2**30,
                "finished_at": "2026-01-02T03:04:05+00:00",
            },
        }  # fmt: skip
        write_record(folder / record_name(end), record)

    def _rows(
        self, dataset: str, recipe: str, seed: int, done: list[int], generators: int, points: bool,
        network: str, rng: np.random.Generator,
    ) -> list[tuple[Any, ...]]:  # fmt: skip
        sources = [f"G{k + 1}" for k in range(generators)] + (["mixture"] if generators > 1 else [])
        headline = sources[-1]
        shares = tuple(f"mode_share_{k}" for k in range(9))
        metrics = POINT_METRICS + shares if points else tuple(IMAGE_METRICS)
        rows = []
        for source in sources:
            for metric in metrics:
                for iteration in done:
                    value = float(self._value(metric, iteration, points, rng))
                    fixed = self.values.get((metric, recipe, seed))
                    if fixed and source == headline:
                        value = fixed[self.iterations.index(iteration)]
                    used = network if IMAGE_METRICS.get(metric) else ""
                    rows.append((dataset, recipe, seed, iteration, source, metric, value, 500, used))
        return rows

    def _value(self, metric: str, iteration: int, points: bool, rng: np.random.Generator) -> float:
        progress = iteration / self.iterations[-1]
        if metric == "modes_covered":
            return min(9, round(9 * progress + rng.integers(0, 2)))
        if metric.startswith("mode_share_"):
            return rng.dirichlet(np.ones(9))[0]
        if metric in ("share_within_3_sigma", "inception_score"):
            return (3 if metric == "inception_score" else 0.95) * (
                1 - 0.5 * np.exp(-3 * progress)
            ) + rng.normal(0, 0.02)
        scale = {"frechet_distance": 90, "swd": 30}.get(metric, 0.8)
        return scale * (0.3 + np.exp(-3 * progress)) * np.exp(rng.normal(0, 0.05))

    def _samples(
        self, done: list[int], generators: int, points: bool, side: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        archive: dict[str, np.ndarray] = {"iterations": np.asarray(done, dtype=np.int64)}
        for k in range(generators):
            if points:
                widths = [1.5 * np.exp(-3 * i / self.iterations[-1]) + 0.2 for i in done]
                archive[f"G{k + 1}"] = np.asarray(
                    [MODES[rng.choice(len(MODES), 400)] + w * rng.normal(size=(400, 2)) for w in widths],
                    dtype=np.float32,
                ).reshape(len(done), 400, 2)
            else:
                archive[f"G{k + 1}"] = pictures(len(done), 16, side, k, rng)
        if points:
            archive["real"] = (MODES[rng.choice(9, 400)] + rng.normal(0, 0.05**0.5, (400, 2))).astype(
                np.float32
            )
        return archive


def pictures(checkpoints: int, count: int, side: int, tint: int, rng: np.random.Generator) -> np.ndarray:
    """Soft blobs that sharpen over the checkpoints: (C, S, side, side, 3) uint8."""
    y, x = np.mgrid[0:side, 0:side] / side
    images = np.zeros((checkpoints, count, side, side, 3))
    for s in range(count):
        cx, cy = rng.uniform(0.3, 0.7, 2)
        colour = np.roll(rng.uniform(0.2, 1, 3), tint)
        for c in range(checkpoints):
            width = 0.05 + 0.15 / (c + 1)
            blob = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / width)[..., None] * colour
            images[c, s] = blob + rng.normal(0, 0.15 / (c + 1), blob.shape)
    return (images.clip(0, 1) * 255).astype(np.uint8)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """An empty results folder."""
    return Results(tmp_path / "results/smoke")


@pytest.fixture(scope="session")
def make_results() -> type[Results]:
    return Results


@pytest.fixture(scope="session")
def make_group() -> Callable[..., dict[str, Any]]:
    return group


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., dict[str, Any]]:
    return spec


def group(
    recipe: str,
    label: str,
    *,
    dataset: str = "digits",
    name: str = "celeba",
    title: str = "CelebA",
    proxy: str | None = "handwritten digits (scikit-learn)",
    method: str | None = None,
    seeds: tuple[int, ...] = (0, 1, 2),
    ends: tuple[int, ...] = (240,),
) -> dict[str, Any]:
    """One group of an order."""
    runs = [{"seed": seed} | files_of(recipe, ends) for seed in seeds]
    return {
        "dataset": dataset, "dataset_name": name, "dataset_label": title,
        "trained_on": proxy, "is_proxy": proxy is not None,
        "recipe": recipe, "recipe_label": label, "method": method or recipe, "runs": runs,
    }  # fmt: skip


def spec(results: Results, kind: str, groups: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """An order for these groups; `changes` replace its defaults."""
    return {
        "format": 1, "paper": "bcgan", "name": "table2", "kind": kind, "title": "FID and IS over training",
        "notes": [], "options": {}, "scale": "smoke", "scale_title": "every step at toy size, with stand-in data",
        "results": str(results.root), "published": None, "metrics": ["frechet_distance", "inception_score"],
        "snapshots": [60, 120, 240], "iterations": 240, "paper_iterations": 520000, "groups": groups,
    } | changes  # fmt: skip

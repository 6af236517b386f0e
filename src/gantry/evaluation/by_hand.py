"""Scoring two sets of images by hand, for whoever only wants the metrics: one table, or JSON."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantry.errors import UserError
from gantry.evaluation.image_sets import ImageSet, open_set
from gantry.metrics import label, metric
from gantry.metrics.bootstrap import Interval, bootstrap_intervals
from gantry.metrics.features import FeatureNetwork, Features, load_feature_network
from gantry.metrics.fid_infinity import frechet_distance_infinity
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from gantry.metrics.inception_score import inception_score
from gantry.metrics.kernel_distance import kernel_distance
from gantry.metrics.mode_score import mode_score
from gantry.metrics.neighbours import neighbour_accuracy
from gantry.metrics.prdc import precision_recall_density_coverage
from gantry.metrics.swd import sliced_wasserstein

# (name of the set, images done, images in all)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Score:
    """One number; `label` names it with its feature network, `interval` is there on request."""

    metric: str
    label: str
    value: float
    interval: Interval | None
    direction: str


@dataclass(frozen=True)
class Scores:
    """What came out, and how: `seconds` for looking at the images and for each computation."""

    real: str
    generated: str
    samples: tuple[int, int]
    feature_network: str
    scores: tuple[Score, ...]
    left_out: tuple[str, ...]
    seconds: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The scores as plain values for `json.dumps`."""
        return asdict(self) | {"format": 1}

    def table(self) -> str:
        """The scores as text: a line a metric, and why others are missing."""
        arrow = {"lower": "↓", "higher": "↑", "half": "→ ½"}
        rows = [
            ("metric", "better", "value", "95 % interval" if any(s.interval for s in self.scores) else "")
        ]
        for score in self.scores:
            between = f"{score.interval.low:.5g} to {score.interval.high:.5g}" if score.interval else ""
            rows.append((score.label, arrow[score.direction], f"{score.value:.6g}", between))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        head = f"real: {self.real} ({self.samples[0]})   generated: {self.generated} ({self.samples[1]})"
        return "\n".join([head, "", *lines, *(f"left out: {reason}" for reason in self.left_out)])


# ── computations: (real, generated) arrays → numbers by metric ─────────────────────────────────────────

Real = NDArray | GaussianStatistics


def _frechet(real: Real, generated: NDArray) -> dict[str, float]:
    return {"frechet_distance": frechet_distance(_fitted(real), gaussian_statistics(generated))}


def _infinity(real: Real, generated: NDArray) -> dict[str, float]:
    return {"frechet_distance_infinity": frechet_distance_infinity(_fitted(real), generated).value}


def _kernel(real: NDArray, generated: NDArray) -> dict[str, float]:
    return {"kernel_distance": kernel_distance(generated, real).mean}


def _prdc(real: NDArray, generated: NDArray) -> dict[str, float]:
    return precision_recall_density_coverage(real, generated)._asdict()


def _neighbours(real: NDArray, generated: NDArray) -> dict[str, float]:
    found = neighbour_accuracy(real, generated)
    return {
        "neighbour_accuracy": found.overall,
        "neighbour_accuracy_real": found.real,
        "neighbour_accuracy_generated": found.generated,
    }


def _class_score(generated: NDArray) -> dict[str, float]:
    return {"inception_score": inception_score(generated).mean}


def _mode_score(real: NDArray, generated: NDArray) -> dict[str, float]:
    return {"mode_score": mode_score(generated, real)}


def _swd(real: NDArray, generated: NDArray) -> dict[str, float]:
    found = sliced_wasserstein(real, generated)
    return {"swd": found.mean} | {f"swd_{level}": value for level, value in found.levels.items()}


def _fitted(real: Real) -> GaussianStatistics:
    return real if isinstance(real, GaussianStatistics) else gaussian_statistics(real)


COMPUTATIONS: dict[str, Callable[..., dict[str, float]]] = {
    "frechet_distance": _frechet,
    "frechet_distance_infinity": _infinity,
    "kernel_distance": _kernel,
    "precision": _prdc,
    "recall": _prdc,
    "density": _prdc,
    "coverage": _prdc,
    "neighbour_accuracy": _neighbours,
    "inception_score": _class_score,
    "mode_score": _mode_score,
    "swd": _swd,
}
# What stored statistics suffice for in the place of real images.
FROM_STATISTICS = (_frechet, _infinity)


def score_by_hand(
    real: Path | NDArray[np.uint8],
    generated: Path | NDArray[np.uint8],
    network: str = "inception",
    weights: Path | None = None,
    metrics: Sequence[str] = (),
    device: torch.device | str = "cpu",
    intervals: bool = False,
    resamples: int = 200,
    progress: Progress | None = None,
) -> Scores:
    """Score `generated` against `real`: folders, arrays, prepared sets; `real` also as stored statistics.

    `metrics` empty means all that the two sets and the network allow, with a reason for each one left out;
    a metric asked for by name that they do not allow is a UserError. Intervals are 95 %, see `bootstrap`.
    """
    wanted = tuple(metrics) or tuple(COMPUTATIONS)
    for name in wanted:
        if name not in COMPUTATIONS:
            metric(name)  # an unknown name is named, with the nearest known one
            raise UserError(
                f"metric {name!r} is not for images scored by hand; choose of {', '.join(COMPUTATIONS)}"
            )
    reference, sample = open_set(real, "real"), open_set(generated, "generated")
    if isinstance(sample, GaussianStatistics):
        raise UserError(f"{generated}: only the real set, the first one, may be given as stored statistics")
    started = time.perf_counter()
    seconds: dict[str, float] = {}
    network_needed = any(metric(name).uses_network for name in wanted)
    looking = load_feature_network(network, weights, device) if network_needed else None
    looks = [_look(looking, some, progress) for some in (reference, sample)]
    seconds["looking"] = time.perf_counter() - started
    scores: list[Score] = []
    left_out: list[str] = []
    for compute in dict.fromkeys(COMPUTATIONS[name] for name in wanted):
        started = time.perf_counter()
        first = next(name for name, function in COMPUTATIONS.items() if function is compute)
        try:
            sets = _inputs(first, compute, (reference, sample), looks)
            values = compute(*sets)
        except UserError as reason:
            if metrics:
                raise
            left_out.append(f"{label(first, network)}: {reason}")
            continue
        found = _intervals(compute, sets, values, resamples) if intervals else {}
        scores += [
            Score(name, label(name, network), value, found.get(name), metric(name).direction)
            for name, value in values.items()
        ]
        seconds[compute.__name__.removeprefix("_")] = time.perf_counter() - started
    counts = [x.count if isinstance(x, GaussianStatistics) else len(x) for x in (reference, sample)]
    names = [str(real) if isinstance(reference, GaussianStatistics) else reference.name, sample.name]
    return Scores(
        names[0],
        names[1],
        (counts[0], counts[1]),
        network if network_needed else "",
        tuple(scores),
        tuple(left_out),
        seconds,
    )


def _look(
    network: FeatureNetwork | None, some: ImageSet | GaussianStatistics, progress: Progress | None
) -> Features | None:
    if network is None or isinstance(some, GaussianStatistics):
        return None
    total, name = len(some), some.name
    tell = None if progress is None else lambda done: progress(name, done, total)
    return network.extract_stream(some.batches(network.batch_size), tell)


def _inputs(
    name: str,
    compute: Callable[..., dict[str, float]],
    sets: tuple[ImageSet | GaussianStatistics, ImageSet],
    looks: Sequence[Features | None],
) -> list[Any]:
    """What `compute` takes: features, logits or images of the real set and of the generated one."""
    needs, reference = metric(name).needs, sets[0]
    stored = isinstance(reference, GaussianStatistics)
    if stored and compute not in FROM_STATISTICS and metric(name).against_real:
        raise UserError("stored statistics do not suffice; give the real images")
    if needs == "images":
        return [some.array() for some in sets if not isinstance(some, GaussianStatistics)]
    arrays = [None if look is None else getattr(look, needs) for look in looks]
    if arrays[1] is None:
        raise UserError("the feature network gives no class probabilities")
    if not metric(name).against_real:
        return [arrays[1]]
    return [reference if stored else arrays[0], arrays[1]]


def _intervals(
    compute: Callable[..., dict[str, float]], sets: list[Any], values: Mapping[str, float], resamples: int
) -> dict[str, Interval]:
    """Halve the sets that are samples; stored statistics stay as they are."""
    fixed = [some for some in sets if isinstance(some, GaussianStatistics)]
    halved = [some for some in sets if not isinstance(some, GaussianStatistics)]
    return bootstrap_intervals(lambda *halves: compute(*fixed, *halves), halved, values, resamples=resamples)

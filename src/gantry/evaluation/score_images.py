"""Scoring one set of images against another, outside the workflow: every metric that they allow, as table or JSON."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantry.data.listing import in_words
from gantry.errors import UserError
from gantry.evaluation.asked_sets import OF_CLASSES, scores_by_class
from gantry.evaluation.computations import COMPUTATIONS, SPLITS, Computation, computations
from gantry.evaluation.image_sets import ImageFolder, ImageSet, open_set
from gantry.evaluation.stored import StoredStatistics
from gantry.metrics import label, metric
from gantry.metrics.bootstrap import Interval, bootstrap_intervals
from gantry.metrics.features import FeatureNetwork, Features, load_feature_network
from gantry.metrics.frechet import GaussianStatistics

# (what is being done, how much of it, of how much in all): images of a set, resamples of a metric
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
    samples: tuple[int | None, int]  # None: another program's statistics, which do not say
    feature_network: str
    scores: tuple[Score, ...]
    left_out: tuple[str, ...]
    seconds: dict[str, float]
    # Of "real" and "generated": why → how many files of the folder are not among its images.
    files_left_out: dict[str, dict[str, int]]

    def as_json(self) -> dict[str, Any]:
        """The scores as plain values for `json.dumps`."""
        return asdict(self) | {"format": 1}

    def table(self) -> str:
        """The scores as text: a line a metric, and why others are missing."""
        arrow = {"lower": "↓", "higher": "↑", "half": "→ ½", "one": "→ 1"}
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
        real = "of an unstated number of images" if self.samples[0] is None else self.samples[0]
        head = f"real: {self.real} ({real})   generated: {self.generated} ({self.samples[1]})"
        uncounted = [f"not among {which}: {in_words(files)}" for which, files in self.files_left_out.items()]
        return "\n".join([head, *uncounted, "", *lines, *(f"left out: {reason}" for reason in self.left_out)])


def score_images(
    real: Path | NDArray[np.uint8] | ImageSet | StoredStatistics,
    generated: Path | NDArray[np.uint8] | ImageSet | StoredStatistics,
    network: str | FeatureNetwork = "inception",
    weights: Path | None = None,
    metrics: Sequence[str] = (),
    device: torch.device | str = "cpu",
    intervals: bool = False,
    resamples: int = 200,
    progress: Progress | None = None,
    splits: int = SPLITS,
) -> Scores:
    """Score `generated` against `real`: folders, arrays, prepared sets; `real` also as stored statistics.

    Stored statistics stand for what they hold: see `StoredStatistics`. The Inception Score is a mean over
    `splits` parts of the generated set.

    `metrics` empty means all that the two sets and the network allow, with a reason for each one left out;
    a metric asked for by name that they do not allow is a UserError. Those that compare images with the classes that
    they were asked to be are computed where they are named. Intervals are 95 %, see `bootstrap`; the latter have none.
    """
    wanted = tuple(metrics) or tuple(COMPUTATIONS)
    for name in wanted:
        if name not in COMPUTATIONS and name not in OF_CLASSES:
            metric(name)  # an unknown name is named, with the nearest known one
            known = ", ".join((*COMPUTATIONS, *OF_CLASSES))
            raise UserError(f"metric {name!r} is not for two sets of images; choose of {known}")
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no GPU here; without the option the CPU scores")
    own = network if isinstance(network, FeatureNetwork) else None
    network = network.name if isinstance(network, FeatureNetwork) else network
    reference, sample = open_set(real, "real"), open_set(generated, "generated")
    if isinstance(sample, StoredStatistics):
        raise UserError(f"{generated}: only the real set, the first one, may be given as stored statistics")
    if isinstance(reference, StoredStatistics):
        reference.check(network)
    started = time.perf_counter()
    seconds: dict[str, float] = {}
    network_needed = any(metric(name).uses_network for name in wanted)
    looking = (own or load_feature_network(network, weights, device)) if network_needed else None
    looks = [_look(looking, some, progress) for some in (reference, sample)]
    kind = torch.device(device).type
    seconds["looking"] = time.perf_counter() - started
    scores: list[Score] = []
    left_out: list[str] = []
    table = computations(splits)
    if by_class := [name for name in wanted if name in OF_CLASSES]:
        started = time.perf_counter()
        assert looking is not None
        features = _generated(by_class[0], sample, looks[1])
        scores += [
            Score(name, label(name, network), value, None, metric(name).direction)
            for name, value in scores_by_class(by_class, reference, sample, looking, features).items()
        ]
        seconds["classes"] = time.perf_counter() - started
    for computation in dict.fromkeys(table[name] for name in wanted if name in table):
        started = time.perf_counter()
        first = next(name for name, entry in table.items() if entry is computation)
        try:
            some = _real(first, computation, reference, looks[0])
            given = _generated(first, sample, looks[1])
            values = computation.compute(some, given, kind)
        except UserError as reason:
            if metrics:
                raise UserError(f"{reason}; real: {_told(reference)}, generated: {_told(sample)}") from None
            left_out.append(f"{label(first, network)}: {reason}")
            continue
        told = _telling(progress, f"intervals of {label(first, network)}", resamples)
        found = _intervals(computation, some, given, values, resamples, kind, told) if intervals else {}
        scores += [
            Score(name, label(name, network), value, found.get(name), metric(name).direction)
            for name, value in values.items()
        ]
        seconds[computation.compute.__name__.removeprefix("_")] = time.perf_counter() - started
    count = reference.gaussian.count if isinstance(reference, StoredStatistics) else len(reference)
    return Scores(
        reference.name,
        sample.name,
        (count, len(sample)),
        network if network_needed else "",
        tuple(scores),
        tuple(left_out),
        seconds,
        {
            which: dict(some.listing.left_out)
            for which, some in (("real", reference), ("generated", sample))
            if isinstance(some, ImageFolder) and some.listing.left_out
        },
    )


def _told(some: ImageSet | StoredStatistics) -> str:
    """A set's name, of a folder with its first and last file: which of two is meant must not be guessed."""
    files = some.listing.files if isinstance(some, ImageFolder) else []
    return f"{some.name} ({files[0][0]} … {files[-1][0]})" if files else some.name


def _look(
    network: FeatureNetwork | None, some: ImageSet | StoredStatistics, progress: Progress | None
) -> Features | None:
    if network is None or isinstance(some, StoredStatistics):
        return None
    told = _telling(progress, some.name, len(some))
    return network.extract_stream(some.batches(network.batch_size), told)


def _telling(progress: Progress | None, name: str, total: int) -> Callable[[int], None] | None:
    """The progress of one thing, told how much of it is done."""
    return None if progress is None else lambda done: progress(name, done, total)


def _real(
    name: str, computation: Computation, reference: ImageSet | StoredStatistics, look: Features | None
) -> Any:
    """What `computation` compares with: what is stored, or samples that it comes from."""
    if computation.reference == "none":
        return None
    if isinstance(reference, StoredStatistics):
        return reference.reference(computation.reference)
    return _generated(name, reference, look)


def _generated(name: str, sample: ImageSet, look: Features | None) -> NDArray:
    """The images, features or logits that metric `name` is computed from."""
    needs = metric(name).needs
    if needs == "images":
        return sample.array()
    found: NDArray | None = None if look is None else getattr(look, needs)
    if found is None:
        raise UserError("the feature network gives no class probabilities")
    return found


def _intervals(
    computation: Computation,
    real: Any,
    generated: NDArray,
    values: Mapping[str, float],
    resamples: int,
    device: str,
    progress: Callable[[int], None] | None,
) -> dict[str, Interval]:
    """Halve the sets that are samples; a stored Gaussian, and stored shares of classes, stay as they are."""
    compute = computation.compute
    stays = real is None or isinstance(real, GaussianStatistics) or real.ndim == 1
    sets = [generated] if stays else [real, generated]
    return bootstrap_intervals(
        lambda *halves: compute(real if stays else halves[0], halves[-1], device),
        sets,
        values,
        resamples=resamples,
        progress=progress,
    )

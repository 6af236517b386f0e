"""Which function computes which metrics of images, and from what: the table that runs and `score_images` share."""

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, NamedTuple

from numpy.typing import NDArray

from gantry.evaluation.stored import Reference
from gantry.metrics.brightness import background_brightness
from gantry.metrics.fid_infinity import frechet_distance_infinity
from gantry.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from gantry.metrics.inception_score import inception_score
from gantry.metrics.kernel_distance import kernel_distance
from gantry.metrics.mode_score import class_shares, mode_score
from gantry.metrics.neighbours import neighbour_accuracy
from gantry.metrics.prdc import precision_recall_density_coverage
from gantry.metrics.saturation import saturated_share
from gantry.metrics.swd import sliced_wasserstein

Numbers = dict[str, float]
# The sample counts of the two papers, whose Fréchet distances the bias tells apart.
FEW, MANY = 5_000, 50_000
SPLITS = 10  # of the Inception Score, as in the original code


class Computation(NamedTuple):
    """compute: (real, generated, device) → numbers by metric; reference: what it takes for `real`."""

    compute: Callable[[Any, NDArray, str], Numbers]
    reference: Reference


def _frechet(real: GaussianStatistics | NDArray, generated: NDArray, device: str) -> Numbers:
    fitted = gaussian_statistics(generated, device=device)
    return {"frechet_distance": frechet_distance(_fitted(real), fitted, device)}


def _infinity(real: GaussianStatistics | NDArray, generated: NDArray, device: str) -> Numbers:
    line = frechet_distance_infinity(_fitted(real), generated, device=device)
    return {"frechet_distance_infinity": line.value, "frechet_distance_bias": line.at(FEW) - line.at(MANY)}


def _kernel(real: NDArray, generated: NDArray, device: str) -> Numbers:
    return {"kernel_distance": kernel_distance(generated, real).mean}


def _prdc(real: NDArray, generated: NDArray, device: str) -> Numbers:
    return precision_recall_density_coverage(real, generated)._asdict()


def _neighbours(real: NDArray, generated: NDArray, device: str) -> Numbers:
    found = neighbour_accuracy(real, generated)
    return {
        "neighbour_accuracy": found.overall,
        "neighbour_accuracy_real": found.real,
        "neighbour_accuracy_generated": found.generated,
    }


def _class_score(real: None, generated: NDArray, device: str, splits: int = SPLITS) -> Numbers:
    found = inception_score(generated, splits)
    return {"inception_score": found.mean, "inception_score_deviation": found.deviation}


def _mode_score(real: NDArray, generated: NDArray, device: str) -> Numbers:
    """`real`: the classes' shares (C,), or the logits (N, C) that they come from."""
    return {"mode_score": mode_score(generated, real if real.ndim == 1 else class_shares(real))}


def _swd(real: NDArray, generated: NDArray, device: str) -> Numbers:
    found = sliced_wasserstein(real, generated, device=device)
    return {"swd": found.mean} | {f"swd_{level}": value for level, value in found.levels.items()}


def _brightness(real: None, generated: NDArray, device: str) -> Numbers:
    return {"background_brightness": background_brightness(generated)}


def _saturation(real: None, generated: NDArray, device: str) -> Numbers:
    return {"saturated_share": saturated_share(generated)}


def _fitted(real: GaussianStatistics | NDArray) -> GaussianStatistics:
    return real if isinstance(real, GaussianStatistics) else gaussian_statistics(real)


_FRECHET = Computation(_frechet, "gaussian")
_INFINITY = Computation(_infinity, "gaussian")
_KERNEL = Computation(_kernel, "features")
_PRDC = Computation(_prdc, "features")
_NEIGHBOURS = Computation(_neighbours, "features")
_CLASS_SCORE = Computation(_class_score, "none")
_MODE_SCORE = Computation(_mode_score, "shares")
_SWD = Computation(_swd, "images")
_BRIGHTNESS = Computation(_brightness, "none")
_SATURATION = Computation(_saturation, "none")

COMPUTATIONS: dict[str, Computation] = {
    "frechet_distance": _FRECHET,
    "frechet_distance_infinity": _INFINITY,
    "frechet_distance_bias": _INFINITY,
    "kernel_distance": _KERNEL,
    "precision": _PRDC,
    "recall": _PRDC,
    "density": _PRDC,
    "coverage": _PRDC,
    "neighbour_accuracy": _NEIGHBOURS,
    "neighbour_accuracy_real": _NEIGHBOURS,
    "neighbour_accuracy_generated": _NEIGHBOURS,
    "inception_score": _CLASS_SCORE,
    "inception_score_deviation": _CLASS_SCORE,
    "mode_score": _MODE_SCORE,
    "swd": _SWD,
    "background_brightness": _BRIGHTNESS,
    "saturated_share": _SATURATION,
}


def computations(splits: int = SPLITS) -> dict[str, Computation]:
    """Return the table with another number of splits of the Inception Score."""
    if splits == SPLITS:
        return COMPUTATIONS
    split = Computation(update_wrapper(partial(_class_score, splits=splits), _class_score), "none")
    return {
        name: split if computation is _CLASS_SCORE else computation
        for name, computation in COMPUTATIONS.items()
    }

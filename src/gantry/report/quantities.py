"""One number of one run, for the claims: a metric over the checkpoints, or something derived from metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.metrics import names
from gantry.report.cells import series
from gantry.report.load import Run

MODE_SHARE = "mode_share_"


def _share(curve: pd.Series, place: int) -> float:
    """Which share of a curve's iterations is over at one of its checkpoints."""
    iterations = curve.index.to_numpy(dtype=float)
    return float(iterations[place] / iterations[-1])


# How a curve over the checkpoints (index iteration) becomes one number.
REDUCTIONS: dict[str, Callable[[pd.Series], float]] = {
    "last": lambda curve: float(curve.iloc[-1]),
    "min": lambda curve: float(curve.min()),
    "max": lambda curve: float(curve.max()),
    "mean": lambda curve: float(curve.mean()),
    "std": lambda curve: float(curve.std(ddof=0)),
    "when_min": lambda curve: _share(curve, int(np.argmin(curve))),
    "when_max": lambda curve: _share(curve, int(np.argmax(curve))),
}
# How a curve and a level become the iteration at which it first gets there.
REACHING: dict[str, Callable[[pd.Series, float], pd.Series]] = {
    "first_below": lambda curve, level: curve <= level,
    "first_above": lambda curve, level: curve >= level,
}


def generators_apart(run: Run) -> pd.Series:
    """How far apart the generators' mode histograms are, over the checkpoints: 0 the same, 1 disjoint.

    The total variation ½ Σ|p_a − p_b| of the shares at the modes, each histogram scaled to 1, averaged over
    the pairs of generators.
    """
    tables = [table.div(table.sum(axis=1), axis=0) for table in map(mode_shares(run), _generators(run))]
    distances = [(a - b).abs().sum(axis=1, skipna=False) / 2 for a, b in combinations(tables, 2)]
    return pd.concat(distances, axis=1).mean(axis=1)


def backgrounds_apart(run: Run) -> pd.Series:
    """How much brighter the background of one generator's images is than another's: 0 the same, 1 white on black.

    The largest difference of background_brightness between two generators.
    """
    brightness = [series(run, "background_brightness", name) for name in _generators(run)]
    table = pd.concat(brightness, axis=1)
    return table.max(axis=1) - table.min(axis=1)


def middle_mode_error(run: Run, source: str) -> pd.Series:
    """How far the share of the samples at the middle mode is from its due, 1/modes: 0 is right, however it errs."""
    shares = mode_shares(run)(source)
    count = len(shares.columns)
    if not count:
        return pd.Series(dtype=float)
    return (shares[f"{MODE_SHARE}{count // 2}"] - 1 / count).abs()


def mode_shares(run: Run) -> Callable[[str], pd.DataFrame]:
    """Return what gives a source's shares at the modes: a row a checkpoint, a column a mode."""
    rows = run.metrics[run.metrics["metric"].str.startswith(MODE_SHARE)]

    def of(source: str) -> pd.DataFrame:
        return rows[rows["sampled_from"] == source].pivot(index="iteration", columns="metric", values="value")

    return of


def _generators(run: Run) -> list[str]:
    """The names of a run's generators; UserError where there is one only."""
    generators = [name for name in run.sources if name not in (names.MIXTURE, names.MEAN)]
    if len(generators) < 2:
        raise UserError(f"{run.key}: this claim compares a run's generators, and this run has one")
    return generators


@dataclass(frozen=True)
class Derived:
    """A quantity that is made of metrics: its label, its curve of a run and a source, which values are better."""

    title: str
    curve: Callable[[Run, str], pd.Series]
    direction: names.Direction
    bounds: names.Bounds | None


DERIVED = {
    "generators_apart": Derived(
        "distance between the generators' mode histograms",
        lambda run, _: generators_apart(run),
        "half",
        (0, 1),
    ),
    "backgrounds_apart": Derived(
        "difference in background brightness between the generators",
        lambda run, _: backgrounds_apart(run),
        "half",
        (0, 1),
    ),
    "middle_mode_error": Derived("error of the share at the middle mode", middle_mode_error, "lower", (0, 1)),
}


def curve_of(run: Run, metric: str, source: str) -> pd.Series:
    """A metric's (or a derived quantity's) values over the run's checkpoints."""
    return DERIVED[metric].curve(run, source) if metric in DERIVED else series(run, metric, source)


def bounds_of(metric: str, reduction: str) -> names.Bounds | None:
    """Between which values the quantity lies; None where it has no bounds, or they are not known."""
    if reduction in ("when_min", "when_max"):
        return (0.0, 1.0)
    if reduction in REACHING or reduction == "std":
        return None
    return DERIVED[metric].bounds if metric in DERIVED else names.metric(metric).bounds


def worst_of(metric: str, reduction: str) -> float | None:
    """+∞ or −∞: what a diverged run counts as; None where no value is worse than others."""
    if reduction in REACHING or reduction == "std":
        return np.inf
    if reduction in ("when_min", "when_max"):
        return None
    direction = DERIVED[metric].direction if metric in DERIVED else names.metric(metric).direction
    return {"lower": np.inf, "higher": -np.inf, "half": None, "one": None}[direction]


def reduced(curve: pd.Series, how: str, level: float | None) -> float:
    """Reduce a curve by a name in REDUCTIONS or REACHING; NaN for an empty one.

    A level that is never reached counts as the last iteration, which favours the curve that failed.
    """
    curve = curve.dropna()
    if not len(curve):
        return np.nan
    if how in REACHING:
        assert level is not None
        reached = REACHING[how](curve, level)
        iterations = curve.index.to_numpy(dtype=float)
        return float(iterations[int(reached.to_numpy().argmax()) if reached.any() else -1])
    return REDUCTIONS[how](curve)

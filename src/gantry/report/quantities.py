"""One number of one run, for the claims: a metric over the checkpoints, a cost, or something derived."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.report.cells import series
from gantry.report.load import Run

MODE_SHARE = "mode_share_"

# How a curve over the checkpoints (index iteration) becomes one number.
REDUCTIONS: dict[str, Callable[[pd.Series], float]] = {
    "last": lambda curve: float(curve.iloc[-1]),
    "min": lambda curve: float(curve.min()),
    "max": lambda curve: float(curve.max()),
    "mean": lambda curve: float(curve.mean()),
    "std": lambda curve: float(curve.std(ddof=0)),
}
# How a curve and a level become the iteration at which it first gets there.
REACHING: dict[str, Callable[[pd.Series, float], pd.Series]] = {
    "first_below": lambda curve, level: curve <= level,
    "first_above": lambda curve, level: curve >= level,
}


def generators_apart(run: Run, source: str) -> pd.Series:
    """How far apart the generators' mode histograms are, over the checkpoints: 0 the same, 1 disjoint.

    The total variation ½ Σ|p_a − p_b| of the shares at the modes, each histogram scaled to 1, averaged over
    the pairs of generators. `source` is ignored: every generator is looked at.
    """
    rows = run.metrics[run.metrics["metric"].str.startswith(MODE_SHARE)]
    generators = [name for name in run.sources if name != "mixture"]
    tables = []
    for name in generators:
        table = rows[rows["sampled_from"] == name].pivot(index="iteration", columns="metric", values="value")
        tables.append(table.div(table.sum(axis=1), axis=0))
    if len(tables) < 2:
        raise UserError(f"{run.key}: generators_apart compares generators, and this run has one")
    distances = [(a - b).abs().sum(axis=1, skipna=False) / 2 for a, b in combinations(tables, 2)]
    return pd.concat(distances, axis=1).mean(axis=1)


DERIVED: dict[str, tuple[str, Callable[[Run, str], pd.Series]]] = {
    "generators_apart": ("distance between the generators' mode histograms", generators_apart),
}


def curve_of(run: Run, metric: str, source: str) -> pd.Series:
    """A metric's (or a derived quantity's) values over the run's checkpoints."""
    return DERIVED[metric][1](run, source) if metric in DERIVED else series(run, metric, source)


def reduced(curve: pd.Series, how: str, level: float | None) -> float:
    """Reduce a curve by a name in REDUCTIONS or REACHING; NaN for an empty one.

    A level that is never reached counts as the last iteration, which favours the curve that failed.
    """
    if not len(curve):
        return np.nan
    if how in REACHING:
        assert level is not None
        reached = REACHING[how](curve, level)
        iterations = curve.index.to_numpy(dtype=float)
        return float(iterations[int(reached.to_numpy().argmax()) if reached.any() else -1])
    return REDUCTIONS[how](curve)

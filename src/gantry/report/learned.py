"""Whether runs have learned anything: only then is a claim judged.

Trained for as long as a smoke test lasts, every method makes noise, and which noise scores better says nothing of
the methods. A group of runs, one recipe on one data set, counts as having learned where

- it was trained for a twentieth of the paper's iterations at least, on the paper's own data; or
- it was trained for 500 iterations at least, and in every run that reached its end the distance to the data is lower
  by a quarter at the last checkpoint than at the first.

A claim is judged where one of its sides has learned: what the other failed to learn is a result. Runs of no paper
(the spec knows no length of one) are judged as they are.
"""

from collections.abc import Sequence
from operator import itemgetter

from gantry.report.cells import series
from gantry.report.load import LoadedGroup, Run
from gantry.report.specs import ReportSpec

SHARE = 1 / 20
LEAST_ITERATIONS = 500
FALL = 1 / 4
# The distances to the data, the first that was scored deciding.
DISTANCES = (
    "frechet_distance", "js", "kernel_distance", "swd", "energy_distance", "frechet_distance_points", "w2",
)  # fmt: skip

NOT_TESTED = "not tested at this scale"
CRITERION = (
    f"A claim is judged only where a side of it has learned: trained for {SHARE * 100:.0f} % of the paper's "
    f"iterations on its data, or for {LEAST_ITERATIONS} with a distance that fell by a quarter in every run; else "
    f"it is {NOT_TESTED}."
)


def unlearned(spec: ReportSpec, groups: Sequence[LoadedGroup]) -> str | None:
    """Say why runs of these groups decide nothing; None if one of the groups has learned."""
    ours, theirs = max((spec.lengths_of(group.group) for group in groups), key=itemgetter(0))
    if theirs is None or any(has_learned(spec, group) for group in groups):
        return None
    length = f"{ours:,} of the paper's {theirs:,} iterations"
    if ours < LEAST_ITERATIONS:
        return f"{length} are fewer than the {LEAST_ITERATIONS} from which on a claim is judged"
    return f"after {length} the distance to the data has not fallen by a quarter in every run"


def has_learned(spec: ReportSpec, group: LoadedGroup) -> bool:
    """Whether one group of runs has learned, by the criterion above."""
    ours, theirs = spec.lengths_of(group.group)
    if group.group.trained_on is None and group.group.is_published and ours >= SHARE * (theirs or ours):
        return True
    if ours < LEAST_ITERATIONS or not group.complete:
        return False
    return all(_fallen(run, group.headline) for run in group.complete)


def _fallen(run: Run, source: str) -> bool:
    measured = (series(run, metric, source).dropna() for metric in DISTANCES)
    curve = next((curve for curve in measured if len(curve) > 1), None)
    return curve is not None and float(curve.iloc[-1]) <= (1 - FALL) * float(curve.iloc[0])

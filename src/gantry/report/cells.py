"""The numbers of a table: one cell is one quantity of one row, published and measured."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.metrics import names
from gantry.report.load import LoadedGroup, Run
from gantry.report.specs import ReportSpec

# The tidy table. `part` is "main" or the title of a supplementary part; `source` is what was scored;
# `iteration` is empty where a quantity belongs to a whole run; `n` counts the runs behind ours_mean and
# `diverged` those left out of `runs`; `note` holds footnotes, separated by " | "; `trained_on` is what ours was
# trained on where that is other data than the published number's; `groups` names the runs (dataset/recipe,
# separated by spaces).
COLUMNS = [
    "part",
    "dataset",
    "method",
    "source",
    "iteration",
    "quantity",
    "published",
    "ours_mean",
    "ours_sd",
    "n",
    "difference",
    "note",
    "runs",
    "diverged",
    "trained_on",
    "metric",
    "feature_network",
    "groups",
]

NUMBERS = {"iteration", "published", "ours_mean", "ours_sd", "n", "difference", "runs", "diverged"}
# Columns by the names that they had in earlier versions.
RENAMED = {"stand_in": "trained_on"}

MAIN = "main"
BY_GENERATOR = "each generator"
DATA_NOTE = "ours was trained on {trained_on}: no difference is given"
CHANGED_NOTE = "ours is of a changed recipe or data set, see below: no difference is given"
NETWORK_NOTE = "ours is {ours}, of another feature network than {theirs}: no difference is given"
DIVERGED_NOTE = "diverged runs (loss not finite) are counted and left out of mean and sd"


@dataclass(frozen=True)
class Cell:
    """One number of a table: `values` holds one entry per run that reached its end (NaN: not measured).

    `heads` name its column, the metric first: ("FID", "CelebA", "minimum"). `runs` is 0 where nothing of ours can
    stand there.
    """

    part: str
    dataset: str
    method: str
    source: str
    heads: tuple[str, ...]
    values: Sequence[float]
    runs: int
    diverged: int
    groups: tuple[str, ...]
    iteration: int | None = None
    published: float | None = None
    metric: str = ""
    feature_network: str = ""
    trained_on: str | None = None
    changed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def head(self) -> tuple[str, str]:
        """The column's group and its title within it."""
        return self.heads[0], ", ".join(filter(None, self.heads[1:]))

    @property
    def quantity(self) -> str:
        """The column's name in one phrase."""
        return ", ".join(filter(None, self.heads))

    @cached_property
    def ours(self) -> tuple[float, float, int]:
        """Mean, standard deviation and number of the measured values."""
        return mean_sd(self.values)

    @property
    def comparable(self) -> bool:
        """Whether published and ours measure the same thing, of the same method on the same data."""
        return (
            self.trained_on is None and not self.changed and same_measure(self.metric, self.feature_network)
        )

    @property
    def difference(self) -> float:
        """Ours less the published number; NaN where they are not to be compared."""
        if self.published is None or not self.comparable:
            return np.nan
        return self.ours[0] - self.published

    @property
    def footnotes(self) -> list[str]:
        """How ours came about otherwise than the paper's number, or why they are not compared."""
        if self.published is None:
            return []
        if not self.ours[2] or self.comparable:
            return list(self.notes)
        return self._reasons()

    def _reasons(self) -> list[str]:
        """Why ours is not held against what is published, beside the feature network."""
        reasons = [DATA_NOTE.format(trained_on=self.trained_on)] if self.trained_on else []
        return reasons + ([CHANGED_NOTE] if self.changed else [])

    def apart(self) -> Iterator["Cell"]:
        """The cell; as two, ours and the published number, where these are of different feature networks."""
        if self.published is None or same_measure(self.metric, self.feature_network):
            yield self
            return
        theirs = names.label(self.metric, "inception")
        ours = names.label(self.metric, self.feature_network)
        yield replace(self, published=None)
        yield replace(
            self,
            heads=(f"{theirs} as published", *self.heads[1:]),
            values=(),
            runs=0,
            diverged=0,
            groups=(),
            feature_network="",
            notes=(NETWORK_NOTE.format(ours=ours, theirs=theirs), *self._reasons()),
        )

    def row(self) -> dict[str, object]:
        """The cell as a row of the tidy table."""
        mean, sd, n = self.ours
        return {
            "part": self.part,
            "dataset": self.dataset,
            "method": self.method,
            "source": self.source,
            "iteration": self.iteration,
            "quantity": self.quantity,
            "published": np.nan if self.published is None else self.published,
            "ours_mean": mean,
            "ours_sd": sd,
            "n": n,
            "difference": self.difference,
            "note": " | ".join(self.footnotes + ([DIVERGED_NOTE] if self.diverged else [])),
            "runs": self.runs,
            "diverged": self.diverged,
            "trained_on": self.trained_on or "",
            "metric": self.metric,
            "feature_network": self.feature_network,
            "groups": " ".join(self.groups),
        }


def tidy(cells: Iterable[Cell]) -> pd.DataFrame:
    """The cells as one tidy table with the columns of COLUMNS."""
    frame = pd.DataFrame([cell.row() for cell in cells], columns=COLUMNS)
    return frame.astype({"iteration": "Int64"})


def read_tidy(path: Path) -> pd.DataFrame:
    """Read a tidy table as `make_table` wrote it."""
    texts = [column for column in COLUMNS if column not in NUMBERS]
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys((*texts, *RENAMED), str)).rename(columns=RENAMED)
        frame[texts] = frame[texts].fillna("")
        return frame[COLUMNS].astype({"iteration": "Int64"})
    except FileNotFoundError:
        raise UserError(f"{path}: table not found; make it first") from None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: table cannot be read ({error}); delete it and run the same command again"
        ) from None


def mean_sd(values: Sequence[float]) -> tuple[float, float, int]:
    """Mean, standard deviation over runs (n − 1; NaN for one run) and count of the values that are known."""
    known = np.asarray([value for value in values if not np.isnan(value)], dtype=float)
    if not len(known):
        return np.nan, np.nan, 0
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else np.nan, len(known)


def same_measure(metric: str, feature_network: str) -> bool:
    """Whether the papers compute `metric` as we did: with the complete Inception, or with no network."""
    if not metric or not names.metric(metric).uses_network:
        return True
    return feature_network in names.INCEPTION


def series(run: Run, metric: str, source: str) -> pd.Series:
    """The values of a metric over the run's checkpoints: index iteration, ascending."""
    rows = run.metrics
    rows = rows[(rows["metric"] == metric) & (rows["sampled_from"] == source)]
    return rows.set_index("iteration")["value"].sort_index()


def network_of(groups: Iterable[LoadedGroup], metric: str) -> str:
    """The one feature network behind `metric` in these runs ("" if it needs none or nothing was scored)."""
    found: dict[str, str] = {}
    for group in groups:
        for run in group.runs:
            rows = run.metrics
            for network in rows.loc[rows["metric"] == metric, "feature_network"].unique():
                found.setdefault(network, run.key)
    if len(found) > 1:
        listed = ", ".join(f"{network or 'none'} ({run})" for network, run in found.items())
        raise UserError(
            f"{metric}: numbers of different feature networks do not share a table: {listed}; "
            "score these runs with one network"
        )
    return next(iter(found), "")


def require_metrics(spec: ReportSpec, groups: Iterable[LoadedGroup]) -> None:
    """Raise UserError unless every run that reached its end has every metric that the spec asks for."""
    for group in groups:
        for run in group.complete:
            lacking = [metric for metric in spec.metrics if not (run.metrics["metric"] == metric).any()]
            if lacking:
                raise UserError(
                    f"{run.files[-1][1]}: no {', '.join(lacking)}, which {spec.paper}/{spec.name} needs; delete the "
                    "file and run the same snakemake command again"
                )


def part_of(group: LoadedGroup, source: str) -> str:
    """The part of a table where a source belongs: the headline in the main one."""
    return MAIN if source == group.headline else BY_GENERATOR

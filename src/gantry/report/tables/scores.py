"""Metrics at chosen checkpoints, a row per method or setting: BCGAN tables 2 to 5, EDGAN tables 1 to 6."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.metrics import names
from gantry.plan.output_types.base import At
from gantry.plan.output_types.tables import ScoresOptions
from gantry.report.cells import MAIN, Cell, network_of, part_of, require_metrics, series
from gantry.report.costs import COSTS
from gantry.report.load import Loaded, LoadedGroup, Run
from gantry.report.published import COLUMN_OF, Published
from gantry.report.specs import Group, ReportSpec
from gantry.report.text import short

# Over checkpoints the deviation is the population's (numpy's default, as in the authors' code).
STATISTICS: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "min": ("minimum", np.min),
    "max": ("maximum", np.max),
    "mean": ("mean", np.mean),
    "std": ("sd", np.std),
}
BEST = {"lower": "min", "higher": "max", "half": "end", "one": "end"}
REAL_ROW = "real data"


@dataclass(frozen=True)
class Column:
    """A metric at one place of the curve: its heading, its name in published files, and its value of a run.

    `iteration` is the checkpoint that stands for a number of iterations of the paper's.
    """

    metric: str
    title: str
    key: str
    statistic: str
    skip: int = 0
    iteration: int | None = None

    def value(self, spec: ReportSpec, run: Run, source: str) -> float:
        """The number of one run; NaN where that checkpoint was not scored."""
        curve = series(run, self.metric, source)
        if self.iteration is not None:
            return float(curve.get(self.iteration, np.nan))
        if self.statistic == "end":
            return float(curve.iloc[-1]) if len(curve) else np.nan
        return float(STATISTICS[self.statistic][1](after(spec.name, run.key, curve, self.skip).to_numpy()))


def after(name: str, run: str, curve: pd.Series, skip: int) -> pd.Series:
    """The values after the first `skip` checkpoints; UserError if none is left."""
    if len(curve) <= skip:
        raise UserError(
            f"{name}: {run} has {len(curve)} scored checkpoints and the output leaves out the first {skip}: "
            "set its options.skip lower or checkpoint_every smaller"
        )
    return curve.iloc[skip:]


def column_at(loaded: Loaded, metric: str, at: At, skip: int) -> Column:
    """The column that shows `metric` at a statistic's name or at one of the paper's iterations."""
    if isinstance(at, int):
        grid = sorted({i for group in loaded.groups for run in group.runs for i in _scored(run, metric)})
        nearest = loaded.spec.checkpoint_for(at, grid)
        title = short(at) if nearest == at else f"{short(at)} (here {nearest:,})"
        return Column(metric, title, short(at), "end", iteration=nearest)
    if at == "best":
        statistic = BEST[names.metric(metric).direction]
        return Column(metric, "best", statistic, statistic, skip)
    if at == "end":
        return Column(metric, "end", "end", "end")
    return Column(metric, STATISTICS[at][0], at, at, skip)


def _scored(run: Run, metric: str) -> Sequence[int]:
    rows = run.metrics
    return [int(i) for i in rows.loc[rows["metric"] == metric, "iteration"].unique()]


def cells(loaded: Loaded, options: ScoresOptions) -> Iterator[Cell]:
    """Cells in the order of the groups; the headline source in the main part, each generator after it."""
    spec = loaded.spec
    require_metrics(spec, loaded.groups)
    published = Published(spec.published)
    columns = _columns(loaded, options)
    rows: dict[tuple[str, str], list[LoadedGroup]] = {}
    for group in loaded.groups:
        rows.setdefault(_row_of(group, options), []).append(group)
    for (dataset, method), groups in rows.items():
        yield from _costs(groups, published, options, dataset, method)
        for group in groups:
            for source in group.sources or ["G1"]:
                for column in columns:
                    cell = _cell(loaded, group, source, column, options)
                    if source == group.headline:
                        name = _published_column(group, column, options)
                        cell = replace(cell, published=_published(published, name, group.group))
                    yield replace(cell, dataset=dataset, method=method)
        yield from _elsewhere(groups[0], published, options, dataset, method)
    if options.real is not None:
        yield from _real_row(loaded, published, columns, options)
    for source in options.untrained:
        yield from _untrained_row(loaded, source, columns, options)


def _columns(loaded: Loaded, options: ScoresOptions) -> list[Column]:
    """The columns of one data set, metric by metric; a lone end needs no heading."""
    columns = []
    for metric in loaded.spec.metrics:
        places = options.at.get(metric, ()) if isinstance(options.at, dict) else options.at
        columns += [column_at(loaded, metric, at, options.skip) for at in places]
    if all(column.title == "end" for column in columns):
        columns = [replace(column, title="") for column in columns]
    return columns


def _row_of(group: LoadedGroup, options: ScoresOptions) -> tuple[str, str]:
    """(data set, method) of the row in which a group stands."""
    dataset = "" if options.side_by_side else group.group.dataset_title
    return dataset, _halves(group, options)[0]


def _halves(group: LoadedGroup, options: ScoresOptions) -> tuple[str, str]:
    """The label of a group's row, and what of it heads a column."""
    if not options.split_labels:
        return group.group.recipe_title, ""
    row, _, column = group.group.recipe_title.partition(" | ")
    return row, column


def _published_column(group: LoadedGroup, column: Column, options: ScoresOptions) -> str:
    method = group.group.method
    return options.column.format(
        metric=COLUMN_OF.get(column.metric, column.metric),
        at=column.key,
        dataset=group.group.dataset_name,
        method=method if isinstance(method, str) else "",
    )


def _published(published: Published, column: str, group: Group) -> float | None:
    """The published number of a group's row; none where the runs are on data of the user's own."""
    value = published.value(column, group.published_keys, group.dataset_name)
    return None if group.is_own_data else value


def _cell(
    loaded: Loaded, loaded_group: LoadedGroup, source: str, column: Column, options: ScoresOptions
) -> Cell:
    group = loaded_group.group
    network = network_of(loaded.groups, column.metric)
    dataset = group.dataset_title if options.side_by_side else ""
    titles = (names.label(column.metric, network), dataset, _halves(loaded_group, options)[1], column.title)
    return Cell(
        part=part_of(loaded_group, source),
        dataset=group.dataset_title,
        method=group.recipe_title,
        source=source,
        heads=titles,
        values=[column.value(loaded.spec, run, source) for run in loaded_group.complete],
        runs=len(loaded_group.runs),
        diverged=loaded_group.lost,
        groups=(group.key,),
        metric=column.metric,
        feature_network=network,
        trained_on=group.trained_on,
        changed=group.is_changed,
    )


def _costs(
    groups: list[LoadedGroup], published: Published, options: ScoresOptions, dataset: str, method: str
) -> Iterator[Cell]:
    """The costs of a row, over all of its runs."""
    runs = [run for group in groups for run in group.complete]
    total = sum(len(group.runs) for group in groups)
    others = dict.fromkeys(group.group.trained_on for group in groups if group.group.trained_on)
    devices = ", ".join(dict.fromkeys(str(run.provenance.get("device", "?")) for run in runs))
    for name in options.costs:
        cost = COSTS[name]
        values = [cost.measure(run) for run in runs]
        first = groups[0].group
        yield Cell(
            part=MAIN,
            dataset=dataset,
            method=method,
            source=groups[0].headline,
            heads=(f"{cost.title} ({cost.unit})",),
            values=values,
            runs=total,
            diverged=total - len(runs),
            groups=tuple(group.group.key for group in groups),
            published=_published(published, cost.column, first),
            trained_on=", ".join(others) or None,
            changed=any(group.group.is_changed for group in groups),
            notes=(cost.note.format(devices=devices),) if not all(np.isnan(values)) else (),
        )


def _elsewhere(
    group: LoadedGroup, published: Published, options: ScoresOptions, dataset: str, method: str
) -> Iterator[Cell]:
    """What others publish of a row's method, with a footnote that says who."""
    if options.elsewhere is None or group.group.is_own_data:
        return
    keys, name = group.group.published_keys, group.group.dataset_name
    source = published.text(options.elsewhere.source, keys, name)
    yield Cell(
        part=MAIN,
        dataset=dataset,
        method=method,
        source=group.headline,
        heads=(options.elsewhere.title,),
        values=[],
        runs=0,
        diverged=0,
        groups=(),
        published=published.value(options.elsewhere.column, keys, name),
        notes=(source,) if source else (),
    )


# What a row is called that nobody has trained.
UNTRAINED = {
    names.IDENTITY: "inputs as they are",
    names.BICUBIC: "inputs, bicubic",
    names.REAL: "held-out real samples",
}


def _untrained_row(
    loaded: Loaded, source: str, columns: Sequence[Column], options: ScoresOptions
) -> Iterator[Cell]:
    """What translations are compared with."""
    for _, _, cell in _once_a_dataset(loaded, source, columns, options):
        if cell.runs:
            yield replace(cell, method=UNTRAINED[source])


def _real_row(
    loaded: Loaded, published: Published, columns: Sequence[Column], options: ScoresOptions
) -> Iterator[Cell]:
    """Real samples against real samples."""
    for group, column, cell in _once_a_dataset(loaded, names.REAL, columns, options):
        name = _published_column(group, column, options)
        value = published.value(name, options.real or {}, group.group.dataset_name)
        yield replace(cell, method=REAL_ROW, published=None if group.group.is_own_data else value)


def _once_a_dataset(
    loaded: Loaded, source: str, columns: Sequence[Column], options: ScoresOptions
) -> Iterator[tuple[LoadedGroup, Column, Cell]]:
    """The cells of what nobody has trained, which are equal in all runs on a data set: of one that has measured it."""
    datasets = {group.group.dataset_name: group for group in loaded.groups}
    for dataset, group in datasets.items():
        runs = [run for other in loaded.groups for run in other.runs if other.group.dataset_name == dataset]
        title = "" if options.side_by_side else group.group.dataset_title
        for column in columns:
            measured = [run for run in runs if len(series(run, column.metric, source))]
            cell = _cell(loaded, replace(group, runs=tuple(measured[:1])), source, column, options)
            yield group, column, replace(cell, part=MAIN, dataset=title)

"""What the paper's synthetic figures show, in numbers: modes, divergences, and who makes which mode."""

from collections.abc import Iterator

import numpy as np

from gantry.metrics import names
from gantry.plan.output_types.tables import ModeStatisticsOptions
from gantry.report.cells import BY_GENERATOR, MAIN, Cell, network_of, require_metrics, series
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.quantities import MODE_SHARE

OVER_ITERATIONS = "over the iterations"
MODES = "share of the samples at each mode"


def cells(loaded: Loaded, options: ModeStatisticsOptions) -> Iterator[Cell]:
    """Every metric at the end of training; then at the snapshots, by generator, and by mode."""
    require_metrics(loaded.spec, loaded.groups)
    spec = loaded.spec
    snapshots = [snapshot for snapshot in spec.snapshots if snapshot <= spec.iterations]
    for group in loaded.groups:
        yield from _row(loaded, group, MAIN, group.headline, spec.metrics, None)
    if options.snapshots:
        for group in loaded.groups:
            for snapshot in snapshots:
                yield from _row(loaded, group, OVER_ITERATIONS, group.headline, spec.metrics, snapshot)
    for group in loaded.groups:
        if len(group.sources) > 1:
            for source in group.sources[1:]:
                yield from _row(loaded, group, BY_GENERATOR, source, spec.metrics, None)
    for group in loaded.groups:
        for source in group.sources:
            yield from _row(loaded, group, MODES, source, _modes(group), None)


def _row(
    loaded: Loaded,
    loaded_group: LoadedGroup,
    part: str,
    source: str,
    metrics: tuple[str, ...],
    iteration: int | None,
) -> Iterator[Cell]:
    """The metrics of one recipe and source at `iteration`, or at the last checkpoint where that is None."""
    group = loaded_group.group
    for metric in metrics:
        network = network_of(loaded.groups, metric)
        curves = [series(run, metric, source) for run in loaded_group.complete]
        yield Cell(
            part=part,
            dataset=group.dataset_title,
            method=group.recipe_title,
            source=source,
            iteration=iteration,
            heads=_heads(metric, network),
            values=[
                float(curve.iloc[-1] if iteration is None else curve.get(iteration, np.nan))
                for curve in curves
                if len(curve)
            ],
            runs=len(loaded_group.runs),
            diverged=loaded_group.lost,
            groups=(group.key,),
            metric=metric,
            feature_network=network,
            trained_on=group.trained_on,
            changed=group.is_changed,
        )


def _heads(metric: str, network: str) -> tuple[str, ...]:
    """The metric's label; the shares at the modes are one group of columns, each headed by its mode."""
    if metric.startswith(MODE_SHARE):
        return "share at mode", metric.removeprefix(MODE_SHARE)
    return (names.label(metric, network),)


def _modes(group: LoadedGroup) -> tuple[str, ...]:
    """The mode shares that were scored, by the number of the mode."""
    found = {
        metric
        for run in group.runs
        for metric in run.metrics["metric"].unique()
        if str(metric).startswith(MODE_SHARE)
    }
    return tuple(sorted(found, key=lambda name: int(name.removeprefix(MODE_SHARE))))

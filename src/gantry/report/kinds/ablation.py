"""The best of each metric over the checkpoints, a row per recipe: BCGAN table 5."""

from collections.abc import Iterator

from gantry.metrics import names
from gantry.report.cells import Cell, network_of, part_of, require_metrics, series
from gantry.report.kinds.checkpoint_statistics import Options, checkpoints_of
from gantry.report.load import Loaded
from gantry.report.published import COLUMN_OF, Published

__all__ = ["Options", "cells"]


def cells(loaded: Loaded, options: Options) -> Iterator[Cell]:
    """Cells in the order of the groups; the headline source in the main part, each generator after it."""
    order = loaded.order
    require_metrics(order, loaded.groups)
    published = Published(order.published)
    networks = {metric: network_of(loaded.groups, metric) for metric in order.metrics}
    for loaded_group in loaded.groups:
        group = loaded_group.group
        for source in loaded_group.sources or ["G1"]:
            for metric in order.metrics:
                lowest = names.metric(metric).direction == "lower"
                column = f"{COLUMN_OF.get(metric, metric)}_{'min' if lowest else 'max'}"
                curves = [
                    checkpoints_of(order.name, run.key, series(run, metric, source).to_numpy(), options.skip)
                    for run in loaded_group.complete
                ]
                yield Cell(
                    part=part_of(loaded_group, source),
                    dataset=group.dataset_label,
                    method=group.recipe_label,
                    source=source,
                    quantity=f"{names.label(metric, networks[metric])}, best",
                    values=[float(curve.min() if lowest else curve.max()) for curve in curves],
                    runs=len(loaded_group.runs),
                    diverged=len(loaded_group.runs) - len(loaded_group.complete),
                    groups=(group.key,),
                    published=published.value(column, constraint=group.method, dataset=group.dataset_name)
                    if source == loaded_group.headline
                    else None,
                    metric=metric,
                    feature_network=networks[metric],
                    stand_in=group.stand_in,
                )

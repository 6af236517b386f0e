"""Minimum, maximum, mean and standard deviation of each metric over a run's checkpoints: BCGAN table 2."""

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from gantry.errors import UserError
from gantry.metrics import names
from gantry.report.cells import Cell, network_of, part_of, require_metrics, series
from gantry.report.load import Loaded, Strict
from gantry.report.published import COLUMN_OF, Published

# Over checkpoints the deviation is the population's (numpy's default, as in the authors' code).
STATISTICS: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "min": ("minimum", np.min),
    "max": ("maximum", np.max),
    "mean": ("mean", np.mean),
    "std": ("sd", np.std),
}


class Options(Strict):
    """skip: how many of the first checkpoints are left out (the paper starts at its second, 20k)."""

    skip: Annotated[int, Field(ge=0)] = 0


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
                values = [
                    checkpoints_of(order.name, run.key, series(run, metric, source).to_numpy(), options.skip)
                    for run in loaded_group.complete
                ]
                for key, (title, statistic) in STATISTICS.items():
                    column = f"{COLUMN_OF.get(metric, metric)}_{key}"
                    headline = source == loaded_group.headline
                    yield Cell(
                        part=part_of(loaded_group, source),
                        dataset=group.dataset_label,
                        method=group.recipe_label,
                        source=source,
                        quantity=f"{names.label(metric, networks[metric])}, {title}",
                        values=[float(statistic(run)) for run in values],
                        runs=len(loaded_group.runs),
                        diverged=len(loaded_group.runs) - len(loaded_group.complete),
                        groups=(group.key,),
                        published=published.value(column, dataset=group.dataset_name, method=group.method)
                        if headline
                        else None,
                        metric=metric,
                        feature_network=networks[metric],
                        stand_in=group.stand_in,
                    )


def checkpoints_of(table: str, run: str, values: np.ndarray, skip: int) -> np.ndarray:
    """The values after the first `skip` checkpoints; UserError if none is left."""
    if len(values) <= skip:
        raise UserError(
            f"{table}: {run} has {len(values)} scored checkpoints and the table leaves out the first {skip}: "
            "set the table's options.skip lower or checkpoint_every smaller"
        )
    return values[skip:]

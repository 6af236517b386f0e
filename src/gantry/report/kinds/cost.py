"""GPU memory, time of one iteration, and a metric at the end of training on each data set: BCGAN table 3."""

from collections.abc import Iterator

import numpy as np

from gantry.metrics import names
from gantry.report.cells import MAIN, Cell, network_of, part_of, require_metrics, series
from gantry.report.load import Loaded, LoadedGroup, Run, Strict
from gantry.report.published import COLUMN_OF, Published

MEMORY_NOTE = "ours is the largest memory that tensors held, the paper does not say how it measured"
TIME_NOTE = "measured on {devices}; the paper's GPU is a TITAN RTX"


class Options(Strict):
    """No options."""


def cells(loaded: Loaded, options: Options) -> Iterator[Cell]:
    """One row per method, as in the paper: memory and time over all of its runs, the metrics per data set."""
    order = loaded.order
    require_metrics(order, loaded.groups)
    published = Published(order.published)
    networks = {metric: network_of(loaded.groups, metric) for metric in order.metrics}
    methods: dict[str, list[LoadedGroup]] = {}
    for loaded_group in loaded.groups:
        methods.setdefault(loaded_group.group.method, []).append(loaded_group)
    for method, groups in methods.items():
        yield from _costs(groups, published, method)
        for loaded_group in groups:
            group = loaded_group.group
            for source in loaded_group.sources or ["G1"]:
                for metric in order.metrics:
                    column = f"{COLUMN_OF.get(metric, metric)}_{group.dataset_name}"
                    yield Cell(
                        part=part_of(loaded_group, source),
                        dataset="",
                        method=group.recipe_label,
                        source=source,
                        quantity=f"{names.label(metric, networks[metric])}, {group.dataset_title}",
                        values=[series(run, metric, source).iloc[-1] for run in loaded_group.complete],
                        runs=len(loaded_group.runs),
                        diverged=len(loaded_group.runs) - len(loaded_group.complete),
                        groups=(group.key,),
                        published=published.value(column, method=method)
                        if part_of(loaded_group, source) == MAIN
                        else None,
                        metric=metric,
                        feature_network=networks[metric],
                        stand_in=group.stand_in,
                    )


def _costs(groups: list[LoadedGroup], published: Published, method: str) -> Iterator[Cell]:
    runs = [run for group in groups for run in group.complete]
    total = sum(len(group.runs) for group in groups)
    stand_ins = list(dict.fromkeys(group.group.stand_in for group in groups if group.group.stand_in))
    devices = ", ".join(dict.fromkeys(str(run.provenance.get("device", "?")) for run in runs))
    quantities = {
        "GPU memory (GiB)": ("gpu_memory_gb", memory_of, MEMORY_NOTE),
        "time of one iteration (s)": ("seconds_per_iteration", time_of, TIME_NOTE.format(devices=devices)),
    }
    for quantity, (column, measure, note) in quantities.items():
        values = [measure(run) for run in runs]
        yield Cell(
            part=MAIN,
            dataset="",
            method=groups[0].group.recipe_label,
            source=groups[0].headline,
            quantity=quantity,
            values=values,
            runs=total,
            diverged=total - len(runs),
            groups=tuple(group.group.key for group in groups),
            published=published.value(column, method=method),
            stand_in=", ".join(stand_ins) or None,
            notes=(note,) if not all(np.isnan(values)) else (),
        )


def memory_of(run: Run) -> float:
    """The largest memory held on the GPU, in GiB; NaN for a run on a CPU, which records none."""
    peak = run.largest("peak_memory_bytes")
    return np.nan if peak is None else peak / 2**30


def time_of(run: Run) -> float:
    """Seconds for one iteration, over the whole run; NaN if it was not recorded."""
    seconds = run.provenance.get("seconds_per_iteration")
    return np.nan if seconds is None else float(seconds)

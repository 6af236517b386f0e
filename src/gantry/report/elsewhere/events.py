"""Scores in TensorBoard's event files: a folder of events is a run, named by its path."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gantry.errors import UserError
from gantry.report.elsewhere.values import RunNames, Value

FILES = "*tfevents*"


def read_events(folder: Path, names: RunNames, metrics: Sequence[str] | None) -> Iterator[Value]:
    """Yield every scalar of every run below `folder`; UserError if there is none, or TensorBoard is not installed."""
    folders = sorted({file.parent for file in folder.rglob(FILES)})
    if not folders:
        raise UserError(f"{folder}: no event files of TensorBoard in it ({FILES})")
    found = False
    for place in folders:
        run = str(place.relative_to(folder)) if place != folder else folder.resolve().name
        group, seed, dataset = names.parts(run, str(place))
        for tag, step, value in _scalars(place):
            if metrics and tag not in metrics:
                continue
            found = True
            yield Value(run, group, seed, dataset, step, tag, value, str(place))
    if not found:
        wanted = f"called {' or '.join(metrics)}" if metrics else "at all"
        raise UserError(f"{folder}: its event files have no scalars {wanted}")


def _scalars(folder: Path) -> Iterator[tuple[str, int, float]]:
    """(tag, step, value), the last where a step was written twice: a run that went on writes some steps again."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError:
        raise UserError(
            f"{folder}: reading event files needs the package tensorboard; install it: uv sync --group watch"
        ) from None
    events: Any = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    for tag in tags["scalars"]:
        yield from (
            (tag, step, value)
            for step, value in {e.step: float(e.value) for e in events.Scalars(tag)}.items()
        )
    # TensorFlow 2 writes scalars as tensors without a dimension.
    for tag in tags["tensors"]:
        arrays = {event.step: make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}
        numbers = {
            step: array for step, array in arrays.items() if not array.shape and array.dtype.kind in "fiu"
        }
        yield from ((tag, step, float(array)) for step, array in numbers.items())

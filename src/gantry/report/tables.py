"""Tables: an order in, CSV (tidy), Markdown and LaTeX (as in the paper) out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from gantry.errors import UserError, suggestion
from gantry.files import write_text
from gantry.plan.kinds import OPTIONS
from gantry.report.cells import Cell, tidy
from gantry.report.kinds import effect, mode_statistics, scores
from gantry.report.layout import arrange
from gantry.report.load import Loaded, load
from gantry.report.markup import latex, markdown
from gantry.report.orders import Order, parse_order, validation_message

KINDS: dict[str, Callable[[Loaded, Any], Iterator[Cell]]] = {
    "scores": scores.cells,
    "mode_statistics": mode_statistics.cells,
    "effect": effect.cells,
}

INTERVAL_NOTE = "In brackets: the 95 % interval of the mean over training seeds (Student's t)."


def make_table(order: dict[str, Any], csv: Path, md: Path, tex: Path) -> pd.DataFrame:
    """Write one table in its three forms and return its tidy frame (columns: `cells.COLUMNS`)."""
    parsed = parse_order(order)
    frame = table(load(parsed))
    parts, footnotes = arrange(frame, spread_of(parsed))
    notes = [scale_note(parsed), *protocol_notes(parsed)]
    write_text(csv, frame.to_csv(index=False))
    write_text(md, markdown(parsed.title, parts, footnotes, notes))
    write_text(tex, latex(parsed.title, f"{parsed.paper}-{parsed.name}", parts, footnotes, notes))
    return frame


def table(loaded: Loaded) -> pd.DataFrame:
    """The tidy frame of an order, by its kind."""
    order = loaded.order
    if order.kind not in KINDS:
        raise UserError(unknown_kind(order, KINDS))
    return tidy(KINDS[order.kind](loaded, options_of(order)))


def options_of(order: Order) -> Any:
    """The order's options, validated by its kind's model (see `plan.kinds`)."""
    try:
        return OPTIONS[order.kind].model_validate(order.options)
    except ValidationError as error:
        raise UserError(validation_message(f"{order.paper}/{order.name}: options", error)) from None


def spread_of(order: Order) -> str:
    """What follows a mean in this table: see `ScoresOptions.spread`."""
    return str(getattr(options_of(order), "spread", "sd"))


def unknown_kind(order: Order, known: dict[str, Any]) -> str:
    """The message for an order whose kind is in no registry."""
    return (
        f"{order.paper}/{order.name}: kind: unknown kind {order.kind!r}{suggestion(order.kind, known)}; "
        f"known kinds: {', '.join(known)}"
    )


def scale_note(order: Order) -> str:
    """How large the experiments are."""
    return f"Scale: {order.scale}, {order.scale_title}."


def protocol_notes(order: Order) -> list[str]:
    """What a reader of one table or figure must know: where the protocol differs from the paper's."""
    notes = []
    if order.paper_iterations and order.paper_iterations != order.iterations:
        notes.append(
            f"Trained for {order.iterations:,} iterations; the paper for {order.paper_iterations:,}."
        )
    if order.stand_ins:
        pairs = [f"{stand_in} for {label}" for label, stand_in in order.stand_ins.items()]
        notes.append(f"Stand-in data: {'; '.join(pairs)}.")
    if order.options.get("spread") == "interval":
        notes.append(INTERVAL_NOTE)
    return notes + list(order.notes)

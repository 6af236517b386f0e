"""Tables: an order in, CSV (tidy), Markdown and LaTeX (as in the paper) out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from gantry.errors import UserError
from gantry.files import write_text
from gantry.report.cells import Cell, tidy
from gantry.report.kinds import effect, mode_statistics, scores
from gantry.report.layout import arrange
from gantry.report.load import Loaded, load
from gantry.report.markup import latex, markdown
from gantry.report.notes import protocol_notes, scale_note
from gantry.report.orders import Order, options_of, parse_order, unknown_kind

KINDS: dict[str, Callable[[Loaded, Any], Iterator[Cell]]] = {
    "scores": scores.cells,
    "mode_statistics": mode_statistics.cells,
    "effect": effect.cells,
}


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


def spread_of(order: Order) -> str:
    """What follows a mean in this table: see `ScoresOptions.spread`."""
    return str(getattr(options_of(order), "spread", "sd"))

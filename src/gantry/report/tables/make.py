"""Tables: a spec in, CSV (tidy), Markdown and LaTeX (as in the paper) out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from gantry.errors import UserError
from gantry.files import write_text
from gantry.report.cells import Cell, tidy
from gantry.report.latex import latex
from gantry.report.layout import arrange
from gantry.report.load import Loaded, load
from gantry.report.markup import markdown
from gantry.report.notes import protocol_notes, scale_note
from gantry.report.specs import ReportSpec, options_of, parse_spec, unknown_type
from gantry.report.tables import effect, mode_statistics, scores
from gantry.report.titles import title_of

KINDS: dict[str, Callable[[Loaded, Any], Iterator[Cell]]] = {
    "scores": scores.cells,
    "mode_statistics": mode_statistics.cells,
    "effect": effect.cells,
}


def make_table(spec: dict[str, Any], csv: Path, md: Path, tex: Path) -> pd.DataFrame:
    """Write one table in its three forms and return its tidy frame (columns: `cells.COLUMNS`)."""
    parsed = parse_spec(spec)
    loaded = load(parsed)
    cells = cells_of(loaded)
    parts, footnotes = arrange(cells, spread_of(parsed))
    notes = [scale_note(parsed), *protocol_notes(parsed)]
    title, frame = title_of(loaded), tidy(cells)
    write_text(csv, frame.to_csv(index=False))
    write_text(md, markdown(title, parts, footnotes, notes))
    write_text(tex, latex(title, f"{parsed.paper}-{parsed.name}", parts, footnotes, notes))
    return frame


def cells_of(loaded: Loaded) -> list[Cell]:
    """Return the cells of a table, by its type."""
    spec = loaded.spec
    if spec.kind not in KINDS:
        raise UserError(unknown_type(spec, KINDS))
    return [each for cell in KINDS[spec.kind](loaded, options_of(spec)) for each in cell.apart()]


def spread_of(spec: ReportSpec) -> str:
    """What follows a mean in this table: see `ScoresOptions.spread`."""
    return str(getattr(options_of(spec), "spread", "sd"))

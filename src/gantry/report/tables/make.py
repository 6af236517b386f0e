"""Tables: a spec in, CSV (tidy), Markdown and LaTeX (as in the paper) out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gantry.files import write_text
from gantry.report.cells import Cell, tidy
from gantry.report.latex import latex
from gantry.report.layout import arrange
from gantry.report.load import Loaded, load
from gantry.report.markup import markdown
from gantry.report.notes import DEVIATION_NOTE, protocol_notes, scale_note
from gantry.report.specs import ReportSpec, options_of, parse_spec, type_of
from gantry.report.titles import title_of


def make_table(spec: dict[str, Any], csv: Path, md: Path, tex: Path) -> pd.DataFrame:
    """Write one table in its three forms and return its tidy frame (columns: `cells.COLUMNS`)."""
    parsed = parse_spec(spec)
    loaded = load(parsed)
    cells = cells_of(loaded)
    parts, footnotes = arrange(cells, spread_of(parsed))
    notes = [scale_note(parsed), *protocol_notes(parsed)]
    deviates = spread_of(parsed) == "sd" and any(not np.isnan(cell.ours[1]) for cell in cells)
    if deviates and not any(note.startswith("±") for note in notes):
        notes.append(DEVIATION_NOTE)
    title, frame = title_of(loaded), tidy(cells)
    write_text(csv, frame.to_csv(index=False))
    write_text(md, markdown(title, parts, footnotes, notes))
    write_text(tex, latex(title, f"{parsed.paper}-{parsed.name}", parts, footnotes, notes))
    return frame


def cells_of(loaded: Loaded) -> list[Cell]:
    """Return the cells of a table, by its type."""
    spec = loaded.spec
    make = type_of(spec, "table").make()
    return [part for cell in make(loaded, options_of(spec)) for part in cell.apart()]


def spread_of(spec: ReportSpec) -> str:
    """What follows a mean in this table: see `ScoresOptions.spread`."""
    return str(getattr(options_of(spec), "spread", "sd"))

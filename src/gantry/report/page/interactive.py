"""What the page shows to be handled: tables to be sorted, curves to be zoomed and switched, samples with a slider.

DataTables (as itables ships it) sorts, plotly draws; both bundles go into the page once, and nothing is fetched.
"""

import base64
import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import itables.options
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from gantry.metrics import names
from gantry.report.cells import network_of, series
from gantry.report.colours import COLOURS, shifted
from gantry.report.layout import ARROWS, SOURCES
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.samples import arranged, evenly
from gantry.report.specs import options_of
from gantry.report.text import with_subscripts

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}
# DataTables: sorting and nothing else; a column by its small values first, then the large ones, then as it was.
SORTING: dict[str, Any] = {
    "paging": False,
    "searching": False,
    "info": False,
    "autoWidth": False,
    "order": [],
    "layout": dict.fromkeys(("topStart", "topEnd", "bottomStart", "bottomEnd")),
}
MOST_STEPS = 12
# Below the toolbar; small enough for a telephone.
MENU: dict[str, Any] = {"x": 0, "xanchor": "left", "pad": {"l": -40, "b": 14}, "font": {"size": 12}}
# Pixels around what is drawn; around samples: the columns' names above, the slider below.
ABOVE, BELOW, LEFT = 80, 110, 60
TILE = 64
TILES = 4
SQUARE = TILES * TILE
GAP = 6


def bundle() -> str:
    """Plotly's JavaScript, to be put into the page once."""
    return str(get_plotlyjs())


def sorter() -> str:
    """The address of DataTables' module, which holds all of it: no other file, nothing to fetch."""
    module = Path(itables.options.dt_bundle).read_bytes()
    return f"data:text/javascript;base64,{base64.b64encode(module).decode()}"


def curves(loaded: Loaded, name: str) -> str:
    """Every curve of a spec as HTML: mean and band over seeds, a menu of data set, metric and source."""
    figure = go.Figure()
    views: list[tuple[str, str, list[bool]]] = []
    for dataset in dict.fromkeys(group.dataset_title for group in loaded.spec.groups):
        groups = loaded.groups_on(dataset)
        for metric in loaded.spec.metrics:
            title = names.label(metric, network_of(loaded.groups, metric))
            for source, shown in _by_source(groups).items():
                count = len(figure.data)
                for place, group in shown:
                    figure.add_traces(_traces(group, metric, source or group.headline, place))
                flags = [False] * count + [True] * (len(figure.data) - count)
                # In two lines, so that a menu fits a telephone.
                label = f"{dataset}<br>" + " · ".join(filter(None, [title, SOURCES.get(source, source)]))
                views.append((label, title + ARROWS[names.metric(metric).direction], flags))
    total = len(figure.data)
    buttons = [
        {
            "label": label,
            "method": "update",
            "args": [{"visible": flags + [False] * (total - len(flags))}, {"yaxis.title.text": title}],
        }
        for label, title, flags in views
    ]
    figure.update_layout(
        updatemenus=[{"buttons": buttons, "y": 1, "yanchor": "bottom", **MENU}],
        xaxis={"title": "iterations", "rangemode": "tozero"},
        yaxis={"title": views[0][1] if views else ""},
        legend={"orientation": "h", "y": -0.25},
        hovermode="x unified",
        height=470,
    )
    shown_first = views[0][2] if views else []
    for place, trace in enumerate(figure.data):
        trace.visible = place < len(shown_first) and shown_first[place]
    return as_html(figure, name, above=110, below=40)


def _by_source(groups: Sequence[LoadedGroup]) -> dict[str, list[tuple[int, LoadedGroup]]]:
    """Under "": every method by its headline; under G1, G2, …: those with several generators."""
    numbered = list(enumerate(groups))
    found = {"": numbered}
    for place, group in numbered:
        for source in group.sources[1:]:
            found.setdefault(source, []).append((place, group))
    return found


def _traces(group: LoadedGroup, metric: str, source: str, place: int) -> list[Any]:
    """Line and band of the runs that reached their end."""
    table = pd.DataFrame({run.seed: series(run, metric, source) for run in group.complete}).sort_index()
    mean, colour = table.mean(axis=1), COLOURS[place % len(COLOURS)]
    label = _subscripts(group.group.recipe_title)
    line = go.Scatter(
        x=table.index.to_list(),
        y=mean.to_list(),
        name=label,
        legendgroup=label,
        mode="lines+markers" if len(table) < 20 else "lines",
        line={"color": colour, "dash": DASHES[shifted(place, len(DASHES))]},
    )
    if table.shape[1] < 2:
        return [line]
    sd = table.std(axis=1, ddof=1)
    band = go.Scatter(
        x=[*table.index, *table.index[::-1]],
        y=[*(mean + sd), *(mean - sd)[::-1]],
        mode="lines",
        legendgroup=label,
        fill="toself",
        fillcolor=colour,
        opacity=0.15,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    return [band, line]


def grids(loaded: Loaded, name: str) -> str:
    """The samples of a spec as HTML, with a slider over the iterations: rows data sets, columns generators.

    At most twelve of the checkpoints, tiles of at most 64 pixels: it is for looking through; the figure
    itself shows the end in full. Rows and columns change places where they do so in the figure.
    """
    arrangement = arranged(loaded, options_of(loaded.spec))
    shown = [group.shown.samples["iterations"] for group in arrangement.cells.values()]
    every = np.unique(np.concatenate(shown)).tolist()
    steps = evenly(every, MOST_STEPS)
    figure = go.Figure()
    for iteration in steps:
        page = [
            [
                _square(arrangement.cells.get((row, *column)), column[1], iteration)
                for column in arrangement.columns
            ]
            for row in arrangement.rows
        ]
        figure.add_trace(
            go.Image(source=_jpeg(_joined(page)), hoverinfo="skip", visible=iteration == steps[-1])
        )
    slider = {
        "active": len(steps) - 1,
        "currentvalue": {"prefix": "iteration "},
        "steps": [
            {
                "label": f"{iteration:,}",
                "method": "update",
                "args": [{"visible": [other == iteration for other in steps]}],
            }
            for iteration in steps
        ],
    }
    figure.update_layout(
        sliders=[slider],
        xaxis=_names(arrangement.titles, 16) | {"side": "top"},
        yaxis=_names(arrangement.rows, 14) | {"tickangle": -90, "constraintoward": "top"},
    )
    wide, high = (len(names) * (SQUARE + GAP) - GAP for names in (arrangement.columns, arrangement.rows))
    # As wide as the page lets it be, as high as the samples then are, and the slider's room below.
    style = f"aspect-ratio: {wide} / {high}; max-width: {wide}px; padding-bottom: {ABOVE + BELOW}px"
    return f'<div class="samples" style="{style}">{as_html(figure, name, ABOVE, BELOW)}</div>'


def _names(texts: Sequence[str], letters: int) -> dict[str, Any]:
    """An axis that names the squares along it, in lines of so many letters."""
    lines = ["<br>".join(textwrap.wrap(_subscripts(text), letters)) for text in texts]
    centres = [SQUARE / 2 + place * (SQUARE + GAP) for place in range(len(texts))]
    look = {"showgrid": False, "zeroline": False, "constrain": "domain", "tickfont": {"size": 11}}
    return {"tickvals": centres, "ticktext": lines, **look}


def _square(group: LoadedGroup | None, generator: str, iteration: int) -> np.ndarray:
    """The first tiles of one generator at the last checkpoint up to `iteration`: uint8, white if none."""
    canvas = np.full((SQUARE, SQUARE, 3), 255, dtype=np.uint8)
    if group is None:
        return canvas
    at = np.flatnonzero(group.shown.samples["iterations"] <= iteration)
    if not len(at):
        return canvas
    for place, picture in enumerate(group.shown.samples[generator][at[-1]][: TILES**2]):
        tile = np.asarray(Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BOX))
        y, x = divmod(place, TILES)
        canvas[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] = tile
    return canvas


def _joined(page: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Squares in rows and columns with white between."""
    lines = []
    for row in page:
        gap = np.full((row[0].shape[0], GAP, 3), 255, dtype=np.uint8)
        lines.append(np.concatenate([part for square in row for part in (square, gap)][:-1], axis=1))
    gap = np.full((GAP, lines[0].shape[1], 3), 255, dtype=np.uint8)
    return np.concatenate([part for line in lines for part in (line, gap)][:-1])


def _jpeg(picture: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _subscripts(text: str) -> str:
    return with_subscripts(text, r"\1<sub>\2</sub>")


def as_html(figure: Any, name: str, above: int, below: int) -> str:
    """A plotly figure as a piece of the page, with so many pixels of room above and below."""
    margin = {"l": LEFT, "r": 15, "t": above, "b": below}
    figure.update_layout(template="plotly_white", margin=margin, font={"size": 13})
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"interactive-{name}", config=CONFIG)
    )

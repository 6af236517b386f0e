"""What the page shows to be handled: curves to be zoomed and switched, samples with a slider over iterations.

Made with plotly, whose own bundle goes into the page once; nothing is fetched.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from gantry.metrics import names
from gantry.report.cells import network_of, series
from gantry.report.layout import ARROWS, SOURCES
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.text import with_subscripts

# As in the printed figures.
COLOURS = ("#0b4f9c", "#e07b00", "#1b8a5a", "#8e3b9e", "#59a9d8", "#7a4a1e")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}
MOST_STEPS = 12
TILE = 64
TILES = 4
GAP = 6


def bundle() -> str:
    """Plotly's JavaScript, to be put into the page once."""
    return str(get_plotlyjs())


def curves(loaded: Loaded, name: str) -> str:
    """Every curve of an order as HTML: mean and band over seeds, a menu of data set, metric and source."""
    figure = go.Figure()
    views: list[tuple[str, str, list[bool]]] = []
    for dataset in dict.fromkeys(group.dataset_title for group in loaded.order.groups):
        groups = [each for each in loaded.groups if each.group.dataset_title == dataset]
        for metric in loaded.order.metrics:
            title = names.label(metric, network_of(loaded.groups, metric))
            for source, shown in _by_source(groups).items():
                count = len(figure.data)
                for place, group in shown:
                    figure.add_traces(_traces(group, metric, source or group.headline, place))
                flags = [False] * count + [True] * (len(figure.data) - count)
                label = " · ".join(filter(None, [dataset, title, SOURCES.get(source, source)]))
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
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.18, "yanchor": "top"}],
        xaxis={"title": "iterations", "rangemode": "tozero"},
        yaxis={"title": views[0][1] if views else ""},
        legend={"orientation": "h", "y": -0.25},
        hovermode="x unified",
    )
    shown_first = views[0][2] if views else []
    for place, trace in enumerate(figure.data):
        trace.visible = place < len(shown_first) and shown_first[place]
    return _html(figure, name, 430)


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
    label = with_subscripts(group.group.recipe_label, r"\1<sub>\2</sub>")
    line = go.Scatter(
        x=table.index.to_list(),
        y=mean.to_list(),
        name=label,
        mode="lines+markers" if len(table) < 20 else "lines",
        line={"color": colour, "dash": DASHES[place % len(DASHES)]},
    )
    if table.shape[1] < 2:
        return [line]
    sd = table.std(axis=1, ddof=1)
    band = go.Scatter(
        x=[*table.index, *table.index[::-1]],
        y=[*(mean + sd), *(mean - sd)[::-1]],
        fill="toself",
        fillcolor=colour,
        opacity=0.15,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    return [band, line]


def grids(loaded: Loaded, name: str) -> str:
    """The samples of an order as HTML, with a slider over the iterations: rows data sets, columns generators.

    At most twelve of the checkpoints, tiles of at most 64 pixels: it is for looking through; the figure
    itself shows the end in full.
    """
    cells = {
        (group.group.dataset_title, f"{group.group.recipe_label} {generator}"): (group, generator)
        for group in loaded.groups
        for generator in group.shown.generators
        if len(group.shown.samples["iterations"])
    }
    rows, columns = (list(dict.fromkeys(key[axis] for key in cells)) for axis in (0, 1))
    every = sorted({int(i) for group, _ in cells.values() for i in group.shown.samples["iterations"]})
    steps = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, MOST_STEPS).round().astype(int))]
    figure = go.Figure()
    for iteration in steps:
        page = [[_square(cells.get((row, column)), iteration) for column in columns] for row in rows]
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
    high = len(rows) * TILES * TILE
    figure.update_layout(
        sliders=[slider],
        title={"text": "columns: " + ", ".join(columns), "font": {"size": 12}},
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    return _html(figure, name, min(900, high + 190))


def _square(cell: tuple[LoadedGroup, str] | None, iteration: int) -> np.ndarray:
    """The first tiles of one generator at the last checkpoint up to `iteration`: uint8, white if none."""
    canvas = np.full((TILES * TILE, TILES * TILE, 3), 255, dtype=np.uint8)
    if cell is None:
        return canvas
    group, generator = cell
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


def _html(figure: Any, name: str, height: int) -> str:
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 60, "r": 20, "t": 60, "b": 40}, font={"size": 13}
    )
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"interactive-{name}", config=CONFIG)
    )


KINDS = {"curves": curves, "grids": grids}

"""How every figure looks: sizes, colours that differ in lightness too, line styles, saving.

Figures are drawn on `Figure` directly, without pyplot: no global state, and a faster import.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, get_hinting_flag
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gantry.files import write_with
from gantry.report.specs import ReportSpec
from gantry.report.text import short, with_subscripts

DPI = 150
# Points of small print and titles; inches between them and a figure's edge.
SMALL, TITLE, EDGE = 7.0, 10.0, 0.1
LINE, LINES_WITH_ROOM = 0.14, 4  # inches of a line of small print; how many a figure has room for as it is
INK = "#222222"
FAINT = "#8a8a8a"
REAL = "#b9b9b9"
# The papers' dashed lines: red sets the real data or the two generators apart, black the methods.
DIVIDER = "#c1121f"

# With the colours of `gantry.report.colours`: in grey, style and marker tell the methods apart.
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1)), "-.", (0, (8, 2)), ":")
MARKERS = ("o", "s", "^", "D", "v", "P")

PADS: dict[str, Any] = {"w_pad": 0.05, "h_pad": 0.05}

SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "svg.fonttype": "path",
    # Equal input gives equal bytes: identifiers in SVG files come from this salt, not from chance.
    "svg.hashsalt": "gantry",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save within this style; the settings of the process stay as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # not what a user's matplotlibrc says
        matplotlib.rcParams.update(SETTINGS)
        yield


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty figure of this size in inches; `constrained` layout places its axes."""
    layout = ConstrainedLayoutEngine(**PADS) if constrained else None
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, png: Path, svg: Path) -> None:
    """Write the figure in both formats, atomically, without dates or versions in the files."""
    write_with(png, lambda path: figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None}))
    # Constrained layout has done its work for the PNG; doing it again costs half of the time.
    if figure.get_layout_engine() is not None:
        figure.set_layout_engine("none")
    write_with(
        svg,
        lambda path: figure.savefig(
            path, format="svg", dpi=DPI, metadata={"Date": None, "Creator": "gantry"}
        ),
    )


def footer(spec: ReportSpec, *more: str) -> str:
    """The lines below a figure: other data and changes first, then scale and whatever the figure adds."""
    others = [f"{used} in place of {label}" for label, used in spec.replaced.items()]
    head = [f"{'PROXY DATA' if spec.has_proxies else 'DATA'}: {'; '.join(others)}"] if others else []
    changes = [*spec.changes, " ".join([*spec.shortened, *spec.overrides])]
    return "\n".join(
        [*head, *filter(None, changes), " · ".join([f"scale: {spec.scale}", *filter(None, more)])]
    )


def put_footer(figure: Figure, text: str) -> None:
    """Write `text` small at the figure's lower left, below everything else; for many lines the figure grows.

    Call it before `put_head`, which places by the figure's height.
    """
    lines = wrapped(text, figure.get_figwidth())
    figure.set_figheight(figure.get_figheight() + LINE * max(0, lines.count("\n") + 1 - LINES_WITH_ROOM))
    figure.supxlabel(lines, x=EDGE / figure.get_figwidth(), ha="left", fontsize=SMALL, color="#555555")


def put_head(figure: Figure, title: str, handles: Sequence[Any] = (), texts: Sequence[str] = ()) -> None:
    """Write the title and, below it, the legend above a constrained layout, which keeps out of their way."""
    inch = 1 / figure.get_figheight()
    head = heading(title, figure.get_figwidth())
    below = 0.17 * head.count("\n")
    # A line with its marker takes 0.7 inches beside its text.
    points = SETTINGS["legend.fontsize"]
    room = figure.get_figwidth() - 0.7 - EDGE
    texts = [fitted(text, room, points) for text in texts]
    lines = [line for text in texts for line in text.split("\n")]
    widest = max((0.7 + width_of(line, points) for line in lines), default=1.0)
    columns = max(1, min(len(texts), int(figure.get_figwidth() / widest)))
    rows = -(-len(texts) // columns) + sum(text.count("\n") for text in texts)
    figure.text(
        EDGE / figure.get_figwidth(),
        1 - 0.08 * inch,
        head,
        fontsize=TITLE,
        fontweight="bold",
        color=INK,
        va="top",
        ha="left",
    )
    if handles:
        figure.legend(
            list(handles),
            [label(text) for text in texts],
            loc="upper left",
            bbox_to_anchor=(0.0, 1 - (0.27 + below) * inch),
            ncols=columns,
            handlelength=3.2,
        )
    figure.set_layout_engine(
        ConstrainedLayoutEngine(**PADS, rect=(0, 0, 1, 1 - (0.37 + below + 0.2 * rows) * inch))
    )


@cache
def _font(bold: bool) -> FT2Font:
    family = FontProperties(family=SETTINGS["font.family"], weight="bold" if bold else "normal")
    return get_font(findfont(family))


def width_of(text: str, points: float, *, bold: bool = False) -> float:
    """Return how wide a line of text is in inches; subscripts count as letters of the full size.

    Letters are hinted as in a PNG, where they take a little more room than in print.
    """
    font = _font(bold)
    font.clear()
    font.set_size(points, DPI)
    font.set_text(text, 0.0, flags=get_hinting_flag())
    return float(font.get_width_height()[0]) / 64 / DPI


def fitted(text: str, width: float, points: float, *, bold: bool = False) -> str:
    """Break text into lines of at most `width` inches; a word that is wider than that is broken, too.

    Lines do not end before or after a sign of relation: λ = 1 stays together.
    """
    lines = [""]
    for word in re.split(r"(?<![=≤≥]) (?![=≤≥] )", " ".join(text.split())):
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer, points, bold=bold) <= width:
            lines[-1] = longer
            continue
        lines += [word] if lines[-1] else []
        lines[-1] = lines[-1] or word
        while width_of(lines[-1], points, bold=bold) > width and len(lines[-1]) > 1:
            last = lines.pop()
            fits = [n for n in range(1, len(last)) if width_of(last[:n], points, bold=bold) <= width]
            cut = max(fits, default=1)
            lines += [last[:cut], last[cut:]]
    return "\n".join(lines)


def wrapped(text: str, width: float) -> str:
    """Break the lines of small print so that they fit a figure `width` inches wide."""
    return label("\n".join(fitted(line, width - 2 * EDGE, SMALL) for line in text.split("\n")))


def heading(title: str, width: float) -> str:
    """A title with its subscripts set, in lines that fit a figure `width` inches wide."""
    return label(fitted(title, width - 2 * EDGE, TITLE, bold=True))


def in_lines(text: str, width: float) -> str:
    """A panel's title or label in lines of at most `width` inches."""
    return fitted(text, width, SETTINGS["axes.titlesize"])


def label(text: str) -> str:
    """A recipe's label with its subscripts set."""
    return with_subscripts(text.replace("$", r"\$"), r"$\1_{\2}$")


def thousands(ax: Axes) -> None:
    """Label the iterations as 500, 20k, 1M, at round numbers."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def no_ticks(ax: Axes) -> None:
    """A panel for points or pictures: a thin frame and nothing on it."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("#999999")

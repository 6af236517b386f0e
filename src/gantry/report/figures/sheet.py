"""A grid of equal square panels placed by the inch, with title, small print and dashed lines between."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gantry.report.figures.style import DIVIDER, INK, SMALL, TITLE, heading, new_figure, wrapped

MARGIN = 0.1


@dataclass(frozen=True)
class Sheet:
    """Panels by row and column, on a figure; lengths in inches."""

    figure: Figure
    panels: list[list[Axes]]
    x: Sequence[float]
    y: Sequence[float]
    side: float

    def vertical(self, before: int, colour: str = DIVIDER) -> None:
        """A dashed line at the left of column `before`."""
        x = (self.x[before - 1] + self.side + self.x[before]) / 2
        self._line([x, x], [self.y[-1], self.y[0] + self.side], colour)

    def horizontal(self, before: int, colour: str = DIVIDER) -> None:
        """A dashed line above row `before`."""
        y = (self.y[before - 1] + self.y[before] + self.side) / 2
        self._line([self.x[0], self.x[-1] + self.side], [y, y], colour)

    def _line(self, x: list[float], y: list[float], colour: str) -> None:
        width, height = self.figure.get_size_inches()
        line = Line2D(
            [v / width for v in x], [v / height for v in y], color=colour, linestyle="--", linewidth=1.1
        )
        self.figure.add_artist(line)


def new_sheet(
    title: str,
    small_print: str,
    side: float,
    column_gaps: Sequence[float],
    row_gaps: Sequence[float],
    *,
    left: float = 0.0,
    head: float = 0.55,
) -> Sheet:
    """A sheet with len(gaps) + 1 columns and rows; `left` and `head` leave room for row and column titles."""
    x, y = [MARGIN + left], [0.0]
    for gap in column_gaps:
        x.append(x[-1] + side + gap)
    width = max(x[-1] + side + MARGIN, 4.2)
    lines = wrapped(small_print, width)
    bottom = 0.18 + 0.14 * (lines.count("\n") + 1)
    for gap in row_gaps:
        y.append(y[-1] + side + gap)
    lettering = heading(title, width)
    head += 0.17 * lettering.count("\n")
    height = bottom + y[-1] + side + head
    figure = new_figure(width, height, constrained=False)
    y = [height - head - side - below for below in y]
    panels = [
        [figure.add_axes((at / width, up / height, side / width, side / height)) for at in x] for up in y
    ]
    figure.text(MARGIN / width, 0.07 / height, lines, fontsize=SMALL, color="#555555", va="bottom")
    figure.text(
        MARGIN / width, 1 - 0.08 / height, lettering, fontsize=TITLE, fontweight="bold", color=INK, va="top"
    )
    return Sheet(figure, panels, x, y, side)

"""Which samples are shown, and where in a grid of them: on paper, and on the page with its slider."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gantry.plan.output_types.figures import GridsOptions
from gantry.report.load import Loaded, LoadedGroup


@dataclass(frozen=True)
class Arrangement:
    """Rows by name, columns by block (a method, or a data set) and generator, and the runs in their cells.

    `cells` has a key (row, block, generator); some places stay empty.
    """

    rows: list[str]
    columns: list[tuple[str, str]]
    cells: dict[tuple[str, str, str], LoadedGroup]

    @property
    def titles(self) -> list[str]:
        """The columns' titles: the generator is named where its block has several."""
        columns = Counter(block for block, _ in self.columns)
        return [f"{block}, {generator}" if columns[block] > 1 else block for block, generator in self.columns]


def arranged(loaded: Loaded, options: GridsOptions) -> Arrangement:
    """Rows are data sets and blocks methods, or, `down` and `tiled`, the other way round."""
    cells: dict[tuple[str, str, str], LoadedGroup] = {}
    for loaded_group in loaded.groups:
        place = (loaded_group.group.dataset_title, loaded_group.group.recipe_title)
        row, block = place if options.methods == "across" else place[::-1]
        cells |= {(row, block, generator): loaded_group for generator in loaded_group.shown.generators}
    rows, blocks = (list(dict.fromkeys(key[axis] for key in cells)) for axis in (0, 1))
    columns = [
        (block, generator)
        for block in blocks
        for generator in sorted({key[2] for key in cells if key[1] == block})
    ]
    return Arrangement(rows, columns, cells)


def nearest_index(iterations: np.ndarray, wanted: int) -> int:
    """The checkpoint at `wanted`, or the last one before it (the first one if there is none)."""
    before = np.flatnonzero(iterations <= wanted)
    return int(before[-1]) if len(before) else 0


def evenly(values: Sequence[int], count: int) -> list[int]:
    """At most `count` of the values, first and last among them, evenly spaced."""
    if len(values) <= count:
        return list(values)
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, count).round().astype(int))]

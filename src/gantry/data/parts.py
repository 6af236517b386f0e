"""Which rows of a source are prepared: the part that is trained on, and the part that is held out."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gantry.data.items import Indices
from gantry.data.sources import SOURCES
from gantry.data.sources.base import Source
from gantry.errors import UserError
from gantry.paths import expanded
from gantry.plan.dataset import DatasetSpec

# Held-out rows are drawn by the subset's seed and this, so that they do not follow from which rows were drawn.
HELD_OUT_STREAM = 1


@dataclass(frozen=True)
class Parts:
    """Ascending positions of the rows to train on, and the source and positions of those that are held out."""

    chosen: Indices
    held_out: tuple[Source, Indices] | None = None


def place_of(spec: DatasetSpec, name: str, data_root: Path) -> Path | None:
    """Where the raw files of a data set lie; None for one that the project brings."""
    return None if spec.is_embedded else expanded(data_root) / (spec.path or name)


def open_source(spec: DatasetSpec, name: str, data_root: Path) -> Source:
    """List the source of `spec`; UserError where it is missing (with how to get it) or of a wrong count."""
    source_class = SOURCES[spec.source]
    path = place_of(spec, name, data_root)
    if path is not None and not path.exists():
        raise UserError(f"{path}: data set {name} ({spec.title}) is not there\n{spec.acquisition}".rstrip())
    source = source_class(spec, name, path)
    if spec.images is not None and len(source) != spec.images:
        raise UserError(
            f"{path or name}: data set {name}: {len(source):,} images found, {spec.images:,} expected: the "
            "files are incomplete or of another release; complete them, or set `images` to what you have"
        )
    if not len(source):
        raise UserError(f"{path or name}: data set {name}: no image is left of it; look at its `options`")
    return source


def draw(count: int, fraction: float, seed: int) -> Indices:
    """Ascending positions of ⌊fraction · count⌋ of `count` rows, drawn without replacement."""
    if fraction == 1:
        return np.arange(count)
    # The product of a decimal fraction and a count may fall a rounding error short of a whole number.
    wanted = max(1, math.floor(fraction * count + 1e-6))
    return np.sort(np.random.default_rng(seed).choice(count, wanted, replace=False, shuffle=False))


def in_parts(source: Source, data_root: Path) -> Parts:
    """Draw the rows of `source`, and hold out of them what the specification asks for."""
    spec = source.spec
    chosen = draw(len(source), spec.fraction, spec.subset_seed)
    if spec.held_out is None:
        return Parts(chosen)
    if spec.held_out == "official":
        options = source.official_held_out()
        other = spec.model_copy(update={"options": spec.options | options, "images": None})
        held_out = open_source(other, source.name, data_root)
        return Parts(chosen, (held_out, np.arange(len(held_out))))
    given = spec.held_out
    count = given if isinstance(given, int) else math.floor(given * len(chosen) + 1e-6)
    if not 2 <= count <= len(chosen) - 2:
        raise UserError(
            f"data set {source.name}: held_out: {given} of {len(chosen):,} rows makes {count:,}, which leaves fewer "
            "than two to one of the parts"
        )
    random = np.random.default_rng([spec.subset_seed, HELD_OUT_STREAM])
    held = np.sort(random.choice(len(chosen), count, replace=False, shuffle=False))
    return Parts(np.delete(chosen, held), (source, chosen[held]))

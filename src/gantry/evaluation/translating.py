"""`gantry translate`: a trained translator on pictures of one's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gantry.data.batches import as_input
from gantry.data.encoded import EncodedSquares
from gantry.data.items import BadImage
from gantry.data.listing import list_images
from gantry.data.prepared import PreparedSet
from gantry.errors import Diverged, UserError
from gantry.evaluation.by_checkpoint import Trained
from gantry.evaluation.sample import samples_of
from gantry.files import write_with
from gantry.methods.sampler import Sampler

Images = NDArray[np.uint8]


def source_of(trained: Trained, to: str | None) -> str:
    """Return the direction that ends in domain `to`, or the only one; UserError where there is none or no choice."""
    sampler = trained.sampler
    if "translate" not in sampler.can:
        raise UserError(
            f"{trained.path}: method {trained.recipe.method.name} does not translate; give a run of a method that does "
            "(pix2pix, cyclegan)"
        )
    directions = sampler.directions
    if to is None and len(directions) == 1:
        return directions[0]
    wanted = (to or "").replace("->", "→")
    ends = [direction.rpartition("→")[2] for direction in directions]
    parts = wanted.split("+")
    if len(parts) > 1 and sampler.joins and set(parts) <= set(ends):
        return f"→{wanted}"
    found = [way for way, end in zip(directions, ends, strict=True) if wanted in (way, end)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"--to: {to}: say from where as well: --to {' or '.join(map(repr, found))}")
    said = "missing" if to is None else f"there is no domain {to!r}"
    raise UserError(f"--to: {said}; {trained.path} translates to {' or '.join(dict.fromkeys(ends))}")


def read(paths: Sequence[Path], side: int) -> tuple[list[str], Images]:
    """Return the names, without suffixes, and the centred squares (N, side, side, 3) of image files and folders.

    They are decoded, cropped and resized as `gantry prepare` does it. Raises UserError that names what cannot be read.
    """
    found: list[tuple[Path, str, Any]] = []
    for path in paths:
        try:
            if path.is_dir():
                listing = list_images(path, f"{path}")
                found += [(path, name, listing.reader(content)) for name, content in listing.files]
            else:
                found.append((path, path.name, path.read_bytes()))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or error}; give files or folders of images") from None
    squares = EncodedSquares(len(found), side, "center")
    for place, (path, name, content) in enumerate(found):
        try:
            squares.add(place, content)
        except BadImage as error:
            shown = path / name if path.is_dir() else path
            raise UserError(f"{shown}: the image cannot be read: {error}; leave it out") from None
    squares.finish()
    return [Path(name).stem for _, name, _ in found], squares.pixels


def styles_of(trained: Trained, count: int | None, seed: int) -> Tensor | None:
    """Return `count` styles (count, S), drawn from the seed, or None where none were asked for.

    Raises UserError for a translator without styles.
    """
    if count is None:
        return None
    if "translate_in_style" not in trained.sampler.can:
        raise UserError(
            f"--styles: {trained.path}: method {trained.recipe.method.name} has no styles to draw: take --styles away, "
            "or give a run of bicyclegan, or of latent_translation with networks of content_style (MUNIT, DRIT)"
        )
    return trained.sampler.draw_styles(count, torch.Generator().manual_seed(seed))


def translate(
    trained: Trained, source: str, images: Images, device: torch.device, style: Tensor | None = None
) -> Images:
    """Return what `source` makes of uint8 images (N, H, W, 3), all in one style (S,) where one is given.

    Raises UserError if the run has diverged.
    """
    given = {"x": as_input(torch.from_numpy(images))}
    if style is not None:
        given["z"] = style.expand(len(images), -1)
    try:
        return samples_of(Translation(trained.sampler), source, given, device).astype(np.uint8, copy=False)
    except Diverged as error:
        raise UserError(f"{trained.path}: {error}: the run diverged; take an earlier --iteration") from None


class Translation(Sampler):
    """A sampler whose samples are translations of what it is given, in any of its directions."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.sources = sampler.directions
        self.joins = sampler.joins

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        return self.sampler.inputs(source, rows, randomness, held_out)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        if "z" in inputs:
            return self.sampler.translate_in_style(source, inputs["x"], inputs["z"])
        return self.sampler.translate(source, inputs["x"])


def write(images: Images, names: Sequence[str], out: Path) -> None:
    """Write one PNG file for each image into the folder `out`, under its name; a number tells equal ones apart."""
    seen: dict[str, int] = {}
    for name, image in zip(names, images, strict=True):
        seen[name] = seen.get(name, 0) + 1
        ending = f"-{seen[name]}" if seen[name] > 1 else ""
        write_with(out / f"{name}{ending}.png", Image.fromarray(image).save)


def side_of(trained: Trained) -> int:
    """Return the side of the images that the translator starts from; UserError for a translator of points."""
    shape = trained.data.input or trained.data.sample
    if len(shape) != 3:
        raise UserError(f"{trained.path}: translates points, and not images")
    return shape[1]

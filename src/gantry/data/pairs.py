"""Inputs beside images: pairs for translation, as people have them or made of the images themselves.

An input is made, or found, where its image is prepared, so that both go through the same decoder, crop and resize.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantry.data.items import BadImage, Item, Pixels, Reader
from gantry.data.pixels import Squares
from gantry.plan.dataset import InputsSpec

Grey = NDArray[np.floating]
# ITU-R BT.601.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
HOLE_LEVEL = 128
GOLDEN_ANGLE = np.pi * (3 - 5**0.5)


class Pairing(ABC):
    """Where the inputs of a set come from."""

    def side(self, side: int) -> int:
        """The side of the inputs of images (side, side, 3)."""
        return side

    @abstractmethod
    def add(
        self, place: int, item: Item, content: Any, read: Reader, images: Squares, inputs: Squares
    ) -> None:
        """Take in one item, already read, as row `place` of both; BadImage if it makes no pair."""

    def finish(self, images: Pixels, inputs: Squares, first: int) -> Pixels:
        """The inputs of `images`, of which the first is row `first` of the set."""
        inputs.finish()
        return inputs.pixels


@dataclass(frozen=True)
class SideBySide(Pairing):
    """One file holds both, of equal width; `half` is the input (pix2pix's layout)."""

    half: str

    def add(
        self, place: int, item: Item, content: Any, read: Reader, images: Squares, inputs: Squares
    ) -> None:
        both = images.decoded(content)
        width = both.shape[1]
        if width % 2 or width < 2:
            raise BadImage(f"{width}×{both.shape[0]} pixels: two images of equal width do not make that")
        left, right = both[:, : width // 2], both[:, width // 2 :]
        source, target = (left, right) if self.half == "left" else (right, left)
        images.place(place, target)
        inputs.place(place, source)


@dataclass(frozen=True)
class TwoFolders(Pairing):
    """Inputs lie in a folder of their own, under the names of their images."""

    def add(
        self, place: int, item: Item, content: Any, read: Reader, images: Squares, inputs: Squares
    ) -> None:
        images.add(place, content)
        try:
            inputs.add(place, read(item.input))
        except BadImage as error:
            raise BadImage(f"its input {error}") from error


@dataclass(frozen=True)
class Degraded(Pairing):
    """The input is what a named degradation leaves of the image."""

    degradation: str
    factor: int

    def side(self, side: int) -> int:
        return side // self.factor if self.degradation == "low" else side

    def add(
        self, place: int, item: Item, content: Any, read: Reader, images: Squares, inputs: Squares
    ) -> None:
        images.add(place, content)

    def finish(self, images: Pixels, inputs: Squares, first: int) -> Pixels:
        degrade = DEGRADATIONS[self.degradation]
        return np.stack([degrade(image, self.factor, first + i) for i, image in enumerate(images)])


def pairing(spec: InputsSpec) -> Pairing:
    """What a set's `inputs` block asks for."""
    if spec.half is not None:
        return SideBySide(spec.half)
    if spec.degradation is not None:
        return Degraded(spec.degradation, spec.factor)
    return TwoFolders()


# ── degradations: (H, W, 3) uint8 → (h, w, 3) uint8; the row only lets blurs differ ───────────────────


def luma(image: Pixels) -> Grey:
    """(H, W) from 0 to 255."""
    return image.astype(np.float32) @ LUMA


def _as_rgb(grey: Grey) -> Pixels:
    levels = np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def edges(image: Pixels, factor: int, row: int) -> Pixels:
    """Length of the gradient of luminance by Sobel's operator, a step from black to white being 255."""
    y = np.pad(luma(image), 1, mode="edge")
    smooth_down = y[:-2] + 2 * y[1:-1] + y[2:]
    smooth_right = y[:, :-2] + 2 * y[:, 1:-1] + y[:, 2:]
    across, down = smooth_down[:, 2:] - smooth_down[:, :-2], smooth_right[2:] - smooth_right[:-2]
    return _as_rgb(np.hypot(across, down) / 4)


def grey(image: Pixels, factor: int, row: int) -> Pixels:
    """Luminance, three times."""
    return _as_rgb(luma(image))


def low(image: Pixels, factor: int, row: int) -> Pixels:
    """A `factor` times smaller image, by Pillow's antialiased bicubic filter."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def hole(image: Pixels, factor: int, row: int) -> Pixels:
    """The image without the square in its middle, half as wide as itself."""
    height, width = image.shape[:2]
    kept = image.copy()
    kept[height // 4 : height - height // 4, width // 4 : width - width // 4] = HOLE_LEVEL
    return kept


def blur(image: Pixels, factor: int, row: int) -> Pixels:
    """Even motion along a line an eighth of the image long, in a direction of its own for each row."""
    height, width = image.shape[:2]
    length, angle = max(height / 8, 2.0), GOLDEN_ANGLE * row
    steps = np.linspace(-length / 2, length / 2, int(2 * length) + 1)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    total = np.zeros(image.shape, np.float32)
    for step in steps:
        total += _between(image, y + step * np.sin(angle), x + step * np.cos(angle))
    return np.rint(total / len(steps)).astype(np.uint8)


def _between(image: Pixels, y: Grey, x: Grey) -> NDArray[np.float32]:
    """Bilinear values at the places (y, x); beyond the edge, the edge's."""
    height, width = image.shape[:2]
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = (y - top)[..., None], (x - left)[..., None]
    above = image[top, left] * (1 - across) + image[top, right] * across
    below = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return (above * (1 - down) + below * down).astype(np.float32)


DEGRADATIONS: dict[str, Callable[[Pixels, int, int], Pixels]] = {
    "edges": edges,
    "grey": grey,
    "low": low,
    "hole": hole,
    "blur": blur,
}

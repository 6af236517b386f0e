"""One image of a source, read or not: what listings, readers, decoders and sources hand to one another."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Pixels = NDArray[np.uint8]
# Turns an item's content into an encoded image file (bytes, or a part of one) or into pixels (H, W, 3); runs in the
# workers, so it must be picklable. What it cannot read raises BadImage.
Reader = Callable[[Any], "bytes | Boxed | Pixels"]
Option = int | float | str | tuple[str, ...]
# A class, the attributes of an image, each 0 or 1, or a vector of numbers; and those of a whole set: (N,) int64, (N, A)
# uint8, (N, V) or (N, M, V) float32.
Label = int | tuple[int, ...] | NDArray[np.float32]
Labels = NDArray[Any]


class Boxed(NamedTuple):
    """An image file of which only a box is wanted: (left, top, right, bottom) in pixels; what sticks out is cut off."""

    encoded: bytes
    box: tuple[int, int, int, int]

    @property
    def data(self) -> bytes:
        """Everything that the pixels follow from, for digests."""
        return self.encoded + repr(self.box).encode()


class BadImage(Exception):
    """One image that cannot be read; the message says why, the caller knows which."""


class Item(NamedTuple):
    """One image of a source, not yet read: `content` is where it lies, or its pixels, contiguous."""

    name: str
    content: Any
    label: Label | None = None
    input: Any | None = None  # where the other half of a pair lies, if that has a file of its own

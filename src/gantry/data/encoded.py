"""Encoded images to squares, many at a time; imported only where a source holds image files.

JPEG goes through torchvision's decoder and everything through torch's antialiased bicubic filter on uint8,
which is Pillow's filter in vector instructions: within one or two grey levels of Pillow, in a third of its
time. Measurements are in docs/data.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gantry.data.decoding import decode
from gantry.data.items import BadImage, Boxed
from gantry.data.pixels import FILTERS, Squares, box

# Pixels of decoded images that wait for others of their size.
WAITING_BYTES = 1 << 25


class EncodedSquares(Squares):
    """Makes squares of image files; resizes those of equal size together."""

    def __init__(self, count: int, side: int, crop: str) -> None:
        super().__init__(count, side, crop)
        self._waiting: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
        self._bytes = 0

    def decoded(self, content: Any) -> Tensor:
        """Decode one image file, or a box of it; BadImage if that cannot be done."""
        if isinstance(content, Boxed):
            image, conversions = decode(content.encoded)
            image = boxed(image, content.box)
        else:
            image, conversions = decode(content, self.side)
        self.conversions.update(conversions)
        return image

    def place(self, place: int, image: Any) -> None:
        """Crop one image (H, W, 3), which becomes `pixels[place]` at the latest in `finish`."""
        left, top, right, bottom = box(image.shape[1], image.shape[0], self.crop)
        cropped = image[top:bottom, left:right]
        self._waiting.setdefault(tuple(cropped.shape), []).append((place, cropped))
        self._bytes += cropped.numel()
        if self._bytes > WAITING_BYTES:
            self.finish()

    def finish(self) -> None:
        """Resize what still waits."""
        with one_thread():
            for group in self._waiting.values():
                places = [place for place, _ in group]
                self.pixels[places] = resize(
                    torch.stack([image for _, image in group]), self.side, FILTERS[self.crop]
                ).numpy()
        self._waiting, self._bytes = {}, 0


def boxed(image: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Return what lies in `box` (left, top, right, bottom) of an image (H, W, 3); BadImage if nothing does."""
    left, top, right, bottom = box
    kept = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if not kept.numel():
        raise BadImage(f"its box {box} lies outside of its {image.shape[1]}×{image.shape[0]} pixels")
    return kept


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread: each core has a worker, and two threads that share one wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def resize(images: Tensor, side: int, mode: str = "bicubic") -> Tensor:
    """(N, H, W, 3) uint8 → (N, side, side, 3), by PyTorch's bicubic or bilinear filter, antialiased."""
    if images.shape[1:3] == (side, side):
        return images
    planes = torch.nn.functional.interpolate(
        images.permute(0, 3, 1, 2), size=(side, side), mode=mode, antialias=True
    )
    return planes.permute(0, 2, 3, 1)

"""Encoded images to squares, many at a time; imported only where a source holds image files.

JPEG goes through torchvision's decoder and everything through torch's antialiased bicubic filter on uint8,
which is Pillow's filter in vector instructions: within one or two grey levels of Pillow, in a third of its
time. Measurements are in docs/data.md.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gantry.data.pixels import Squares, box
from gantry.data.sources.base import BadImage

try:
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision announces that its decoders will go; Pillow's takes half as long again
    decode_jpeg = None

# Pillow reads a file's header first, so it takes the large ones: it refuses absurd sizes, and can scale.
LARGE_FILE = 1 << 18
# JPEG's own scaling (by 2, 4 or 8, in the frequency domain) is used where its result is still at least
# this many times larger than the square: then fewer than 1 in 1,000 values differ by more than 3 levels.
MARGIN = 8
# Pixels of decoded images that wait for others of their size.
WAITING_BYTES = 1 << 25
# What Pillow raises at files that are damaged, no images, or absurdly large.
DAMAGE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)


class EncodedSquares(Squares):
    """Makes squares of image files; resizes those of equal size together."""

    def __init__(self, count: int, side: int, crop: str) -> None:
        super().__init__(count, side, crop)
        self._waiting: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
        self._bytes = 0

    def add(self, place: int, content: Any) -> None:
        """Decode one image file, which becomes `pixels[place]`; BadImage if it cannot be decoded."""
        image = decode(content, self.side)
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
                self.pixels[places] = resize(torch.stack([image for _, image in group]), self.side).numpy()
        self._waiting, self._bytes = {}, 0


def decode(encoded: bytes, side: int) -> Tensor:
    """Decode an image file to (H, W, 3) uint8; a large JPEG comes scaled down if `side` allows it."""
    is_jpeg = encoded.startswith(b"\xff\xd8")
    if decode_jpeg is not None and is_jpeg and len(encoded) <= LARGE_FILE:
        try:
            content = torch.frombuffer(bytearray(encoded), dtype=torch.uint8)
            return decode_jpeg(content, ImageReadMode.RGB).permute(1, 2, 0)
        except RuntimeError:
            pass  # Pillow reads some files that this decoder does not, and says better what is wrong.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(encoded))
            if is_jpeg:
                scale = max(1, min(image.size) // (MARGIN * side))
                image.draft("RGB", (image.width // scale, image.height // scale))
            return torch.from_numpy(np.array(image.convert("RGB")))
    except DAMAGE as error:
        raise BadImage(f"cannot be decoded: {error}" if encoded else "an empty file") from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread: each core has a worker, and two threads that share one wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def resize(images: Tensor, side: int) -> Tensor:
    """(N, H, W, 3) uint8 → (N, side, side, 3), bicubic, antialiased."""
    if images.shape[1:3] == (side, side):
        return images
    planes = torch.nn.functional.interpolate(
        images.permute(0, 3, 1, 2), size=(side, side), mode="bicubic", antialias=True
    )
    return planes.permute(0, 2, 3, 1)

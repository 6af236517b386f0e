"""CUB-200-2011: birds with the embedded captions that GAN-CLS, StackGAN and StackGAN++ were trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantry.data.archives import FRESH
from gantry.data.items import BadImage, Boxed, Indices, Item, Option, Reader
from gantry.data.pickles import DAMAGE, array_of, list_of, number_of, unpickled
from gantry.data.sources.base import ImageSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

EMBEDDINGS, FILES, CLASSES = "char-CNN-RNN-embeddings.pickle", "filenames.pickle", "class_info.pickle"
# The folder of the images and of the tables below `path`; `path` may be it, too.
DISTRIBUTION = "CUB_200_2011"
# What is kept around the middle of the bird's box, in sides of the box: this to each side.
AROUND = 0.75

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxReader:
    """Reads an image below `folder`, of which the square around its bird is wanted."""

    folder: Path

    def __call__(self, content: tuple[str, Box]) -> Boxed:
        file, box = content
        try:
            return Boxed((self.folder / file).read_bytes(), around(box))
        except OSError as error:
            raise BadImage(error.strerror or str(error)) from error


def around(box: Box) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the square around (left, top, width, height).

    R = int(¾ · the longer side), from a middle that is rounded down; the image's edges cut it where it sticks out.
    Source: custom_crop of hanzhanggit/StackGAN, misc/utils.py; StackGAN-v2 has the same.
    """
    left, top, width, height = box
    x, y, reach = int((2 * left + width) / 2), int((2 * top + height) / 2), int(max(width, height) * AROUND)
    return x - reach, y - reach, x + reach, y + reach


class Cub(ImageSource):
    """Birds, cut out as StackGAN's authors do, with M embedded captions each: labels are (N, M, V) float32.

    `path` holds their folders train and test, with char-CNN-RNN-embeddings.pickle (a list of (10, 1024) arrays),
    filenames.pickle and class_info.pickle, and CUB_200_2011 as distributed (images, images.txt, bounding_boxes.txt).
    The pickles are read by `gantry.data.pickles`, which runs nothing of them. Option: `split` (train, test), whose
    species differ. What the edge of an image cuts off a square, the authors squeeze: `crop: resize`.
    """

    options: ClassVar[dict[str, Option]] = {"split": "train"}
    test_split: ClassVar[str] = "test"

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        root = required(path, name)
        self._place = root / DISTRIBUTION if (root / DISTRIBUTION).is_dir() else root
        folder = root / self._one_of("split", ("train", "test"))
        self._files = [str(file) for file in self._pickled(folder / FILES, list_of)]
        self._classes = self._pickled(folder / CLASSES, lambda held: [number_of(n) for n in list_of(held)])
        self._captions = self._pickled(folder / EMBEDDINGS, captions_of)
        counts = {FILES: len(self._files), CLASSES: len(self._classes), EMBEDDINGS: len(self._captions)}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{count:,} in {file}" for file, count in counts.items())
            raise UserError(f"{folder}: data set {name}: {said}: they are not of one release; {FRESH}")
        boxes = self._boxes()
        if lacking := [file for file in self._files if file not in boxes]:
            raise UserError(
                f"{self._place / 'images.txt'}: data set {name}: says nothing of {len(lacking):,} images of "
                f"{folder / FILES}, {lacking[0]} the first; {FRESH}"
            )
        self._contents = [(f"{file}.jpg", boxes[file]) for file in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def describe(self) -> dict[str, Any]:
        return {"species": len(set(self._classes))}

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            yield Item(self._files[i], self._contents[i], self._captions[i])

    def reader(self) -> Reader:
        return BoxReader(self._place / "images")

    def _pickled(self, path: Path, made: Any) -> Any:
        """What `made` makes of a pickle; UserError, which names the file, where it is missing, damaged or hostile."""
        try:
            return made(unpickled(path.read_bytes()))
        except FileNotFoundError:
            raise UserError(
                f"{path}: data set {self.name}: is not there\n{self.spec.acquisition}".rstrip()
            ) from None
        except OSError as error:
            raise UserError(
                f"{path}: data set {self.name}: cannot be read: {error.strerror or error}"
            ) from error
        except DAMAGE as error:
            raise UserError(
                f"{path}: data set {self.name}: not the authors' pickle: {error}; {FRESH}"
            ) from error

    def _boxes(self) -> dict[str, Box]:
        """Image, without its suffix → (left, top, width, height) of its bird."""
        names = {
            number: rest[0].removesuffix(".jpg") for number, rest in self._table("images.txt", 1).items()
        }
        boxes: dict[str, Box] = {}
        for number, numbers in self._table("bounding_boxes.txt", 4).items():
            try:
                left, top, width, height = box = tuple(map(float, numbers))
                if not all(map(isfinite, box)) or min(width, height) <= 0:
                    raise ValueError(f"{' '.join(numbers)} is no box")
            except ValueError as error:
                raise UserError(
                    f"{self._place / 'bounding_boxes.txt'}: data set {self.name}: image {number}: {error}; {FRESH}"
                ) from error
            if number in names:
                boxes[names[number]] = (left, top, width, height)
        return boxes

    def _table(self, file: str, columns: int) -> dict[str, list[str]]:
        """Number of an image → its columns, of a table of words between spaces."""
        path = self._place / file
        try:
            lines = path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            raise UserError(
                f"{path}: data set {self.name}: is not there\n{self.spec.acquisition}".rstrip()
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: data set {self.name}: cannot be read: {error}; {FRESH}") from error
        rows = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if words and len(words) != columns + 1:
                raise UserError(
                    f"{path}: data set {self.name}: line {number}: {len(words)} words, expected {columns + 1}; {FRESH}"
                )
            if words:
                rows[words[0]] = words[1:]
        return rows


def captions_of(held: Any) -> Sequence[NDArray[np.float32]]:
    """Return the captions of each image, (M, V) float32 each; ValueError where they are not alike, or not finite."""
    found = [array_of(captions) for captions in held]
    if not found:
        raise ValueError("no captions in it")
    shape = found[0].shape
    for number, captions in enumerate(found):
        if captions.ndim != 2 or 0 in captions.shape or captions.dtype.kind != "f":
            raise ValueError(
                f"image {number} has captions of shape {captions.shape} and type {captions.dtype}, expected (M, V) of "
                "floats"
            )
        if captions.shape != shape:
            raise ValueError(
                f"image {number} has captions of shape {captions.shape}, those before it {shape}"
            )
        if not np.isfinite(captions).all():
            raise ValueError(f"captions of image {number} hold NaN or infinity")
    return [np.asarray(captions, dtype=np.float32) for captions in found]

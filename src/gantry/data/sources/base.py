"""What every source of data offers to `prepare`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantry.data.items import Indices, Item, Labels, Option, Pixels, Reader
from gantry.errors import UserError, suggestion
from gantry.plan.dataset import DatasetSpec


class Source(ABC):
    """A data set in the format in which users get it.

    `path` is the file or folder of the specification, or None where the data come with a dependency.
    Opening a source lists what is there, quickly, and raises UserError where the listing is not as it
    should be; pixels are read later, by the workers.
    """

    options: ClassVar[dict[str, Option]] = {}
    is_proxy: ClassVar[bool] = False
    native_resolution: ClassVar[int | None] = None
    # The value of option `split` that names the distribution's own test images; "" where it has none.
    test_split: ClassVar[str] = ""

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        self.spec = spec
        self.name = name
        self.path = path
        self.chosen_options = self._checked(spec.options)

    @property
    def kind(self) -> str:
        """Either "images" or "points"."""
        return "images"

    @abstractmethod
    def __len__(self) -> int:
        """The number of images or points in the whole source."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes by number, or the attributes in their order; empty where labels are but numbers."""
        return ()

    @property
    def left_out(self) -> Mapping[str, int]:
        """Why → how many of the files that were found are none of the source's images."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Facts that go into the manifest beside the counts."""
        return {}

    def official_held_out(self) -> dict[str, Option]:
        """The options that name the distribution's own test images; UserError where it has none to hold out."""
        split = str(self.chosen_options.get("split", ""))
        if not self.test_split:
            raise UserError(
                f"data set {self.name}: held_out: source {self.spec.source} has no official test images; give a "
                "number or a share"
            )
        if not split.startswith("train"):
            raise UserError(
                f"data set {self.name}: held_out: official goes with options.split: train, not with {split}"
            )
        return {"split": self.test_split}

    def _checked(self, given: dict[str, Option]) -> dict[str, Any]:
        """The source's options with `given` laid over the defaults, each of the default's type."""
        for key, value in given.items():
            where = f"data set {self.name}: options.{key}"
            if key not in self.options:
                known = ", ".join(self.options) or "none"
                raise UserError(
                    f"{where}: unknown option{suggestion(key, self.options)}\n"
                    f"  options of source {self.spec.source}: {known}"
                )
            default = self.options[key]
            fits = isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))
            if not fits or isinstance(value, bool):
                kind = "list of words" if isinstance(default, tuple) else type(default).__name__
                quoted = f'; quote it: "{value}"' if isinstance(default, str) else ""
                raise UserError(f"{where}: {value!r} is not of type {kind}{quoted}")
        return dict(self.options) | given

    def _above(self, key: str, least: float) -> Any:
        """An option that must be at least `least`."""
        value = self.chosen_options[key]
        if value < least:
            raise UserError(f"data set {self.name}: options.{key}: {value} is below {least}")
        return value

    def _one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        """An option that must be one of `allowed`."""
        value = self.chosen_options[key]
        if value not in allowed:
            raise UserError(
                f"data set {self.name}: options.{key}: {value!r} is none of {', '.join(allowed)}"
                f"{suggestion(str(value), allowed)}"
            )
        return str(value)

    def _one_of_numbers(self, key: str, allowed: tuple[int, ...]) -> int:
        """An option that must be one of these numbers."""
        value = self.chosen_options[key]
        if value not in allowed:
            raise UserError(
                f"data set {self.name}: options.{key}: {value} is none of {', '.join(map(str, allowed))}"
            )
        return int(value)


class ImageSource(Source):
    """A source of images, listed in a fixed order; `encoded` says that its reader returns image files."""

    encoded: ClassVar[bool] = True

    @abstractmethod
    def items(self, chosen: Indices) -> Iterator[Item]:
        """The images at the ascending positions `chosen`, in order, without reading the others."""

    @abstractmethod
    def reader(self) -> Reader:
        """What the workers call on each item's content."""


class PixelSource(ImageSource):
    """A source whose items carry their pixels, not image files."""

    encoded = False

    def reader(self) -> Reader:
        return pixels_as_they_are


class PointSource(Source):
    """A source of points in the plane."""

    @property
    def kind(self) -> str:
        return "points"

    @abstractmethod
    def points(self) -> NDArray[np.float32]:
        """All points, (N, 2)."""

    def inputs(self) -> NDArray[np.float32] | None:
        """The inputs of pairs whose targets the points are, (N, 2), row by row; None where there are no pairs."""
        return None

    def labels(self) -> Labels | None:
        """The component that each point was drawn from, (N,), where that is known; or its attributes, (N, A)."""
        return None


def pixels_as_they_are(content: Pixels) -> Pixels:
    """The reader of sources whose items carry their pixels."""
    return content

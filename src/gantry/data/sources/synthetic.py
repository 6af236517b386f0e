"""Sets that need no download: the Gaussian mixture, and the proxies that ship inside scikit-learn."""

import gzip
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantry.data.captions import OPTIONS, captions_asked
from gantry.data.items import Indices, Item, Label, Labels, Option, Pixels
from gantry.data.sources.base import PixelSource, PointSource
from gantry.errors import UserError, suggestion
from gantry.plan.dataset import DatasetSpec


class GaussianGrid(PointSource):
    """Points of isotropic Gaussians on a square grid around the origin, equally likely.

    The defaults are BCGAN's section 3.2: 100,000 points, means {−2, 0, 2}², variance 0.05. Labels are the modes, or,
    with `attributes`, whether a point's mode lies at the right of the middle, and whether it lies above it. With
    `symmetric: 0` the modes left are the grid's first line and one of each other line: no turn and no reflection maps
    them onto themselves.
    """

    options: ClassVar[dict[str, Option]] = {
        "count": 100_000,
        "side": 3,
        "spacing": 2.0,
        "variance": 0.05,
        "seed": 0,
        "attributes": 0,
        "symmetric": 1,
    }

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._has_attributes = "attributes" in self.options and bool(
            self._one_of_numbers("attributes", (0, 1))
        )
        axis = (
            np.arange(self._above("side", 1)) - (self.chosen_options["side"] - 1) / 2
        ) * self.chosen_options["spacing"]
        self.means = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        if not self._one_of_numbers("symmetric", (0, 1)):
            if len(axis) < 3:
                raise UserError(
                    f"data set {name}: options.symmetric: 0 leaves modes of 3 lines or more: set side: 3"
                )
            line, place = np.divmod(np.arange(len(self.means)), len(axis))
            self.means = self.means[(line == 0) | (place == (line == len(axis) - 1))]
        random = np.random.default_rng(self._above("seed", 0))
        self._component = random.integers(len(self.means), size=self._above("count", 1))
        noise = random.standard_normal((len(self._component), 2))
        self._points = self.means[self._component] + np.sqrt(self._above("variance", 0.0)) * noise

    def __len__(self) -> int:
        return len(self._points)

    def points(self) -> NDArray[np.float32]:
        return self._points.astype(np.float32)

    def labels(self) -> Labels:
        return self._attributes()[self._component] if self._has_attributes else self._component

    @property
    def label_names(self) -> tuple[str, ...]:
        return ("right", "upper") if self._has_attributes else ()

    def _attributes(self) -> NDArray[np.uint8]:
        """(modes, 2) of 0 and 1."""
        return (self.means > 0).astype(np.uint8)

    def describe(self) -> dict[str, Any]:
        told = {"means": self.means.tolist(), "variance": self.chosen_options["variance"]}
        return told | ({"mode_attributes": self._attributes().tolist()} if self._has_attributes else {})


class GaussianPair(GaussianGrid):
    """Pairs: the inputs are points of a `GaussianGrid`, the targets the same turned by `turn` degrees, scaled, shifted.

    With `merged`, the targets' modes are the grid's first column alone, each for a row of it: which of the columns a
    point came from cannot be told any more. `swapped`: the targets are the inputs, and these the targets, so of merged
    modes each has three answers. Labels are the modes of the `GaussianGrid`.
    """

    options: ClassVar[dict[str, Option]] = {
        key: value for key, value in GaussianGrid.options.items() if key != "attributes"
    } | {
        "turn": 30.0,
        "scale": 1.0,
        "shift": 1.0,
        "merged": 0,
        "swapped": 0,
    }

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._inputs, self.input_means = self._points, self.means
        angle, scale = np.deg2rad(self.chosen_options["turn"]), self._above("scale", 1e-6)
        turned = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self.input_variance = float(self.chosen_options["variance"])
        self.variance = scale**2 * self.input_variance

        def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return points @ turned.T + self.chosen_options["shift"]

        kept = self.means.copy()
        if self._one_of_numbers("merged", (0, 1)):
            kept[:, 1] = self.means[0, 1]
        self._points = moved(self._inputs - self.means[self._component] + kept[self._component])
        self.means = np.unique(moved(kept).round(12), axis=0)
        if self._one_of_numbers("swapped", (0, 1)):
            self._inputs, self._points = self._points, self._inputs
            self.input_means, self.means = self.means, self.input_means
            self.input_variance, self.variance = self.variance, self.input_variance

    def inputs(self) -> NDArray[np.float32]:
        return self._inputs.astype(np.float32)

    def describe(self) -> dict[str, Any]:
        return {
            "means": self.means.tolist(),
            "variance": self.variance,
            "inputs_means": self.input_means.tolist(),
            "inputs_variance": self.input_variance,
        }


# What can be said of digits beside their numbers.
DIGITS_WITH: dict[str, frozenset[int]] = {
    "even": frozenset({0, 2, 4, 6, 8}),
    "looped": frozenset({0, 6, 8, 9}),
    "large": frozenset({5, 6, 7, 8, 9}),
}


class Digits(PixelSource):
    """scikit-learn's 1,797 handwritten digits, 8×8 grey levels 0 to 16, as RGB, with labels 0 to 9.

    `attributes`, names of `DIGITS_WITH`, stand in the place of labels: (N, A), whether a digit has each. `captions`,
    `mentioned` and `seed` make vectors (N, M, A) of them: see `gantry.data.captions`.
    """

    is_proxy = True
    native_resolution = 32
    options: ClassVar[dict[str, Option]] = {"attributes": (), **OPTIONS}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        grey, self._labels = _digits()
        self._images: Pixels = np.repeat(grey[..., None], 3, axis=-1)
        self._attributes = tuple(self.chosen_options["attributes"])
        for attribute in self._attributes:
            if attribute not in DIGITS_WITH:
                raise UserError(
                    f"data set {name}: options.attributes: {attribute!r} is none of {', '.join(DIGITS_WITH)}"
                    f"{suggestion(attribute, DIGITS_WITH)}"
                )
        self._captions = captions_asked(self.chosen_options, self._attributes, name)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._attributes

    def _label(self, i: int) -> Label:
        digit = int(self._labels[i])
        if not self._attributes:
            return digit
        label = tuple(int(digit in DIGITS_WITH[attribute]) for attribute in self._attributes)
        return label if self._captions is None else self._captions.of(f"digit {i}", label)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen:
            yield Item(f"digit {i}", self._images[i], self._label(i))


class Photograph(PixelSource):
    """Square windows of one of scikit-learn's two photographs, at random places and of random sizes."""

    is_proxy = True
    native_resolution = 32
    options: ClassVar[dict[str, Option]] = {
        "image": "flower",
        "count": 2000,
        "smallest": 48,
        "largest": 192,
        "seed": 0,
    }

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        image = self._one_of("image", ("flower", "china"))
        self._photograph: Pixels = np.asarray(Image.open(_inside_sklearn(f"images/{image}.jpg")))
        height, width = self._photograph.shape[:2]
        smallest, largest = self._above("smallest", 8), self.chosen_options["largest"]
        if not smallest <= largest <= min(height, width):
            raise UserError(
                f"data set {name}: options.largest: {largest} is not between options.smallest "
                f"({smallest}) and the photograph's height ({min(height, width)})"
            )
        random = np.random.default_rng(self._above("seed", 0))
        sides = random.integers(smallest, largest, size=self._above("count", 1), endpoint=True)
        self._windows = np.stack(
            [random.integers(height - sides + 1), random.integers(width - sides + 1), sides], axis=1
        )

    def __len__(self) -> int:
        return len(self._windows)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen:
            top, left, side = self._windows[i]
            window = self._photograph[top : top + side, left : left + side]
            yield Item(f"window {i}", np.ascontiguousarray(window))


# The colour of pasted digits, of the largest chroma that leaves no channel at 0.
INK = (255, 32, 32)


class PastedDigits(PixelSource):
    """Images of two layers that are known: digits in one colour of ink, on grey windows of a photograph.

    x = m·f + (1 − m)·b, f = `INK`, b grey, m a digit's grey levels enlarged to `smallest` to `largest` pixels of 32 and
    put anywhere. As b has no chroma, m = (max − min of x's channels) / (max − min of f's), of samples too: see
    `gantry.evaluation.layers`. Labels are the digits.
    """

    is_proxy = True
    native_resolution = 32
    options: ClassVar[dict[str, Option]] = {"image": "china", "smallest": 14, "largest": 24, "seed": 0}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        image = self._one_of("image", ("flower", "china"))
        smallest, largest = self._above("smallest", 8), self.chosen_options["largest"]
        if not smallest <= largest <= 32:
            raise UserError(
                f"data set {name}: options.largest: {largest} is not between options.smallest ({smallest}) and the "
                "images' 32 pixels"
            )
        self._digits, self._labels = _digits()
        photograph = Image.open(_inside_sklearn(f"images/{image}.jpg")).convert("L")
        self._grey: Pixels = np.asarray(photograph)
        random = np.random.default_rng(self._above("seed", 0))
        count, (height, width) = len(self._digits), self._grey.shape
        self._windows = random.integers((0, 0), (height - 64 + 1, width - 64 + 1), size=(count, 2))
        sides = random.integers(smallest, largest, size=count, endpoint=True)
        self._places = np.column_stack(
            [random.integers(32 - sides + 1), random.integers(32 - sides + 1), sides]
        )

    def __len__(self) -> int:
        return len(self._digits)

    def describe(self) -> dict[str, Any]:
        return {"ink": list(INK)}

    def mask(self, i: int) -> NDArray[np.float64]:
        """Return m of image `i`, (32, 32) in [0, 1]."""
        top, left, side = self._places[i]
        digit = Image.fromarray(self._digits[i]).resize((side, side), Image.Resampling.BILINEAR)
        mask = np.zeros((32, 32))
        mask[top : top + side, left : left + side] = np.asarray(digit) / 255
        return mask

    def background(self, i: int) -> NDArray[np.float64]:
        """Return b of image `i`, (32, 32) from 0 to 255: means of 2 by 2 pixels of its window."""
        top, left = self._windows[i]
        window = self._grey[top : top + 64, left : left + 64].astype(np.float64)
        return window.reshape(32, 2, 32, 2).mean((1, 3))

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen:
            mask = self.mask(i)[..., None]
            pixels = mask * np.array(INK) + (1 - mask) * self.background(i)[..., None]
            yield Item(f"pasted digit {i}", np.rint(pixels).astype(np.uint8), int(self._labels[i]))


def _digits() -> tuple[Pixels, NDArray[np.int64]]:
    """scikit-learn's digits, (N, 8, 8) from 0 to 255, and which each is, (N,)."""
    with gzip.open(_inside_sklearn("data/digits.csv.gz"), "rt") as stream:
        table = np.loadtxt(stream, delimiter=",")
    grey = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    return grey, table[:, -1].astype(np.int64)


def _inside_sklearn(file: str) -> Path:
    """A data file of scikit-learn's, found without the seconds that importing the package takes."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise UserError("scikit-learn is not installed: its digits and photographs stand in for data sets")
    return Path(package.origin).parent / "datasets" / file

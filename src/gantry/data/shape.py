"""What networks must know of a data set before they see it: the shapes of its samples, labels and inputs."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gantry.data.prepared import PreparedSet


@dataclass(frozen=True)
class DataShape:
    """The shape of one sample, as networks see it, and what comes with it; plain numbers, for a file's header."""

    sample: tuple[int, ...]
    """(channels, height, width) of images, (2,) of points."""
    classes: int = 0
    """How many classes labels (N,) tell apart; 0 without such labels."""
    attributes: int = 0
    """How many attributes labels (N, A) hold; 0 without such labels."""
    vectors: int = 0
    """How many numbers labels (N, V) hold that are vectors of any numbers, captions by their embedding; 0 without."""
    captions: int = 0
    """How many vectors each sample has, labels being (N, M, V); 0 where it has one, (N, V)."""
    label_names: tuple[str, ...] = ()
    """The classes by number, or the attributes by column, where they have names."""
    input: tuple[int, ...] | None = None
    """The shape of the input of a pair, as networks see it: (channels, height, width), or (2,)."""

    @property
    def kind(self) -> str:
        """What labels are, in a word."""
        return "vectors" if self.vectors else "attributes" if self.attributes else "classes"

    @property
    def condition(self) -> int:
        """How many numbers tell a network of a label: one-hot, ±1, or the vector's own; 0 without labels."""
        return self.classes or self.attributes or self.vectors

    @classmethod
    def of(cls, prepared: PreparedSet) -> "DataShape":
        """Read the shapes off a prepared set."""
        labels, names = prepared.labels, prepared.label_names
        of_inputs = None
        if prepared.inputs is not None:
            _, *lengths, last = prepared.inputs.shape
            of_inputs = (last, *lengths)
        classes = attributes = vectors = captions = 0
        if labels is not None and labels.dtype == np.float32:
            vectors, captions = labels.shape[-1], labels.shape[1] if labels.ndim == 3 else 0
        elif labels is not None and labels.ndim == 2:
            attributes = labels.shape[1]
        elif labels is not None:
            classes = max(len(names), int(labels.max()) + 1)
        return cls(prepared.sample_shape, classes, attributes, vectors, captions, names, of_inputs)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values, for `from_json`."""
        told = asdict(self)
        if not self.captions:
            del told["captions"]  # so that files of all other sets stay what they were
        return told

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "DataShape":
        """Undo `as_json`."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        return cls(**fields)

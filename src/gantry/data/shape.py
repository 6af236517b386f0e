"""What networks must know of a data set before they see it: the shapes of its samples, labels and inputs."""

from dataclasses import asdict, dataclass
from typing import Any

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
    label_names: tuple[str, ...] = ()
    """The classes by number, or the attributes by column, where they have names."""
    input: tuple[int, ...] | None = None
    """The shape of the input of a pair, as networks see it: (channels, height, width), or (2,)."""

    @classmethod
    def of(cls, prepared: PreparedSet) -> "DataShape":
        """Read the shapes off a prepared set."""
        labels, names = prepared.labels, prepared.label_names
        of_inputs = None
        if prepared.inputs is not None:
            _, *lengths, last = prepared.inputs.shape
            of_inputs = (last, *lengths)
        classes = attributes = 0
        if labels is not None and labels.ndim == 2:
            attributes = labels.shape[1]
        elif labels is not None:
            classes = max(len(names), int(labels.max()) + 1)
        return cls(prepared.sample_shape, classes, attributes, names, of_inputs)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "DataShape":
        """Undo `as_json`."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        return cls(**fields)

"""Plain arrays, numbers and words out of other people's pickles, none of which is ever executed.

A pickle is a program, and `pickle.load` runs what it names. Data sets are distributed as pickles all the same
(CIFAR-10, the embeddings of CUB), so they are read by an unpickler that is safe for two reasons. It resolves no
name: the few globals that a pickled array needs are mapped to stand-ins of this file, which keep their arguments
and do nothing, and every other global ends the reading before anything is called. And no NumPy object is made by the
pickle: `array_of` makes one afterwards, of the bytes that were kept, after their type and number were checked. What
a user's own pickles hold, or any object beside these, cannot be read by it, which is the point.
"""

import io
import pickle
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

# What a pickle that is damaged, or none, makes the unpickler raise.
DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    ImportError,
    MemoryError,
    OverflowError,
    RecursionError,
)
# Kinds of NumPy's types that are numbers: bool, whole ones with and without a sign, floats.
NUMBERS = "biuf"


class Inert:
    """Stands in for the NumPy classes that a pickle names: keeps arguments and state, executes nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class InertScalar(Inert):
    """Stands in for one NumPy number: (type, bytes)."""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What Python 3 writes for bytes in old pickle protocols."""
    return text.encode("latin1")


class RestrictedUnpickler(pickle.Unpickler):
    """Unpickles numbers, strings, lists, dictionaries and plain arrays, and refuses everything else."""

    allowed: ClassVar[dict[tuple[str, str], Callable[..., Any]]] = {
        ("numpy.core.multiarray", "_reconstruct"): Inert,
        ("numpy._core.multiarray", "_reconstruct"): Inert,
        ("numpy.core.multiarray", "scalar"): InertScalar,
        ("numpy._core.multiarray", "scalar"): InertScalar,
        ("numpy", "ndarray"): Inert,
        ("numpy", "dtype"): Inert,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the harmless replacement of `module`.`name`."""
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}, and data run nothing")
        return self.allowed[module, name]


def unpickled(content: bytes, encoding: str = "latin1") -> Any:
    """Return what a pickle holds, arrays and NumPy's numbers as `Inert`; raises one of `DAMAGE` for what is none.

    `encoding` is that of Python 2's strings: "latin1", or "bytes" to leave them.
    """
    return RestrictedUnpickler(io.BytesIO(content), encoding=encoding).load()


def array_of(value: Any) -> NDArray[Any]:
    """Return the array of numbers that `value` stands for, read-only; ValueError where it is none."""
    if not isinstance(value, Inert) or len(value.state) != 5:
        raise ValueError(f"{_shown(value)} where an array was expected")
    _, shape, kind, is_fortran, raw = value.state
    lengths = tuple(int(length) for length in shape)
    number, content = _type_of(kind), _bytes_of(raw)
    if min(lengths, default=0) < 0 or len(content) != prod(lengths) * number.itemsize:
        raise ValueError(f"an array of shape {lengths} and type {number} in {len(content):,} bytes")
    return np.frombuffer(content, number).reshape(lengths, order="F" if is_fortran else "C")


def number_of(value: Any) -> int:
    """Return a whole number, Python's or NumPy's; ValueError where it is none."""
    if isinstance(value, InertScalar) and len(value.arguments) == 2:
        number, content = _type_of(value.arguments[0]), _bytes_of(value.arguments[1])
        if len(content) != number.itemsize or number.kind not in "iu":
            raise ValueError(
                f"a number of type {number} in {len(content)} bytes where a whole one was expected"
            )
        return int(np.frombuffer(content, number)[0])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{_shown(value)} where a whole number was expected")


def list_of(value: Any) -> Sequence[Any]:
    """Return a list or a tuple as it is, and an array of one dimension as its numbers; ValueError for others."""
    if isinstance(value, list | tuple):
        return value
    array = array_of(value)
    if array.ndim != 1:
        raise ValueError(f"an array of shape {array.shape} where a list was expected")
    found: list[Any] = array.tolist()
    return found


def _type_of(kind: Any) -> "np.dtype[Any]":
    """The type of numbers that a pickled one stands for; ValueError for objects, text and records."""
    if not isinstance(kind, Inert) or not kind.arguments or len(kind.state) < 2:
        raise ValueError(f"{_shown(kind)} where a type of numbers was expected")
    name, order = _text(kind.arguments[0]), _text(kind.state[1])
    if name[:1] not in tuple(NUMBERS) or not name[1:].isdigit() or order not in ("<", ">", "|", "="):
        raise ValueError(f"an array of type {name!r}, which are no numbers")
    return np.dtype(name).newbyteorder(order)  # type: ignore[arg-type]


def _bytes_of(raw: Any) -> bytes:
    """The bytes that Python 2 has written as a string."""
    if isinstance(raw, str):
        return raw.encode("latin1")
    if isinstance(raw, bytes):
        return raw
    raise ValueError(f"{_shown(raw)} where bytes were expected")


def _text(word: Any) -> str:
    return word.decode("latin1") if isinstance(word, bytes) else str(word)


def _shown(value: Any) -> str:
    return f"an object of type {type(value).__name__}"

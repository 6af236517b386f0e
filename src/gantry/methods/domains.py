"""Where the two domains of a translation lie in a prepared set, in training and in its held-out part.

A set of pairs has the inputs as one domain and the samples as the other; a set with classes has two of them.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError

# The samples themselves, the inputs beside them, or the samples of one class.
Domain = str | int
SAMPLES, INPUTS = "samples", "inputs"
HALVES_SEED = 20_170_330


def domains_of(data: DataShape, named: tuple[str | int, str | int]) -> tuple[Domain, Domain]:
    """Return domains a and b: inputs and samples of a set of pairs, else the classes of these names or numbers.

    Raises UserError where the set has neither.
    """
    if data.input is not None:
        return INPUTS, SAMPLES
    if data.classes < 2:
        raise UserError(
            "method cyclegan: the data set has one domain only: take one with classes (folders trainA and trainB, or "
            "a folder for each), or with inputs:"
        )
    a, b = (class_of(data, label) for label in named)
    if a == b:
        raise UserError(f"method.domains: {list(named)} is one domain twice; name two classes")
    return a, b


def class_of(data: DataShape, name: str | int) -> int:
    """Return the number of the class that a recipe's `domains` name; UserError for one that the set has not."""
    if isinstance(name, str) and name in data.label_names:
        return data.label_names.index(name)
    if isinstance(name, int) and 0 <= name < data.classes:
        return name
    known = ", ".join(data.label_names) or f"0 to {data.classes - 1}"
    raise UserError(f"method.domains: the data set has no class {name!r}; it has {known}")


def streams_of(prepared: PreparedSet, a: Domain, b: Domain) -> dict[str, Stream]:
    """Return "x", domain b, and "x_a", each in an order of its own.

    Of a set of pairs each comes from another half of the rows, so no pair is ever seen, in whatever batch.
    """
    if a == INPUTS:
        random = np.random.default_rng(HALVES_SEED)
        order = random.permutation(len(prepared))
        half = len(prepared) // 2
        return {"x": Stream(np.sort(order[:half])), "x_a": Stream(np.sort(order[half:]), of=INPUTS)}
    return {"x": Stream(rows_of(prepared, b)), "x_a": Stream(rows_of(prepared, a))}


def rows_of(prepared: PreparedSet, domain: Domain) -> NDArray[np.int64]:
    """Return the rows of a domain, ascending; UserError where it has fewer than two."""
    if isinstance(domain, str):
        return np.arange(len(prepared))
    labels = prepared.labels
    assert labels is not None
    rows = np.flatnonzero(labels == domain)
    if len(rows) < 2:
        raise UserError(
            f"data set {prepared.name}: domain {domain} has {len(rows)} samples; a domain needs two at least"
        )
    return rows


def part_of(prepared: PreparedSet, domain: Domain) -> PreparedSet:
    """Return the set of one domain's samples alone, whose manifest speaks of that domain."""
    if domain == SAMPLES:
        return prepared
    if domain == INPUTS:
        if prepared.inputs is None:
            raise UserError(
                f"data set {prepared.name} has no inputs: give it inputs: in workflow/datasets.yaml"
            )
        told = prepared.manifest
        own = {key.removeprefix("inputs_"): told[key] for key in told if key.startswith("inputs_")}
        return replace(prepared, samples=prepared.inputs, inputs=None, manifest=told | own)
    rows = rows_of(prepared, domain)
    samples = prepared.samples[rows]  # a copy: of a class, not of the whole set
    return replace(prepared, samples=samples, labels=None, inputs=None)  # type: ignore[arg-type]

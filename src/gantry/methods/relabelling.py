"""Translators that are told labels: what they see of them, and how held-out samples are asked for others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gantry.data.batches import Stream, as_input
from gantry.data.items import Labels
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError, suggestion
from gantry.methods.base import Method
from gantry.methods.domains import SAMPLES
from gantry.methods.sampler import Sampler
from gantry.methods.translating import HELD_OUT
from gantry.networks import build_translator
from gantry.networks.codes import CodeTranslator
from gantry.plan.blocks.networks import Networks as TranslatorNetworks
from gantry.plan.recipe import Recipe

ANY, NONE = "x→c", "none"


class LabelTranslator(nn.Module):
    """G(x, c): classes (B,) or attributes (B, A) in {0, 1}.

    They stand beside x, as numbers or as constant planes; where the network has codes, beside the code, as −1 and 1.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def said(self, labels: Tensor) -> Tensor:
        """Return labels as numbers 0 and 1, (B, A)."""
        return one_hot(labels.long(), self.classes) if self.classes else labels

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        said = self.said(labels).to(x.dtype)
        if isinstance(self.network, CodeTranslator):
            return self.network.decode(self.network.encode(x), 2 * said - 1)
        planes = said.view(*said.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        made: Tensor = self.network(torch.cat([x, planes], dim=1))
        return made


def build_label_translator(networks: TranslatorNetworks, data: DataShape) -> LabelTranslator:
    """Return a translator between the classes or attributes of a set; UserError where it has none."""
    labels = data.classes or data.attributes
    if labels < (2 if data.classes else 1):
        raise UserError(
            "the data set has no labels to translate between: take one that has (mixture, digits, cifar10, celeba with "
            "attributes, a folder with a folder for each class)"
        )
    channels, *rest = data.sample
    return LabelTranslator(build_translator(networks, (channels + labels, *rest), data.sample), data.classes)


def label_streams(prepared: PreparedSet) -> dict[str, Stream]:
    """Return samples with their labels; UserError for an attribute that all of them have, or none."""
    if prepared.labels is not None and prepared.labels.ndim == 2:
        check_both_there(prepared.labels, prepared.label_names, prepared.name)
    return {"x": Stream(beside=("labels",))}


def check_both_there(labels: Labels, names: Sequence[str], of: str) -> None:
    """Raise UserError, with its name, for an attribute (of N, A) that all samples have, or none."""
    for number, share in enumerate(labels.mean(0)):
        if share in (0, 1):
            name = names[number] if names else number
            said = "every sample has" if share else "no sample has"
            raise UserError(
                f"data set {of}: {said} attribute {name}: nothing can be learnt of it; leave it out"
            )


class LabelSampler(Sampler):
    """Held-out samples, each asked for a class that it is not of, in turn; or to change one attribute, in turn.

    Who is asked to have one of the `exclusive` attributes is asked not to have the others of them.
    """

    sources = (ANY,)

    def __init__(self, kept: nn.Module, data: DataShape, exclusive: Sequence[int] = ()) -> None:
        self.translator = kept.get_submodule("translator")
        self.data = data
        self.exclusive = exclusive
        self.joins = not data.classes

    @property
    def device(self) -> torch.device:
        return next(self.translator.parameters()).device

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, or of the attributes."""
        return self.data.label_names or tuple(map(str, range(self.data.classes or self.data.attributes)))

    @property
    def directions(self) -> tuple[str, ...]:
        if self.data.classes:
            return tuple(f"→{name}" for name in self.names)
        # An attribute alone: what is asked for is that a sample have it and no other.
        return (f"→{NONE}", *(f"→{name}" for name in self.names))

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        if held_out is None:
            raise UserError(HELD_OUT)
        chosen = torch.from_numpy(np.asarray(held_out.samples[np.asarray(rows) % len(held_out)]))
        x = as_input(chosen) if held_out.kind == "images" else chosen
        return {"x": x, "labels": torch.from_numpy(self.asked(source, rows, held_out))}

    def asked(self, source: str, rows: range, held_out: PreparedSet | None = None) -> NDArray[np.int64]:
        if held_out is None or held_out.labels is None:
            raise UserError(HELD_OUT)
        numbers = np.asarray(rows, dtype=np.int64)
        own = held_out.labels[numbers % len(held_out)].astype(np.int64)
        if self.data.classes:
            return np.asarray((own + 1 + numbers % (self.data.classes - 1)) % self.data.classes)
        # The second time that a sample comes, another of its attributes changes.
        changed = (numbers % len(held_out) + numbers // len(held_out)) % self.data.attributes
        return with_changed(own, changed, self.exclusive)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.translator(inputs["x"], inputs["labels"])
        return samples

    def translate(self, source: str, samples: Tensor) -> Tensor:
        translated: Tensor = self.translator(samples, self.labels_of(source, samples))
        return translated

    def labels_of(self, source: str, samples: Tensor) -> Tensor:
        """Return what "→zebra", "→Blond_Hair+Young" or "→none" asks of these samples."""
        named = source.removeprefix("→")
        if self.data.classes:
            return torch.full((len(samples),), self.names.index(named), device=samples.device)
        asked = [self.names.index(name) for name in named.split("+") if name != NONE]
        labels = torch.zeros(len(samples), self.data.attributes, device=samples.device)
        labels[:, asked] = 1
        return labels

    def origin(self, source: str) -> str:
        return SAMPLES


class CodeSampler(LabelSampler):
    """The same, of a translator with codes."""

    def encode(self, samples: Tensor) -> Tensor:
        network = self.translator.get_submodule("network")
        assert isinstance(network, CodeTranslator)
        return network.encode(samples)[-1].flatten(1)


def sampler_of(kept: nn.Module, data: DataShape, exclusive: Sequence[int] = ()) -> LabelSampler:
    """Return the sampler of a method whose one translator is told labels."""
    has_codes = isinstance(kept.get_submodule("translator").get_submodule("network"), CodeTranslator)
    return (CodeSampler if has_codes else LabelSampler)(kept, data, exclusive)


def with_changed(
    own: NDArray[np.int64], changed: NDArray[np.int64], exclusive: Sequence[int]
) -> NDArray[np.int64]:
    """Return attributes (N, A) with number `changed` (N,) of each row turned over.

    Where that gives a row one of the `exclusive` attributes, it loses the others of them.
    """
    rows, asked = np.arange(len(own)), own.copy()
    given = 1 - own[rows, changed]
    lose = rows[(given == 1) & np.isin(changed, list(exclusive))]
    asked[np.ix_(lose, list(exclusive))] = 0
    asked[rows, changed] = given
    return asked


def numbers_of(named: Sequence[str], data: DataShape) -> list[int]:
    """Return the columns of attributes with these names; UserError for one that the set has not."""
    for name in named:
        if name not in data.label_names:
            known = ", ".join(data.label_names) or "none with names"
            raise UserError(
                f"method.exclusive: the data set has no attribute {name!r}{suggestion(name, data.label_names)}; it has "
                f"{known}"
            )
    return [data.label_names.index(name) for name in named]


class Relabelling(Method):
    """A method whose one translator is told labels; `labels` is how many classes or attributes there are."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Any = recipe.method
        self.exclusive = numbers_of(options.exclusive, data)
        self.translator = build_label_translator(recipe.networks, data)
        self.labels = data.classes or data.attributes

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return label_streams(prepared)

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"translator": self.translator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return sampler_of(kept, self.data, self.exclusive)

"""What methods that translate share: phases of the loop, and a sampler of held-out samples' translations."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from gantry.data.batches import as_input
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.domains import Domain, part_of
from gantry.methods.sampler import Sampler

HELD_OUT = (
    "translations are of held-out samples, and this data set holds none out: give it held_out: 500, say, in "
    "workflow/datasets.yaml; of pictures of your own: gantry translate"
)


class TranslationSampler(Sampler):
    """Translations of held-out samples; `translators` and `ends`, (from, to), by source: "a→b"."""

    mixed = False

    def __init__(
        self, translators: Mapping[str, nn.Module], ends: Mapping[str, tuple[Domain, Domain]]
    ) -> None:
        self.translators = translators
        self.ends = ends
        self.sources = tuple(ends)

    @property
    def device(self) -> torch.device:
        return next(self.translators[self.sources[0]].parameters()).device

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        if held_out is None:
            raise UserError(HELD_OUT)
        of = part_of(held_out, self.ends[source][0])
        chosen = torch.from_numpy(np.asarray(of.samples[np.asarray(rows) % len(of.samples)]))
        return {"x": as_input(chosen) if of.kind == "images" else chosen}

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.translate(source, inputs["x"])

    def translate(self, source: str, samples: Tensor) -> Tensor:
        translated: Tensor = self.translators[source](samples)
        return translated

    def origin(self, source: str) -> Domain:
        """Return the domain that inputs of `source` are of."""
        return self.ends[source][0]

    def reference(self, source: str) -> Domain:
        return self.ends[source][1]


def paired_input(data: DataShape, method: str, without_pairs: str) -> tuple[int, ...]:
    """Return the shape of the input of a pair; UserError without one, naming a method that needs none."""
    if data.input is None:
        raise UserError(
            f"method {method}: the data set has no pairs; give it inputs: in workflow/datasets.yaml (a degradation, a "
            f"half, or folders), or take method {without_pairs}"
        )
    return data.input

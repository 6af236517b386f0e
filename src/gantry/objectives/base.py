"""What every objective offers the training loop, and the registry from a recipe's name to its class."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Objective(ABC):
    """The game's two losses for one real batch and K ≥ 1 generated ones (one per generator or view of z).

    All arguments of the losses are D's raw outputs, (B, `outputs`) each; both losses are scalars to be
    minimised, sums over the K batches of means over B. Where a network gives several logits in place of one
    (patches, heads), its losses are means over all of them.
    """

    outputs: int = 1
    """Width of the discriminator's output."""

    discriminators: int = 1
    """How many networks judge the samples. Outputs of several stand side by side, (B, discriminators·`outputs`);
    with none, the samples themselves, as rows, take the place of outputs, and only the generators' loss is read."""

    generator_uses_real: bool = False
    """Whether `generator_loss` reads D's outputs for a real batch."""

    def redraw(self, device: torch.device | str) -> None:  # noqa: B027 (most objectives draw nothing)
        """Draw anew what the objective draws at the start of every iteration; tensors stay on `device`."""

    def look(self, real: Tensor, fakes: Sequence[Tensor]) -> None:  # noqa: B027 (most see outputs alone)
        """Take note of the samples, (B, …) each, whose outputs `discriminator_loss` is given next."""

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        """Return D's loss."""

    @abstractmethod
    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        """Return the generators' loss; `real` may be None unless `generator_uses_real`."""

    def advance(self, real: Tensor | None, fakes: Sequence[Tensor]) -> None:  # noqa: B027 (most stand still)
        """Move the objective's own state, if it has any, by D's outputs of a generators' update."""

    def constrain(self, discriminator: nn.Module) -> None:  # noqa: B027 (most objectives leave D free)
        """Put D's weights back to where the objective allows them, in place; follows every update of D."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what must survive a restart."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state_dict()`. Raises ValueError if it is another objective's."""
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, but was given {sorted(state)}")


class Separable(Objective):
    """Objectives whose losses are means, over all entries of D's outputs, of one function for each role."""

    @abstractmethod
    def real_cost(self, outputs: Tensor) -> Tensor:
        """D's cost of its outputs for real samples, entry by entry."""

    @abstractmethod
    def fake_cost(self, outputs: Tensor) -> Tensor:
        """D's cost of its outputs for generated samples, entry by entry."""

    @abstractmethod
    def generator_cost(self, outputs: Tensor) -> Tensor:
        """The generators' cost of D's outputs for their samples, entry by entry."""

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        return self.real_cost(real).mean() + total(self.fake_cost(fake).mean() for fake in fakes)

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        return total(self.generator_cost(fake).mean() for fake in fakes)


def total(losses: Iterable[Tensor]) -> Tensor:
    """Return the sum of scalars, one a generated batch."""
    return torch.stack(list(losses)).sum()


OBJECTIVES: dict[str, type[Objective]] = {}


def register(name: str) -> Callable[[type[Objective]], type[Objective]]:
    """Class decorator: make an objective known under the name that recipes use."""

    def enter(objective: type[Objective]) -> type[Objective]:
        OBJECTIVES[name] = objective
        return objective

    return enter


def build_objective(block: Any) -> Objective:
    """Return the objective of a recipe's `objective` block; its other keys are the class's arguments.

    An option that is such a block itself becomes the objective that it describes.
    """
    options = {key: value for key, value in block if key != "name"}
    nested = {key: build_objective(value) for key, value in options.items() if hasattr(value, "name")}
    return OBJECTIVES[block.name](**options | nested)

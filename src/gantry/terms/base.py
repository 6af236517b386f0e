"""What a term is given and what it returns, and the registries from a recipe's name to its class."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gantry.plan.blocks.schedules import Changing


@dataclass
class TermInputs:
    """All that one update has seen; the lists have one entry per generator or view of z.

    Images are (B, C, R, R) in [−1, 1], points (B, D); outputs are D's raw outputs, (B, outputs). In a
    generators' update whose objective has no use for logits of real samples, `real_outputs` is None.
    """

    fake_images: Sequence[Tensor]
    fake_outputs: Sequence[Tensor]
    real_images: Tensor
    real_outputs: Tensor | None
    discriminator: nn.Module
    generators: nn.Module
    discriminators: int = 1
    """How many networks' outputs stand side by side in `fake_outputs` and `real_outputs`."""
    objective: Any = None
    """The adversary's objective, for a term on what it makes of D's outputs."""
    real: Any = None
    """All that D says of the real samples, a `DiscriminatorOutput`; None where `real_outputs` is."""
    fakes: Sequence[Any] = ()
    """All that D says of each generated batch, a `DiscriminatorOutput` each."""
    labels: Tensor | None = None
    """Of the real samples: classes (B,) or attributes (B, A)."""
    fake_labels: Sequence[Tensor] | None = None
    """What each generated batch was asked for, in the form of `labels`."""
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    """What the method has drawn for this step, by name."""


class Term(nn.Module, ABC):
    """One summand of a loss, unweighted, signed as it stands in the loss.

    `formulation` is `paper` (the equations) or `reference` (what the authors' code computes); `options` is the
    term's block of the recipe, for terms that have one; `sample_shape` is (C, R, R) or (D,). Parameters and
    buffers of a term belong to the game: its player's update moves them, and the state keeps them.
    """

    def __init__(
        self, formulation: str = "paper", options: Any = None, sample_shape: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.formulation = formulation
        self.options = options
        self.sample_shape = sample_shape
        self.schedule: Changing | None = None
        self.share: Tensor | None
        self.register_buffer("share", None, persistent=False)

    def begin(self, iteration: int) -> None:
        """Set the share of its weight that the term's schedule, if it has one, gives in this iteration."""
        if self.schedule is not None and self.share is not None:
            self.share.fill_(self.schedule.at(iteration))

    def follow(self, schedule: Changing | None) -> None:
        """Let the term's weight follow a schedule; a tensor holds its share of it, so that a graph reads it anew."""
        self.schedule = schedule
        self.share = None if schedule is None else torch.ones(())

    @abstractmethod
    def forward(self, batch: TermInputs) -> Tensor:
        """Return the summand, a scalar."""

    @staticmethod
    @abstractmethod
    def player(batch: TermInputs) -> nn.Module:
        """Return the network whose loss this is a summand of."""


class DiscriminatorTerm(Term):
    """A summand of the discriminator's loss."""

    @staticmethod
    def player(batch: TermInputs) -> nn.Module:
        """Return the discriminator."""
        return batch.discriminator


class GeneratorTerm(Term):
    """A summand of the generators' loss."""

    @staticmethod
    def player(batch: TermInputs) -> nn.Module:
        """Return all the generators."""
        return batch.generators


DISCRIMINATOR_TERMS: dict[str, type[DiscriminatorTerm]] = {}
GENERATOR_TERMS: dict[str, type[GeneratorTerm]] = {}
_T = TypeVar("_T", bound=type[Term])
_Summand = TypeVar("_Summand", bound=Term)


def register(registry: dict[str, _T], name: str) -> Callable[[_T], _T]:
    """Class decorator: make a term known under the name that recipes use."""

    def enter(term: _T) -> _T:
        registry[name] = term
        return term

    return enter


def build_terms(
    terms_block: Any, objective_block: Any, sample_shape: tuple[int, ...]
) -> tuple[list[tuple[float, DiscriminatorTerm]], list[tuple[float, GeneratorTerm]]]:
    """Return a recipe's (weight, term) pairs for D and for G; terms of weight 0 are left out.

    `sample_shape` is (C, R, R) or (D,). The formulation is the terms' own, else the objective's where it has
    one, else the paper's. A term that both players can have goes to those that its option `players` names.
    """
    formulation = terms_block.formulation or getattr(objective_block, "formulation", "paper")

    def chosen(registry: Mapping[str, type[_Summand]], player: str) -> Iterator[tuple[float, _Summand]]:
        for name, term in registry.items():
            block = getattr(terms_block, name)
            weight = getattr(block, "weight", block)
            if weight and player in getattr(block, "players", (player,)):
                summand = term(formulation, block, sample_shape)
                summand.follow(terms_block.schedules.get(name))
                yield weight, summand

    return list(chosen(DISCRIMINATOR_TERMS, "discriminator")), list(chosen(GENERATOR_TERMS, "generators"))

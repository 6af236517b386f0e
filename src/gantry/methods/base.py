"""What every method offers training and scoring, and the registry from a recipe's name to its class."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.batch import Batch
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage
from gantry.plan.blocks.players import Optimiser, Updates
from gantry.plan.recipe import Recipe

# Histories and states have had short names for these two since there was nobody else.
SHORT = {"discriminator": "d", "generator": "g"}


class Phase(NamedTuple):
    """One optimiser step. (The word of StyleGAN's and R3GAN's code.)"""

    name: str
    """"discriminator", "generator", "encoder", "classifier", …"""
    trains: tuple[str, ...]
    """Names of the method's submodules ("generators", "adversary.discriminator") whose weights it moves, and no
    others: the rest asks for no gradients meanwhile."""
    repeat: int = 1
    """Steps in one iteration."""
    batch_size: int | None = None
    """Samples that it sees; None: the recipe's."""
    fresh: bool = True
    """Whether every step draws a batch; else it sees that of the step before, noise and all."""

    @property
    def key(self) -> str:
        """Its name in histories ("loss_d") and states ("optimiser_d")."""
        return SHORT.get(self.name, self.name)


def game_phases(
    updates: Updates, *made_by: str, adversaries: Sequence[str] = ("adversary",)
) -> tuple[Phase, Phase]:
    """Return the phases of a method's adversaries, by their names, and of the modules `made_by` against them."""
    d = tuple(f"{name}.{part}" for name in adversaries for part in ("discriminator", "discriminator_terms"))
    g = (*made_by, *(f"{name}.generator_terms" for name in adversaries))
    return Phase("discriminator", d, updates.discriminator), Phase("generator", g, updates.generator)


class Part(NamedTuple):
    """A loss that moves some of a phase's modules, and no others."""

    loss: Tensor
    trains: tuple[str, ...]


class Method(nn.Module, ABC):
    """Networks, the phases of an iteration, and what each phase minimises.

    A method is built from a recipe and the shapes of the data, in one fixed order of random draws. Everything that
    it must remember is a parameter, a buffer, or the state of an objective of its adversaries. Nothing here moves
    weights, casts precision, records graphs or talks to other processes: see `gantry.training.step`.
    """

    unrecorded: ClassVar[str] = ""
    """Why no graph can repeat its steps, where that is so: they are run kernel by kernel then."""

    may_lack: ClassVar[frozenset[str]] = frozenset()
    """Parts of `kept` that checkpoints of earlier versions do not hold; `sampler` is then given the others."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__()
        self.recipe = recipe
        self.data = data

    # ── training ──────────────────────────────────────────────────────────────────────────────────

    @property
    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The phases of an iteration, in order; each name once."""

    @abstractmethod
    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        """Draw the noise of a step of `phase`, for `size` samples, from the device's default generator.

        All randomness of a step that a graph could not repeat belongs here. Names, shapes and types are always the
        same for the same phase and size.
        """

    @abstractmethod
    def loss(self, phase: str, batch: Batch) -> Tensor | Sequence[Part]:
        """Return what `phase` minimises on `batch`: a scalar, or parts that move some of its modules each."""

    def equip(self, weights: Path | None) -> None:
        """Read what a network that was trained elsewhere needs, before training; UserError where it is not there."""

    def begin(self, iteration: int, device: torch.device) -> None:
        """Do what an iteration, counted from 0, begins with: `refill`, then `redraw`."""
        self.refill(iteration)
        self.redraw(device)

    def refill(self, iteration: int) -> None:
        """Write what follows from the iteration's number into buffers, in place; a graph would keep the first."""
        for adversary in self.adversaries().values():
            adversary.refill(iteration)

    def redraw(self, device: torch.device) -> None:
        """Have objectives draw anew, in place: kernels on the device alone, which a graph may hold."""
        for adversary in self.adversaries().values():
            adversary.objective.redraw(device)

    def after(self, phase: str) -> None:
        """Change weights or buffers in place after a step of `phase`: here D's weights go back to where they may be."""
        if phase == "discriminator":
            for adversary in self.adversaries().values():
                adversary.constrain()

    def bind(self, optimisers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Take notice of the optimisers, by phase, before the first step."""

    def optimiser(self, phase: str) -> tuple[Optimiser, float]:
        """Return the block and the learning rate of the optimiser of `phase`."""
        block = self.recipe.optimiser
        return block, block.lr.get(phase, block.lr_d if phase == "discriminator" else block.lr_g)

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        """Return which rows of the data set a batch holds, and what comes with them; "x" first."""
        return {"x": Stream()}

    def stages(self) -> tuple[Stage, ...]:
        """Return the spans of iterations in which nothing changes shape; the first starts at 0.

        A pure function of recipe and data: a run that is extended keeps them.
        """
        return (Stage(),)

    def enter(self, stage: Stage) -> None:
        """Get ready for a stage: sizes, networks that stand still. Training asks before it builds the step."""

    def adversaries(self) -> dict[str, Adversary]:
        """Return every adversary by the name under which its objective's state is kept."""
        return {name: module for name, module in self.named_modules() if isinstance(module, Adversary)}

    def objective_state(self) -> dict[str, Tensor]:
        """Return what the adversaries' objectives must have again after a restart."""
        return {
            f"{name}/{key}".lstrip("/"): value
            for name, adversary in self.adversaries().items()
            for key, value in adversary.objective.state_dict().items()
        }

    def load_objective_state(self, state: Mapping[str, Tensor]) -> None:
        """Load an `objective_state()`. Raises ValueError if it is another method's."""
        left = dict(state)
        for name, adversary in self.adversaries().items():
            prefix = f"{name}/" if name else ""
            own = {key for key in left if key.startswith(prefix)}
            adversary.objective.load_state_dict({key.removeprefix(prefix): left.pop(key) for key in own})
        if left:
            raise ValueError(f"no adversary keeps {sorted(left)}")

    # ── what is made of it ────────────────────────────────────────────────────────────────────────

    @property
    @abstractmethod
    def kept(self) -> nn.Module:
        """The networks that sampling needs: what checkpoints hold, averaged where the recipe says so."""

    @abstractmethod
    def sampler(self, kept: nn.Module) -> Sampler:
        """Return what scoring and `gantry sample` know of the method, with `kept` or its average."""


METHODS: dict[str, type[Method]] = {}


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: make a method known under the name that recipes use."""

    def enter(method: type[Method]) -> type[Method]:
        METHODS[name] = method
        return method

    return enter


def build_method(recipe: Recipe, data: DataShape) -> Method:
    """Return the method that the recipe names, with initialised networks, on the CPU."""
    name = recipe.method.name
    if name not in METHODS:
        import_module(f"gantry.methods.{name}")
    return METHODS[name](recipe, data)

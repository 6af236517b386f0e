"""All that scoring and `gantry sample` know of a method."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantry.data.prepared import PreparedSet

if TYPE_CHECKING:
    from gantry.methods.latents import Truncation


class Sampler(ABC):
    """Trained networks, in evaluation mode, and what can be asked of them.

    `inputs` draws on the CPU, so the same seed gives the same inputs on every device; `sample` is a function of its
    inputs alone.
    """

    sources: tuple[str, ...]
    """What samples come from: "G1", "G2"; "a→b" of a translator. Metrics have a row for each."""

    @property
    def directions(self) -> tuple[str, ...]:
        """What `translate` can be asked for: "a→b", or "→zebra" of a translator between many; its sources else."""
        return self.sources

    joins: bool = False
    """Whether several of the directions may be asked for at once: "→Blond_Hair+Young"."""
    mixed: bool = True
    """Whether the equal mixture of several sources stands for the method; else the first one, "G1", does."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        held = (value.values() if isinstance(value, dict) else [value] for value in vars(self).values())
        networks = [network for values in held for network in values if isinstance(network, nn.Module)]
        return next(weight.device for network in networks for weight in network.parameters())

    @property
    def can(self) -> frozenset[str]:
        """What can be asked for besides samples: "encode", "translate", "truncate", "mix", …"""
        asked = (
            "encode",
            "translate",
            "reconstruct",
            "classify",
            "truncate",
            "mix",
            "between",
            "parts",
            "tell_turns",
        )
        of_styles = ("translate_in_style", "code_of")
        return frozenset(
            name for name in asked + of_styles if getattr(type(self), name) is not getattr(Sampler, name)
        )

    def standing_at(self, truncation: "Truncation | None") -> "Sampler":
        """Return a sampler whose BatchNorms have the statistics of latents narrowed so, where it is to."""
        return self

    @abstractmethod
    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        """Return the inputs of samples number `rows` of `source`, on the CPU, a row of each tensor a sample.

        Labels come in turn (number modulo classes), so that they are balanced; images are those rows of `held_out`.
        Raises UserError where images are needed and there are none held out.
        """

    @abstractmethod
    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the samples of `source` for inputs on the networks' device: (N, C, H, W) in [−1, 1] or (N, 2)."""

    def reference(self, source: str) -> int | str | None:
        """Return which real samples those of `source` are compared with: a label, or "inputs"; None: all of them."""
        return None

    def origin(self, source: str) -> int | str | None:
        """Return which real samples those of `source` are made of, as `reference` has it; None: of none."""
        return None

    def asked(self, source: str, rows: range, held_out: PreparedSet | None = None) -> NDArray[Any] | None:
        """Return what samples number `rows` of `source` are asked for: classes, values of a code, or rows of labels."""
        return None

    def information(self, source: str, inputs: Mapping[str, Tensor]) -> float:
        """Return a lower bound, in nats, of what samples of these inputs tell of their code."""
        raise NotImplementedError

    def classify(self, samples: Tensor) -> Tensor:
        """Return class logits (N, K) of samples."""
        raise NotImplementedError

    def tell_turns(self, samples: Tensor) -> Tensor:
        """Return logits (N, 4) of by how many quarters images were turned."""
        raise NotImplementedError

    def encode(self, samples: Tensor) -> Tensor:
        """Return the codes (N, dimension) of samples."""
        raise NotImplementedError

    def truncate(self, psi: float, cutoff: int | None) -> None:
        """Sample from now on with w̄ + ψ·(w − w̄) in the layers before `cutoff`, None being all of them."""
        raise NotImplementedError

    def parts(self, source: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what samples are made of, by name and in order: canvases, layers and their masks, structures.

        Images (N, C, R, R) in [−1, 1], masks (N, 1, R, R) in [0, 1]; of points (N, D).
        """
        raise NotImplementedError

    def mix(self, source: str, inputs: Mapping[str, Tensor], others: Tensor, layers: range) -> Tensor:
        """Return samples with the styles of the latents `others`, (N, Z), in the layers numbered `layers`."""
        raise NotImplementedError

    def between(self, source: str, inputs: Mapping[str, Tensor], others: Tensor, t: Tensor) -> Tensor:
        """Return samples at t (N,) on the straight ways in W from the latents of `inputs` to `others`."""
        raise NotImplementedError

    def translate(self, source: str, samples: Tensor) -> Tensor:
        """Return samples of one domain in the other, as `source` ("a→b") says."""
        raise NotImplementedError

    def draw_styles(self, count: int, randomness: torch.Generator) -> Tensor:
        """Return styles (count, S) for `translate_in_style`, drawn on the CPU."""
        raise NotImplementedError

    def translate_in_style(self, source: str, samples: Tensor, styles: Tensor) -> Tensor:
        """Return samples of one domain in the other, each in the style of its row of `styles`, (N, S)."""
        raise NotImplementedError

    def style_of(self, source: str, samples: Tensor) -> Tensor:
        """Return the styles (N, S) of samples of the domain that `source` ends in."""
        raise NotImplementedError

    def code_of(self, source: str, samples: Tensor) -> Tensor:
        """Return the codes (N, C) of samples of the domain that `source` begins in; those of both domains compare."""
        raise NotImplementedError

    def reconstruct(self, samples: Tensor) -> Tensor:
        """Return the samples as the method makes them again."""
        raise NotImplementedError

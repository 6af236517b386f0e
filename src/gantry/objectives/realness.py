"""RealnessGAN's objective, which is BCGAN's without its constraints. All of its mathematics is here.

Source: Xiangli et al. 2020, "Real or Not Real, that is the Question", eqs. 3 and 19; BCGAN eqs. 14 and 15.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softmax

from gantry.objectives.anchors import Anchors, draw_anchors
from gantry.objectives.base import Objective, register

EPSILON = 1e-16  # inside the logarithm, in the authors' code


def divergence(target: Tensor, logits: Tensor) -> Tensor:
    """KL(target ‖ softmax(logits)), mean over the batch; target (n,) or (B, n), logits (B, n)."""
    return (torch.xlogy(target, target) - target * log_softmax(logits, dim=1)).sum(1).mean()


def cross_entropy(target: Tensor, logits: Tensor) -> Tensor:
    """−Σ target·log(softmax(logits) + 1e-16), mean over the batch: what the authors' code computes."""
    return -(target * torch.log(softmax(logits, dim=1) + EPSILON)).sum(1).mean()


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "paper": divergence,
    "reference": cross_entropy,
}


@register("realness")
class Realness(Objective):
    """D(x) = softmax of n logits, one an atom (an outcome, there), held against anchors A1 (real) and A0 (generated).

    loss_D = d(A1, D(x)) + Σ_k d(A0, D(G_k(z)))                     (eq. 14)
    loss_G = Σ_k [ d(target, D(G_k(z))) − d(A0, D(G_k(z))) ]        (eq. 15)

    Formulation `paper`: d = KL, anchors as drawn, target = A1. Formulation `reference` (the authors' code,
    behind the published numbers): d = cross-entropy, anchors shifted apart, target = D(x) of a fresh real
    batch, taken as constant (relativistic). `shifted_anchors` and `relativistic` override the formulation.
    With `redraw_anchors` false the anchors of the first iteration are kept for good. With `judged` k only the
    first k generated batches have a term in loss_D: the authors' code for three generators leaves the third out.
    """

    def __init__(
        self,
        atoms: int,
        formulation: str,
        shifted_anchors: bool | None = None,
        relativistic: bool | None = None,
        redraw_anchors: bool = True,
        judged: int | None = None,
    ) -> None:
        as_reference = formulation == "reference"
        self.outputs = atoms
        self.distance = DISTANCES[formulation]
        self.shifted = as_reference if shifted_anchors is None else shifted_anchors
        self.relativistic = as_reference if relativistic is None else relativistic
        self.generator_uses_real = self.relativistic
        self.redraws = redraw_anchors
        self.judged = judged
        self._anchors: Anchors | None = None

    @property
    def anchors(self) -> Anchors:
        """A1 and A0 of this iteration. Raises RuntimeError before the first `redraw`."""
        if self._anchors is None:
            raise RuntimeError("no anchors yet: call redraw(device) at the start of every iteration")
        return self._anchors

    def discriminator_loss(self, real: Tensor, fakes: Sequence[Tensor]) -> Tensor:
        against_fake = torch.stack(
            [self.distance(self.anchors.fake, fake) for fake in fakes[: self.judged]]
        ).sum()
        return self.distance(self.anchors.real, real) + against_fake

    def generator_loss(self, real: Tensor | None, fakes: Sequence[Tensor]) -> Tensor:
        target = self._target(real)
        return torch.stack(
            [self.distance(target, fake) - self.distance(self.anchors.fake, fake) for fake in fakes]
        ).sum()

    def _target(self, real: Tensor | None) -> Tensor:
        if not self.relativistic:
            return self.anchors.real
        if real is None:
            raise ValueError("the relativistic generator loss needs D's outputs for a real batch")
        return softmax(real.detach(), dim=1)

    def redraw(self, device: torch.device | str) -> None:
        """Draw the anchors of this iteration. Existing tensors are overwritten in place, so that a captured
        CUDA graph which reads them sees the new values."""
        if self._anchors is None or self.redraws:
            drawn = draw_anchors(self.outputs, self.shifted, device)
            if self._anchors is None or self._anchors.real.device != drawn.real.device:
                self._anchors = drawn
            self._anchors.real.copy_(drawn.real)
            self._anchors.fake.copy_(drawn.fake)
        elif self._anchors.real.device != torch.device(device):
            self._anchors = Anchors(self._anchors.real.to(device), self._anchors.fake.to(device))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the anchors, as copies; empty before the first `redraw`."""
        if self._anchors is None:
            return {}
        return {"real": self._anchors.real.clone(), "fake": self._anchors.fake.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up the anchors of a `state_dict()`, in place where there are some of its type.

        Raises ValueError unless both have n atoms.
        """
        if not state:
            self._anchors = None
            return
        if set(state) != {"real", "fake"} or any(
            anchor.shape != (self.outputs,) for anchor in state.values()
        ):
            raise ValueError(f"not the anchors of a realness objective with {self.outputs} atoms")
        if self._anchors is None or self._anchors.real.dtype != state["real"].dtype:
            self._anchors = Anchors(state["real"].clone(), state["fake"].clone())
        self._anchors.real.copy_(state["real"])
        self._anchors.fake.copy_(state["fake"])

"""Optimisers, by the name that recipes use."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gantry.plan.blocks.players import OPTIMISER_OPTIONS, Optimiser
from gantry.system.switches import is_on

Groups = list[dict[str, Any]]


class OptimisticAdam(torch.optim.Optimizer):
    """θ ← θ − 2η·u_t + η·u_{t−1} with Adam's u_t = m̂_t/(√v̂_t + ε), u_0 = 0. Daskalakis et al. 2018, algorithm 1.

    With β₁ = ½, 2m_t − m_{t−1} is the gradient itself: where v̂ changes slowly, the optimism takes back just the
    momentum, and the steps are Adam's with β₁ = 0. Optimism proper, 2g_t − g_{t−1}, is β₁ = 0.

    All weights of a group move at once. Weights without a gradient stay, and their averages with them. The
    number of updates t lies on the weights' device, where a captured CUDA graph counts too.

    With `fused`, φ_t = θ_t + η·u_{t−1} moves by Adam itself, φ ← φ − η·u_t in PyTorch's one kernel, and
    θ_{t+1} = φ_{t+1} − η·u_t. Each weight remembers its lead η·u_{t−1} in place of u_{t−1}: nine kernels in place of
    twenty-one, and weights within a few units in the last place. η must stay the same.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Groups,
        lr: float,
        betas: tuple[float, float],
        eps: float = 1e-8,
        fused: bool = False,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "updates": 0})
        self.fused = fused
        self._count_on_device()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state of either form."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state.get(weight, {})
                if self.fused and "previous_update" in state:
                    state["lead"] = state.pop("previous_update") * group["lr"]
                elif not self.fused and "lead" in state:
                    state["previous_update"] = state.pop("lead") / group["lr"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._count_on_device()

    def _count_on_device(self) -> None:
        for group in self.param_groups:
            if group["params"]:
                device = group["params"][0].device
                group["updates"] = torch.as_tensor(group["updates"], dtype=torch.float64, device=device)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Move every weight by one update; `closure`, if given, computes the loss anew and returns it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if self.fused:
                self._move_fused(group)
            else:
                self._move(group)
        return loss

    def _move_fused(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return
        group["updates"] += 1
        gradients = [weight.grad for weight in weights]
        means, squares, leads = (
            [self._remembered(weight, name) for weight in weights] for name in ("mean", "square", "lead")
        )
        torch._foreach_add_(weights, leads)  # φ_t
        torch._foreach_copy_(leads, weights)
        torch._fused_adam_(
            weights,
            gradients,
            means,
            squares,
            [],
            [group["updates"].to(torch.float32)] * len(weights),
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=0.0,
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )
        torch._foreach_sub_(leads, weights)  # η·u_t = φ_t − φ_{t+1}
        torch._foreach_sub_(weights, leads)

    def _move(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return
        group["updates"] += 1
        gradients = [weight.grad for weight in weights]
        means, squares, previous = (
            [self._remembered(weight, name) for weight in weights]
            for name in ("mean", "square", "previous_update")
        )
        (beta_1, beta_2), rate, t = group["betas"], group["lr"], group["updates"]
        torch._foreach_lerp_(means, gradients, 1 - beta_1)
        torch._foreach_mul_(squares, beta_2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta_2)

        update = torch._foreach_div(means, (1 - beta_1**t).to(weights[0].dtype))
        deviations = torch._foreach_sqrt(squares)
        torch._foreach_div_(deviations, (1 - beta_2**t).sqrt().to(weights[0].dtype))
        torch._foreach_add_(deviations, group["eps"])
        torch._foreach_div_(update, deviations)

        if isinstance(
            rate, Tensor
        ):  # of a schedule, on the device: a factor, since alpha would be read from there
            torch._foreach_add_(weights, torch._foreach_mul(update, rate), alpha=-2)
            torch._foreach_add_(weights, torch._foreach_mul(previous, rate))
        else:
            torch._foreach_add_(weights, update, alpha=-2 * rate)
            torch._foreach_add_(weights, previous, alpha=rate)
        torch._foreach_copy_(previous, update)

    def _remembered(self, weight: Tensor, name: str) -> Tensor:
        state = self.state[weight]
        if name not in state:
            state[name] = torch.zeros_like(weight)
        return state[name]


def _adam(
    weights: Groups, lr: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=lr, betas=betas, weight_decay=weight_decay, fused=True)


def _sgd(weights: Groups, lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)


def _rmsprop(
    weights: Groups, lr: float, momentum: float, smoothing: float, weight_decay: float
) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(
        weights, lr=lr, momentum=momentum, alpha=smoothing, weight_decay=weight_decay, foreach=True
    )


def _optimistic_adam(
    weights: Groups, lr: float, betas: tuple[float, float], steady: bool = True
) -> torch.optim.Optimizer:
    return OptimisticAdam(weights, lr, betas, fused=steady and is_on("fused_oadam"))


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": _adam,
    "oadam": _optimistic_adam,
    "sgd": _sgd,
    "rmsprop": _rmsprop,
}


def build_optimiser(block: Optimiser, parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return the optimiser that the recipe names, in a form that moves all weights in few kernels."""
    options = {name: getattr(block, name) for name in OPTIMISER_OPTIONS[block.name]}
    if block.name == "oadam" and (block.schedule or block.schedules):
        options["steady"] = False
    # As a group, since a player may have no weights: GMMN has no discriminator.
    return OPTIMISERS[block.name]([{"params": parameters}], lr=rate, **options)


def load_optimizer_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a `state_dict()` into the optimiser, laid out in memory as its weights are.

    Fused updates walk through weights and moments in the order of memory, whatever the strides say; a state
    may have been saved with weights in another order. Whether a graph runs the optimiser is for the present
    process to say, not for the one that saved.
    """
    optimiser.load_state_dict(state)
    for group in optimiser.param_groups:
        if "capturable" in group:
            group["capturable"] = False
    for weight, remembered in optimiser.state.items():
        for name, value in remembered.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                remembered[name] = torch.empty_like(weight).copy_(value)


def keep_moments(optimiser: torch.optim.Optimizer, before: torch.optim.Optimizer) -> None:
    """Let the optimiser go on with what another one remembers of the weights that both move."""
    for group in optimiser.param_groups:
        for weight in group["params"]:
            if weight in before.state:
                optimiser.state[weight] = before.state[weight]

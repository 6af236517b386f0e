"""One update of each player, against the same written as public research code is: plain, by hand."""

from typing import Any

import pytest
import torch
from tests.training import games
from tests.training.games import batch_of, logits, method_of
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.methods import Batch
from gantry.networks.linear import Linear
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

CPU = torch.device("cpu")


class PlainMaxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return y.view(len(y), self.pieces, -1).max(dim=1)[0]


class PlainDcganDiscriminator(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.head = nn.Module()
        self.head.linear = nn.Linear(4 * width * 16, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head.linear(self.layers(x))


class PlainDcganGenerator(nn.Module):
    def __init__(self, z: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(z, 4 * width, 4, 1, 0, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z.view(*z.shape, 1, 1))


def plain_networks(family: str) -> tuple[nn.Module, nn.Module, nn.Module]:
    if family == "dcgan":
        return PlainDcganGenerator(16, 4), PlainDcganGenerator(16, 4), PlainDcganDiscriminator(4, 5)
    generators = [
        nn.Sequential(
            nn.Linear(16, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 24), nn.BatchNorm1d(24), nn.ReLU(),
            nn.Linear(24, 2),
        )
        for _ in range(2)
    ]  # fmt: skip
    return *generators, nn.Sequential(PlainMaxout(2, 20, 3), PlainMaxout(20, 20, 3), nn.Linear(20, 5))


def kl(p: Tensor, logits: Tensor) -> Tensor:
    q = torch.softmax(logits, 1)
    return (p * torch.log((p + 1e-30) / q)).sum(1).mean()


def ce(p: Tensor, logits: Tensor) -> Tensor:
    return -(p * torch.log(torch.softmax(logits, 1) + 1e-16)).sum(1).mean()


def plain_d_loss(formulation: str, real: Tensor, f1: Tensor, f2: Tensor, a1: Tensor, a0: Tensor) -> Tensor:
    if formulation == "paper":
        agreement = kl(torch.softmax(f1, 1), f2)
        return kl(a1, real) + kl(a0, f1) + kl(a0, f2) + 0.7 * agreement
    agreement = ce(torch.softmax(f1, 1), f2)
    return ce(a1, real) + ce(a0, f1) + ce(a0, f2) + 0.7 * agreement


def plain_g_loss(
    formulation: str, real: Tensor, f1: Tensor, f2: Tensor, x1: Tensor, x2: Tensor, a1: Tensor, a0: Tensor
) -> Tensor:
    if formulation == "paper":
        spread = (x1 - x2).flatten(1).pow(2).sum(1).sqrt().mean()
        return kl(a1, f1) - kl(a0, f1) + kl(a1, f2) - kl(a0, f2) - 0.3 * spread
    target = torch.softmax(real, 1).detach()
    return (
        ce(target, f1) - ce(a0, f1) + ce(target, f2) - ce(a0, f2) - 0.3 * F.mse_loss(x1, x2)
    )  # fmt: skip


def recipe_of(family: str, formulation: str, mlp: dict[str, Any], **more: Any) -> Recipe:
    networks = {
        "mlp": mlp | {"width": 24, "maxout_units": 20, "maxout_pieces": 3, "maxout_depth": 2},
        "dcgan": {"family": "dcgan", "width": 4, "head": "linear", "spectral_norm": False},
    }[family]
    told = {
        "workload": "",
        "networks": networks,
        "objective": {"name": "realness", "atoms": 5, "formulation": formulation},
        "terms": {"logit_agreement": 0.7, "sample_spread": 0.3},
        "generators": 2,
        "latent": {"dimension": 16},
        "optimiser": {"lr_g": 1e-3, "lr_d": 2e-3},
        "batch_size": 20,
    }
    return Recipe.model_validate(told | more)


def largest_difference(ours: nn.Module, plain: nn.Module, skip: tuple[str, ...] = ()) -> float:
    own = ours.state_dict()
    differences = [
        (value - own[name]).abs().max().item()
        for name, value in plain.state_dict().items()
        if value.is_floating_point() and name not in skip
    ]
    return max(differences)


@pytest.mark.parametrize("formulation", ["paper", "reference"])
@pytest.mark.parametrize("family", ["mlp", "dcgan"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_five_steps_equal_plain_pytorch(
    family: str, formulation: str, dtype: torch.dtype, close: float, tools: Any
) -> None:
    torch.manual_seed(3)
    recipe = recipe_of(family, formulation, tools.mlp)
    shape = (2,) if family == "mlp" else (3, 32, 32)
    method = method_of(recipe, shape).to(dtype).train()
    step = Step(method, recipe, CPU)
    g1, g2, d = (network.to(dtype) for network in plain_networks(family))
    for plain, ours in ((g1, method.generators[0]), (g2, method.generators[1]), (d, method.discriminator)):
        plain.load_state_dict(ours.state_dict())
    adam_d = torch.optim.Adam(d.parameters(), lr=2e-3, betas=(0.5, 0.9), foreach=False)
    adam_g = torch.optim.Adam([*g1.parameters(), *g2.parameters()], lr=1e-3, betas=(0.5, 0.9), foreach=False)
    for _ in range(5):
        method.adversary.objective.redraw(CPU)
        a1, a0 = (
            method.adversary.objective.anchors.real.to(dtype),
            method.adversary.objective.anchors.fake.to(dtype),
        )
        real = (torch.rand(20, *shape) * 2 - 1).to(dtype)
        z = torch.randn(20, 16).to(dtype)

        loss = plain_d_loss(formulation, d(real), d(g1(z).detach()), d(g2(z).detach()), a1, a0)
        adam_d.zero_grad()
        loss.backward()
        adam_d.step()
        assert step.update("discriminator", batch_of(real, [z])).item() == pytest.approx(
            loss.item(), rel=max(close, 1e-6)
        )

        real, z = real.flip(0), z.flip(1)
        x1, x2 = g1(z), g2(z)
        loss = plain_g_loss(formulation, d(real), d(x1), d(x2), x1, x2, a1, a0)
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        assert step.update("generator", batch_of(real, [z])).item() == pytest.approx(
            loss.item(), rel=max(close, 1e-6)
        )
    # A bias before BatchNorm has gradient 0 but for rounding, which Adam makes a whole step of.
    noise = ("0.bias", "3.bias", "1.running_mean", "4.running_mean") if dtype == torch.float32 else ()
    for plain, ours in ((g1, method.generators[0]), (g2, method.generators[1]), (d, method.discriminator)):
        assert largest_difference(ours, plain, noise if family == "mlp" else ()) < close
        assert all(value.isfinite().all() for value in ours.state_dict().values())


@pytest.mark.parametrize("family", ["mlp", "dcgan"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_each_update_moves_its_player_only(family: str, precision: str, tools: Any) -> None:
    torch.manual_seed(4)
    recipe = recipe_of(family, "reference", tools.mlp, precision=precision)
    shape = (2,) if family == "mlp" else (3, 32, 32)
    method = method_of(recipe, shape).train()
    step = Step(method, recipe, CPU)
    real = torch.rand(20, *shape) * 2 - 1
    method.adversary.objective.redraw(CPU)

    def weights(module: nn.Module) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in module.parameters()]

    def moved(module: nn.Module, before: list[Tensor]) -> list[bool]:
        return [not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True)]

    for phase, still, moving in (
        ("discriminator", method.generators, method.discriminator),
        ("generator", method.discriminator, method.generators),
    ):
        before_still, before_moving = weights(still), weights(moving)
        loss = step.update(phase, batch_of(real, method.draw(phase, 20, CPU)))
        assert loss.shape == () and not loss.requires_grad and loss.isfinite()
        assert not any(moved(still, before_still))
        assert all(moved(moving, before_moving))
        assert all(parameter.requires_grad for parameter in method.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in method.parameters())


def test_one_pass_only_where_samples_do_not_meet(tools: Any) -> None:
    torch.manual_seed(5)
    recipe = recipe_of("mlp", "paper", tools.mlp)
    method = method_of(recipe, (2,)).train()
    batches = [torch.randn(20, 2) for _ in range(3)]
    sizes: list[int] = []
    method.discriminator.register_forward_hook(lambda module, given, found: sizes.append(len(found)))
    together = logits(method, batches)
    assert method.adversary.one_pass and sizes == [60]
    for batch, verdict in zip(batches, together, strict=True):
        torch.testing.assert_close(method.discriminator(batch), verdict)

    family = "gantry.methods.discriminators.build_discriminator"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, lambda *_: nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5)))
        normalised = method_of(recipe, (2,)).train()
    sizes.clear()
    normalised.discriminator.register_forward_hook(lambda module, given, found: sizes.append(len(found)))
    assert not normalised.adversary.one_pass
    for batch, verdict in zip(batches, logits(normalised, batches), strict=True):
        assert sizes == [20, 20, 20]
        torch.testing.assert_close(F.batch_norm(
            normalised.discriminator[0](batch), None, None, training=True  # type: ignore[index]
        ), verdict)  # fmt: skip


def test_views_and_latents(tools: Any) -> None:
    torch.manual_seed(6)
    plain = recipe_of("mlp", "paper", tools.mlp, latent={"dimension": 500, "distribution": "uniform"})
    (z,) = method_of(plain, (2,)).draw("generator", 200, CPU).values()
    assert z.shape == (200, 500) and z.min() < -0.99 and z.max() > 0.99 and z.abs().max() <= 1
    shifted = recipe_of("mlp", "paper", tools.mlp, latent={"dimension": 500, "shift": 0.25})
    method = method_of(shifted, (2,))
    (z, moved), (later, _) = (method.draw("generator", 200, CPU).values() for _ in range(2))
    assert z.std().item() == pytest.approx(1, abs=0.02) and not torch.equal(z, later)
    assert (moved - z).std().item() == pytest.approx(0.25, abs=0.005)
    method = method_of(recipe_of("mlp", "paper", tools.mlp), (2,))
    z = torch.randn(20, 16)
    samples = method.generate({"z": z, "z_shifted": -z})
    expected = [generator(view) for generator in method.generators for view in (z, -z)]
    assert all(torch.equal(a, b) for a, b in zip(samples, expected, strict=True))


def test_the_average_is_what_the_checkpoint_holds(
    lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a ← 0.9 a + 0.1 w after every update of the generators, from a = w after the first; buffers as they are."""
    from safetensors.torch import load_file

    seen: list[dict[str, Tensor]] = []
    update = Step.update

    def noted(self: Step, name: str, batch: Batch) -> Tensor:
        loss = update(self, name, batch)
        if name == "generator":
            seen.append({name: value.clone() for name, value in self.method.generators.state_dict().items()})
        return loss

    monkeypatch.setattr(Step, "update", noted)
    lab.train("averaged", 6, tools.bcgan | {"ema": 0.9, "updates": {"generator": 2}})
    assert len(seen) == 12
    stored = load_file(
        lab.work("averaged", tools.bcgan | {"ema": 0.9, "updates": {"generator": 2}}).checkpoint(6)
    )
    assert stored.keys() == seen[0].keys()
    for name, first in seen[0].items():
        average = first.double()
        for later in seen[1:]:
            average = 0.9 * average + 0.1 * later[name].double()
        is_buffer = "running" in name or "tracked" in name
        expected = seen[-1][name].double() if is_buffer else average
        torch.testing.assert_close(stored[name].double(), expected, rtol=1e-5, atol=1e-6)
    assert any(not torch.equal(stored[name], seen[-1][name]) for name in stored)


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(16, 16, 16), (33, 40, 17), (100, 128, 200), (4, 16, 16)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_the_wide_linear_layer_is_a_linear_layer(rows: int, inputs: int, outputs: int, bias: bool) -> None:
    """Value, gradients, and the gradients of a gradient penalty, against float64."""
    torch.manual_seed(7)
    ours = Linear(inputs, outputs, bias=bias)
    plain = nn.Linear(inputs, outputs, bias=bias).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(rows, inputs)
    results = []
    for layer, given in ((ours, x), (plain, x.double())):
        given = given.clone().requires_grad_()
        value = torch.tanh(layer(given))
        (slope,) = torch.autograd.grad(value.square().sum(), given, create_graph=True)
        penalty = slope.square().sum(1).sqrt().sub(1).square().mean() + value.mean()
        gradients = torch.autograd.grad(penalty, [given, *layer.parameters()])
        results.append([value, slope, penalty, *gradients])
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_every_phase_computes_in_the_precision_of_the_recipe(precision: str) -> None:
    """And D's leaves the generators alone: nothing of theirs is kept for a gradient that nobody takes."""
    recipe = games.recipe_of(games.HAND_PICKED["BCGAN"] | {"precision": precision})
    method = method_of(recipe, (2,))
    step, seen = Step(method, recipe, CPU), {}
    method.begin(0, CPU)
    generate, logits_of = method.generate, method.adversary.discriminator.forward

    def generated(noise: Any) -> list[Tensor]:
        fakes = generate(noise)
        seen["fakes"] = [fake.requires_grad for fake in fakes]
        return fakes

    def judged(x: Tensor) -> Any:
        seen["cast"] = torch.is_autocast_enabled("cpu")
        return logits_of(x)

    method.generate = generated  # type: ignore[method-assign]
    method.adversary.discriminator.forward = judged
    for phase, learns in (("discriminator", False), ("generator", True)):
        real = torch.rand(recipe.batch_size, 2)
        step.update(phase, batch_of(real, method.draw(phase, recipe.batch_size, CPU)))
        assert seen == {"fakes": [learns, learns], "cast": precision == "bf16"}, phase

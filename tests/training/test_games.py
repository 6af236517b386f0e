"""Games of every shape: two discriminators, none, packs, energies, a look ahead; and what a recipe may not ask."""

import copy
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.training.games import batch_of, logits, method_of
from torch import Tensor, nn
from torch.nn import functional as F

from gantry.methods.adversarial import Adversarial
from gantry.methods.discriminators import Packed, SideBySide
from gantry.plan.recipe import Recipe
from gantry.training.step import Step, parameters_of

CPU = torch.device("cpu")
ENERGIES = {"family": "mlp_autoencoder", "width": 16, "depth": 1}
IMAGES = {"family": "dcgan", "width": 4, "head": "linear"}


def recipe_of(networks: dict[str, Any], objective: dict[str, Any], **more: Any) -> Recipe:
    told = {"workload": "", "networks": networks, "objective": objective, "latent": {"dimension": 8}}
    return Recipe.model_validate(told | {"batch_size": 12} | more)


def game_of(recipe: Recipe, dtype: torch.dtype = torch.float32) -> tuple[Adversarial, Step, tuple[int, ...]]:
    shape = (2,) if recipe.networks.makes == "points" else (3, 32, 32)
    torch.manual_seed(0)
    method = method_of(recipe, shape).to(dtype).train()
    return method, Step(method, recipe, CPU), shape


def test_two_discriminators_stand_side_by_side(tools: Any) -> None:
    method, _, _ = game_of(recipe_of(tools.mlp, {"name": "d2gan"}))
    assert isinstance(method.discriminator, SideBySide)
    first, second = method.discriminator.parts
    x = torch.randn(5, 2)
    assert torch.equal(method.discriminator(x), torch.cat([first(x), second(x)], dim=1))
    assert not torch.equal(first(x), second(x))


@pytest.mark.parametrize("shape", [(2,), (3, 4, 4)])
def test_a_pack_is_consecutive_samples_side_by_side(shape: tuple[int, ...]) -> None:
    seen: list[Tensor] = []

    class Look(nn.Module):
        def forward(self, samples: Tensor) -> Tensor:
            seen.append(samples)
            return samples.flatten(1).sum(1, keepdim=True)

    x = torch.randn(6, *shape)
    verdicts = Packed(Look(), 3)(x)
    (packed,) = seen
    assert torch.equal(packed, torch.stack([torch.cat(list(x[:3])), torch.cat(list(x[3:]))]))
    assert verdicts.shape == (2, 1)


@pytest.mark.parametrize("images", [False, True])
def test_packs_keep_batches_apart(images: bool, tools: Any) -> None:
    recipe = recipe_of(IMAGES if images else tools.mlp, {"name": "non_saturating"}, pack=3)
    method, _, shape = game_of(recipe)
    method.eval()  # spectral norm moves in train mode
    batches = [torch.randn(12, *shape) for _ in range(3)]
    together = logits(method, batches)
    assert [len(drawn_batches) for drawn_batches in together] == [4, 4, 4]
    for batch, verdicts in zip(batches, together, strict=True):
        torch.testing.assert_close(method.discriminator(batch), verdicts)


def test_without_a_discriminator_outputs_are_the_samples(tools: Any) -> None:
    recipe = recipe_of(tools.mlp, {"name": "gmmn"}, updates={"discriminator": 0})
    method, step, _ = game_of(recipe)
    x = torch.randn(12, 2)
    assert torch.equal(method.discriminator(x), x)
    assert parameters_of(method, ("discriminator", "discriminator_terms")) == []
    before = [parameter.detach().clone() for parameter in method.generators.parameters()]
    step.update("generator", batch_of(x, [torch.randn(12, 8)]))
    assert all(not torch.equal(a, b) for a, b in zip(method.generators.parameters(), before, strict=True))
    step.optimisers["discriminator"].load_state_dict(step.optimisers["discriminator"].state_dict())


GAMES: dict[str, dict[str, Any]] = {
    "least squares": {"objective": {"name": "least_squares"}},
    "hinge": {"objective": {"name": "hinge"}, "generators": 2},
    "WGAN": {"objective": {"name": "wasserstein", "clip": 0.01}, "updates": {"discriminator": 2}},
    "WGAN-GP": {"objective": {"name": "wasserstein"}, "terms": {"gradient_penalty": 10.0}},
    "f-GAN": {"objective": {"name": "f_gan", "divergence": "jeffrey"}},
    "RaGAN": {"objective": {"name": "relativistic", "of": "hinge"}},
    "D2GAN": {"objective": {"name": "d2gan"}, "generators": 2},
    "MMD-GAN": {"objective": {"name": "mmd_gan", "outputs": 3}},
    "GMMN": {"objective": {"name": "gmmn"}, "updates": {"discriminator": 0}},
    "EBGAN": {"objective": {"name": "ebgan", "margin": 1.0}, "terms": {"pulling_away": 0.1}, "networks": ENERGIES},
    "BEGAN": {"objective": {"name": "began"}, "networks": ENERGIES},
    "PacGAN": {"objective": {"name": "non_saturating"}, "pack": 2, "terms": {"gradient_penalty": 1.0}},
    "unrolled": {"objective": {"name": "non_saturating"}, "unroll": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", GAMES)
def test_every_game_trains_and_goes_on_from_where_it_was(name: str, lab: Any, tools: Any) -> None:
    recipe = {"networks": tools.mlp, "latent": {"dimension": 8}, "batch_size": 12} | GAMES[name]
    whole = tools.outcome(lab.train("whole", 12, recipe))
    lab.train("cut", 6, recipe)
    root = lab.train("cut", 12, recipe)
    (root / "record-6.json").unlink()
    assert tools.outcome(root) == whole
    assert len(whole["history"]) > 1
    for row in whole["history"][1:]:
        assert all(abs(float(value)) < 1e6 for value in row[1:])


def test_clipping_follows_every_update_of_the_critic(tools: Any) -> None:
    recipe = recipe_of(tools.mlp, {"name": "wasserstein", "clip": 0.01})
    method, step, _ = game_of(recipe)
    step.update("discriminator", batch_of(torch.randn(12, 2), [torch.randn(12, 8)]))
    largest = max(parameter.abs().max().item() for parameter in method.discriminator.parameters())
    assert largest == pytest.approx(0.01)
    assert max(parameter.abs().max().item() for parameter in method.generators.parameters()) > 0.02


def plain_unrolled_loss(
    generator: nn.Module,
    weights: list[Tensor],
    moments: list[Any],
    real: Tensor,
    z: Tensor,
    steps: int,
    rate: float,
) -> Tensor:
    """loss_G through `steps` hand-written updates of a two-layer D: Adam with β = (0.5, 0.9)."""

    def verdict(x: Tensor, w: list[Tensor]) -> Tensor:
        return F.linear(torch.tanh(F.linear(x, w[0], w[1])), w[2], w[3])

    fake = generator(z)
    done, means, squares = moments
    for step in range(done + 1, done + steps + 1):
        loss = F.softplus(-verdict(real, weights)).mean() + F.softplus(verdict(fake, weights)).mean()
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        means = [0.5 * m + 0.5 * g for m, g in zip(means, slopes, strict=True)]
        squares = [0.9 * v + 0.1 * g**2 for v, g in zip(squares, slopes, strict=True)]
        weights = [
            w - rate * (m / (1 - 0.5**step)) / (torch.sqrt(v / (1 - 0.9**step)) + 1e-8)
            for w, m, v in zip(weights, means, squares, strict=True)
        ]
    return F.softplus(-verdict(fake, weights)).mean()


@pytest.mark.parametrize("steps", [1, 3])
def test_unrolling_equals_plain_adam_written_out(
    steps: int, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss, gradient through the updates, and D, which stays where it is."""
    monkeypatch.setattr(
        "gantry.methods.discriminators.build_discriminator",
        lambda *_: nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)),
    )
    rate = 0.05
    recipe = recipe_of(
        tools.mlp, {"name": "non_saturating"}, unroll=steps, optimiser={"lr_d": rate, "betas": (0.5, 0.9)}
    )
    method, step, _ = game_of(recipe, torch.float64)
    for _ in range(3):  # gives D's optimiser moments
        step.update("discriminator", batch_of(torch.randn(12, 2).double(), [torch.randn(12, 8).double()]))
    weights = [parameter.detach().clone().requires_grad_() for parameter in method.discriminator.parameters()]
    states = [
        step.optimisers["discriminator"].state[parameter] for parameter in method.discriminator.parameters()
    ]
    moments = [3, [s["exp_avg"].clone() for s in states], [s["exp_avg_sq"].clone() for s in states]]
    generator = copy.deepcopy(method.generators[0])
    real, z = torch.randn(12, 2).double(), torch.randn(12, 8).double()
    expected = plain_unrolled_loss(generator, weights, moments, real, z, steps, rate)
    expected.backward()

    kept = copy.deepcopy([step.optimisers["discriminator"].state_dict(), method.discriminator.state_dict()])
    assert step.update("generator", batch_of(real, [z])).item() == pytest.approx(expected.item(), rel=1e-9)
    for ours, plain in zip(method.generators.parameters(), generator.parameters(), strict=True):
        assert ours.grad is not None and plain.grad is not None
        torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-6, atol=1e-10)
    assert tools.plain(kept) == tools.plain(
        [step.optimisers["discriminator"].state_dict(), method.discriminator.state_dict()]
    )
    assert all(parameter.requires_grad for parameter in method.parameters())

    without = game_of(recipe_of(tools.mlp, {"name": "non_saturating"}), torch.float64)[0]
    without.load_state_dict(kept[1], strict=False)
    assert plain_unrolled_loss(generator, weights, moments, real, z, 0, rate).item() != pytest.approx(
        expected.item()
    )


def test_looking_ahead_is_no_update_to_remember(tools: Any) -> None:
    """Historical averaging counts D's own updates, and their weights are its mean."""
    told = {"unroll": 3, "terms": {"historical_averaging": 1.0}}
    recipe = recipe_of(tools.mlp, {"name": "non_saturating"}, **told)
    method, step, _ = game_of(recipe)
    seen = []
    for _ in range(3):
        seen.append(
            torch.cat([parameter.detach().flatten() for parameter in method.discriminator.parameters()])
        )
        for phase in step.phases:
            real = torch.randn(recipe.batch_size, 2)
            step.update(phase, batch_of(real, method.draw(phase, recipe.batch_size, CPU)))
    (term,) = method.discriminator_terms
    assert term.updates == 3
    torch.testing.assert_close(term.mean, torch.stack(seen).mean(0))


def test_unrolling_through_weights_whose_gradient_is_zero(tools: Any) -> None:
    """A maxout piece that is never the largest has no gradient: the root of its second moment has no slope."""
    recipe = recipe_of(tools.mlp | {"maxout_pieces": 40}, {"name": "non_saturating"}, unroll=2)
    method, step, _ = game_of(recipe)
    loss = step.update("generator", batch_of(torch.randn(12, 2), method.draw("generator", 12, CPU)))
    assert loss.isfinite()
    assert all(parameter.isfinite().all() for parameter in method.generators.parameters())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": {"name": "gmmn"}}, "set updates.discriminator to 0"),
        ({"updates": {"discriminator": 0}}, "only objective gmmn has no discriminator"),
        (GAMES["GMMN"] | {"pack": 2}, "take pack away"),
        (GAMES["GMMN"] | {"unroll": 1}, "take unroll away"),
        (GAMES["GMMN"] | {"terms": {"feature_matching": 1}}, "take terms.feature_matching away"),
        (GAMES["GMMN"] | {"terms": {"gradient_penalty": 1}}, "take terms.gradient_penalty away"),
        ({"pack": 5}, "batch_size 12 is not a multiple of pack 5"),
        ({"unroll": 5, "optimiser": {"name": "sgd"}}, "optimiser.name sgd has none"),
        ({"objective": {"name": "began"}}, "set networks.family to autoencoder"),
        ({"objective": {"name": "ebgan", "margin": 1}}, "wants a discriminator that reconstructs"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any], message: str, tools: Any) -> None:
    told = {"networks": tools.mlp, "objective": {"name": "hinge"}} | wrong
    with pytest.raises(ValidationError, match=message):
        recipe_of(**told)

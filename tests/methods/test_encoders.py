"""GANs with an encoder: equations, optima on tables, and gradients that must not reach somebody."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from tests.methods.points import BASE, batch_for
from torch import nn
from torch.distributions import Normal, kl_divergence

from gantry.data.shape import DataShape
from gantry.methods import Part, build_method
from gantry.networks.encoders import Encoder, divergence_from_prior
from gantry.networks.spectral import is_normalised
from gantry.plan.recipe import Recipe


def method_of(method: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | {"method": method}), DataShape((2,)))


def softplus(x: torch.Tensor) -> np.ndarray:
    return np.logaddexp(0, x.detach().double().numpy())


@pytest.mark.parametrize("encoder", ["deterministic", "gaussian"])
@pytest.mark.parametrize("entry", ["planes", "joined"])
def test_both_sides_of_the_joint_game_have_each_others_loss(encoder: str, entry: str) -> None:
    method = method_of({"name": "joint", "encoder": encoder, "discriminator": entry, "width": 6})
    batch = batch_for(method)
    z = batch.noise["z"]
    mean, log_deviation = method.encoder(batch.x)
    code = mean + (log_deviation.exp() * batch.noise["code_noise"] if encoder == "gaussian" else 0)
    discriminator = method.adversary.discriminator
    encoded, generated = discriminator(batch.x, code).logits, discriminator(method.generator(z), z).logits
    expected_d = softplus(-encoded).mean() + softplus(generated).mean()
    expected_g = softplus(encoded).mean() + softplus(-generated).mean()
    assert method.loss("discriminator", batch).item() == pytest.approx(expected_d, rel=2e-6)
    assert method.loss("generator", batch).item() == pytest.approx(expected_g, rel=2e-6)


def value_of_joint(encoded: np.ndarray, generated: np.ndarray) -> float:
    """max over D of E log D(x, E(x)) + E log(1 − D(G(z), z)), by gradient ascent on the table of D's logits."""
    logits = torch.zeros(encoded.shape, dtype=torch.float64, requires_grad=True)
    p, q = torch.tensor(encoded), torch.tensor(generated)
    optimiser = torch.optim.LBFGS([logits], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (p * nn.functional.softplus(-logits) + q * nn.functional.softplus(logits)).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return -float(closure().detach())


def test_the_joint_game_is_least_where_encoder_and_generator_are_inverse() -> None:
    """3 × 3 tables: C(E, G) = 2·JSD − log 4, and −log 4 only for E = G⁻¹. Donahue et al. 2017, theorems 1 and 2."""
    values = {}
    for e in permutations(range(3)):
        for g in permutations(range(3)):
            encoded, generated = np.zeros((3, 3)), np.zeros((3, 3))
            encoded[np.arange(3), e] = 1 / 3
            generated[g, np.arange(3)] = 1 / 3
            m = (encoded + generated) / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                jsd = sum(np.nansum(p * np.log(p / m)) for p in (encoded, generated)) / 2
            values[e, g] = value_of_joint(encoded, generated)
            assert values[e, g] == pytest.approx(2 * jsd - np.log(4), abs=2e-3)
    inverse = {pair for pair in values if all(pair[0][pair[1][z]] == z for z in range(3))}
    least = {pair for pair, value in values.items() if value < -np.log(4) + 1e-2}
    assert least == inverse and len(inverse) == 6


def test_the_divergence_from_the_prior_is_that_of_gaussians() -> None:
    mean, log_deviation = torch.randn(5, 3), 0.5 * torch.randn(5, 3)
    expected = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(divergence_from_prior(mean, log_deviation), expected)


@pytest.mark.parametrize("classes", [2, 3])
def test_vaegans_losses_and_whom_they_move(classes: int) -> None:
    method = method_of({"name": "vaegan", "gamma": 0.3, "classes": classes})
    batch = batch_for(method)
    mean, log_deviation = method.encoder(batch.x)
    rebuilt = method.generator(mean + log_deviation.exp() * batch.noise["code_noise"])
    generated = method.generator(batch.noise["z"])
    said = [method.adversary.discriminator(x, x.new_zeros(8, 0)) for x in (batch.x, rebuilt, generated)]
    likelihood = 0.5 * (said[0].features - said[1].features).square().sum(1).mean().item()
    prior = divergence_from_prior(mean, log_deviation).item()
    if classes == 3:
        log_p = [output.class_logits.double().log_softmax(1).mean(0).detach().numpy() for output in said]
        expected_d, game = -sum(log_p[k][k] for k in range(3)), -(log_p[1][0] + log_p[2][0])
    else:
        expected_d = softplus(-said[0].logits).mean() + sum(
            softplus(output.logits).mean() for output in said[1:]
        )
        game = sum(softplus(-output.logits).mean() for output in said[1:])
    assert method.loss("discriminator", batch).item() == pytest.approx(expected_d, rel=2e-6)
    of_encoder, of_generator = method.loss("generator", batch)
    assert isinstance(of_encoder, Part) and of_encoder.trains == ("encoder",)
    assert of_encoder.loss.item() == pytest.approx(prior + likelihood, rel=2e-6)
    assert of_generator.trains == ("generator",)
    assert of_generator.loss.item() == pytest.approx(0.3 * likelihood + game, rel=2e-6)


def test_three_classes_are_worth_the_divergence_of_three_distributions() -> None:
    """D*_k = p_k/Σp, and max V = 3·JSD₃ − 3·log 3: least where all three agree."""
    rng = np.random.default_rng(0)
    for p in (rng.dirichlet(np.ones(4), size=3), np.full((3, 4), 0.25)):
        optimal = p / p.sum(0)
        value = (p * np.log(optimal)).sum()
        mean = p.mean(0)
        divergence = sum((density * np.log(density / mean)).sum() for density in p) / 3
        assert value == pytest.approx(3 * divergence - 3 * np.log(3))


def test_the_regressor_moves_nobody_else() -> None:
    method = method_of({"name": "latent_regressor"})
    batch = batch_for(method, "encoder")
    loss = method.loss("encoder", batch)
    gap = method.encoder(method.generators[0](batch.noise["z"]))[0] - batch.noise["z"]
    assert loss.item() == pytest.approx(gap.square().mean().item(), rel=1e-5)
    loss.backward()
    moved = {
        name.split(".")[0] for name, parameter in method.named_parameters() if parameter.grad is not None
    }
    assert moved == {"encoder"}
    assert [phase.name for phase in method.phases] == ["discriminator", "generator", "encoder"]


def test_reconstructions_are_of_the_same_size_as_samples() -> None:
    method = method_of({"name": "joint"})
    sampler = method.sampler(method.kept.eval())
    x = torch.randn(6, 2)
    assert sampler.can == {"encode", "reconstruct"}
    assert sampler.encode(x).shape == (6, 4) and sampler.reconstruct(x).shape == x.shape
    torch.testing.assert_close(sampler.reconstruct(x), sampler.sample("G1", {"z": sampler.encode(x)}))


def test_encoders_have_batch_norm_in_the_place_of_spectral_norm() -> None:
    """Without either, what a body of narrow layers says of samples is a thousandth of the head's bias."""
    block = {"family": "dcgan", "width": 2, "head": "linear"}
    networks = Recipe.model_validate(BASE | {"networks": block, "method": {"name": "joint"}}).networks
    encoder = Encoder(networks, (3, 32, 32), 5, gaussian=False)
    kinds = [type(module).__name__ for module in encoder.body.modules()]
    assert kinds.count("BatchNorm2d") == kinds.count("Conv2d") - 1
    assert not any(is_normalised(module) for module in encoder.modules())
    plain = Encoder(networks.model_copy(update={"spectral_norm": False}), (3, 32, 32), 5, gaussian=False)
    torch.manual_seed(0)
    x = torch.randn(16, 3, 32, 32)
    with torch.no_grad():
        assert encoder.body(x).std() > 0.1
        assert plain.body(x).std() < 0.01

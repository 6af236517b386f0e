"""Minibatch discrimination against NumPy, pair by pair; whose batch a sample is compared with; what it costs."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.training.games import logits, method_of

from gantry.networks import build_discriminator, mixes_samples
from gantry.networks.minibatch import MinibatchDiscrimination
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.recipe import Recipe
from gantry.terms.features import penultimate

OPTIONS = {"kernels": 4, "dimensions": 3}
POINTS = MlpNetworks(
    family="mlp", maxout_units=6, maxout_pieces=2, maxout_depth=2, minibatch_discrimination=OPTIONS
)
IMAGES = DcganNetworks(family="dcgan", width=2, spectral_norm=False, minibatch_discrimination=OPTIONS)


def by_hand(features: np.ndarray, tensor: np.ndarray) -> np.ndarray:
    """Section 3.2 of the paper; features (n, A), T (A, B, C)."""
    n, (_, kernels, _) = len(features), tensor.shape
    rows = [np.einsum("a,abc->bc", f, tensor) for f in features]
    o = np.zeros((n, kernels))
    for i in range(n):
        for b in range(kernels):
            o[i, b] = sum(np.exp(-np.abs(rows[i][b] - rows[j][b]).sum()) for j in range(n))
    return np.concatenate([features, o], axis=1)


def layer(inputs: int = 5) -> MinibatchDiscrimination:
    torch.manual_seed(0)
    return MinibatchDiscrimination(inputs, **OPTIONS).double()


def test_similarities_stand_beside_the_features() -> None:
    ours, features = layer(), torch.randn(7, 5, dtype=torch.float64)
    tensor = ours.tensor.weight.detach().numpy().T.reshape(5, 4, 3)
    expected = by_hand(features.numpy(), tensor)
    np.testing.assert_allclose(ours(features).detach().numpy(), expected, rtol=1e-12)
    assert expected[:, 5:].min() > 1 and expected[:, 5:].max() < 7


def test_a_batch_of_one_sample_many_times_is_as_similar_as_can_be() -> None:
    alike = torch.randn(1, 5, dtype=torch.float64).expand(6, 5)
    assert torch.equal(layer()(alike)[:, 5:], torch.full((6, 4), 6.0, dtype=torch.float64))
    far_apart = 1e6 * torch.arange(6, dtype=torch.float64)[:, None].expand(6, 5)
    assert torch.equal(layer()(far_apart)[:, 5:], torch.ones(6, 4, dtype=torch.float64))


def test_it_can_be_differentiated_twice_as_gradient_penalties_do() -> None:
    features = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer(), features)
    assert torch.autograd.gradgradcheck(layer(), features)


def test_half_precision_compares_in_single() -> None:
    torch.manual_seed(1)
    ours, features = MinibatchDiscrimination(5, 4, 3), torch.randn(64, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ours(features)
        rows = ours.tensor(features).double().view(64, 4, 3)
    exact = (rows[:, None] - rows).abs().sum(3).neg().exp().sum(1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[:, 5:].double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("networks", "shape"), [(POINTS, (2,)), (IMAGES, (3, 32, 32))])
def test_it_stands_before_the_last_layer(networks, shape) -> None:
    discriminator = build_discriminator(networks, shape, 3)
    batch = torch.randn(5, *shape)
    assert discriminator(batch).shape == (5, 3) and mixes_samples(discriminator)
    plain = build_discriminator(networks.model_copy(update={"minibatch_discrimination": None}), shape, 3)
    features = penultimate(plain, batch).shape[1]
    assert penultimate(discriminator, batch).shape == (5, features + OPTIONS["kernels"])
    # The tensor's entries, and as many weights of the last layer for each output as there are kernels.
    numbers = 3 * (2 if getattr(networks, "head", "linear") == "adaptive" else 1)
    more = sum(parameter.numel() for parameter in discriminator.parameters()) - sum(
        parameter.numel() for parameter in plain.parameters()
    )
    assert more == features * 4 * 3 + 4 * numbers


def test_real_and_generated_samples_are_never_compared_with_each_other() -> None:
    torch.manual_seed(0)
    recipe = Recipe(workload="", networks=POINTS, objective={"name": "hinge"}, latent={"dimension": 4})
    method = method_of(recipe, (2,))
    assert not method.adversary.one_pass
    real, fake, other = torch.randn(8, 2), torch.randn(8, 2), 5 + torch.randn(8, 2)
    with torch.no_grad():
        verdicts = logits(method, [real, fake])
        assert torch.equal(verdicts[0], logits(method, [real, other])[0])
        assert torch.equal(verdicts[1], method.discriminator(fake))
        mixed = method.discriminator(torch.cat([real, fake])).split(8)
    assert not torch.allclose(verdicts[0], mixed[0], atol=1e-3)


def test_patches_have_no_batch_to_be_compared_with() -> None:
    with pytest.raises(ValidationError, match="take minibatch_discrimination away"):
        DcganNetworks(family="dcgan", discriminator="patchgan", minibatch_discrimination={})


def test_recipes_without_it_say_nothing_of_it() -> None:
    for networks in (MlpNetworks(family="mlp"), DcganNetworks(family="dcgan")):
        assert networks.model_dump(exclude_defaults=True) == {"family": networks.family}

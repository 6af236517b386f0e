"""Several logits of each image, through the objectives, the constraints and the method."""

import pytest
import torch
from tests.training.games import batch_of, logits, losses_of, method_of
from torch.nn.functional import cross_entropy, log_softmax, softmax

from gantry.methods.adversarial import Adversarial
from gantry.plan.recipe import Recipe

SHAPE = (3, 32, 32)
PATCHES = 4  # PatchGAN at 32 × 32


@pytest.fixture
def method() -> Adversarial:
    torch.manual_seed(0)
    recipe = Recipe(
        workload="images",
        networks={
            "family": "dcgan",
            "width": 2,
            "head": "linear",
            "discriminator": "patchgan",
            "power_iteration": "shared",  # all batches in one pass
        },
        objective={"name": "realness", "atoms": 5, "formulation": "reference"},
        terms={"logit_agreement": 1.0},
        generators=2,
        latent={"dimension": 6},
    )
    method = method_of(recipe, SHAPE).eval()
    method.adversary.objective.redraw("cpu")
    return method


def test_the_game_gives_each_batch_its_own_logits(method: Adversarial) -> None:
    batches = [torch.randn(size, *SHAPE) for size in (2, 3, 1)]
    assert method.adversary.one_pass
    found = logits(method, batches)
    assert [len(rows) for rows in found] == [2 * PATCHES, 3 * PATCHES, PATCHES]
    for batch, own in zip(batches, found, strict=True):
        torch.testing.assert_close(own, method.discriminator(batch), rtol=1e-4, atol=1e-6)


def test_losses_average_over_patches_and_compare_equal_places(method: Adversarial) -> None:
    real, noise = torch.randn(3, *SHAPE), {"z": torch.randn(3, 6)}
    with torch.no_grad():
        first, second = (method.discriminator(fake).view(3, PATCHES, 5) for fake in method.generate(noise))
        reals = method.discriminator(real).view(3, PATCHES, 5)
        loss_d, loss_g = losses_of(method, batch_of(real, noise))
    anchors = method.adversary.objective.anchors
    expected_d, expected_g = 0.0, 0.0
    for image in range(3):
        for patch in range(PATCHES):
            a, b, r = (rows[image, patch] for rows in (first, second, reals))
            expected_d += cross_entropy(r, anchors.real) + cross_entropy(a, anchors.fake)
            expected_d += cross_entropy(b, anchors.fake) - (softmax(a, 0) * log_softmax(b, 0)).sum()
            for fake in (a, b):
                expected_g += cross_entropy(fake, softmax(r, 0)) - cross_entropy(fake, anchors.fake)
    torch.testing.assert_close(loss_d, expected_d / (3 * PATCHES), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss_g, expected_g / (3 * PATCHES), rtol=1e-4, atol=1e-5)


def test_512_head_channels_are_the_loss_averaged_over_them() -> None:
    torch.manual_seed(0)
    recipe = Recipe(
        workload="images",
        networks={"family": "dcgan32", "width": 2, "head_channels": 512},
        objective={"name": "non_saturating"},
        latent={"dimension": 6},
    )
    method = method_of(recipe, SHAPE).eval()
    real, noise = torch.randn(2, *SHAPE), {"z": torch.randn(2, 6)}
    with torch.no_grad():
        (fake,) = method.generate(noise)
        discriminator = method.discriminator
        channels = [discriminator.penultimate(discriminator.layers(x))[:, :, 0, 0] for x in (real, fake)]
        assert channels[0].shape == (2, 512)
        expected = -torch.log(channels[0].sigmoid()).mean() - torch.log(1 - channels[1].sigmoid()).mean()
        torch.testing.assert_close(losses_of(method, batch_of(real, noise))[0], expected)

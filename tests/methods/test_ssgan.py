"""SS-GAN: structures by hand, its losses against NumPy, whom each stage moves, and the ratio to shuffled structures."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE as ON_POINTS
from tests.methods.points import batch_for, softplus

from gantry.data.pairs import edges as edges_of_pixels
from gantry.data.shape import DataShape
from gantry.methods import build_method
from gantry.networks.structures import ClothingGenerator, blur, edges, luma
from gantry.plan.recipe import Recipe

BASE = ON_POINTS | {"latent": {"dimension": 3}}


def method_of(joint: bool = False, **options: Any) -> Any:
    torch.manual_seed(0)
    method = build_method(
        Recipe.model_validate(BASE | {"method": {"name": "ssgan", "joint_from": 5} | options}),
        DataShape((2,)),
    )
    method.enter(method.stages()[int(joint)])
    return method


def test_edges_are_those_that_pairs_are_prepared_with() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    expected = edges_of_pixels(pixels, 1, 0)[..., 0].astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(edges(image)[0, 0].numpy(), expected, atol=1.1 / 127.5)
    step = torch.ones(1, 1, 8, 8)
    step[..., :4] = -1
    assert edges(step)[0, 0, 3].tolist() == pytest.approx([-0.998] * 3 + [1, 1] + [-0.998] * 3, abs=1e-3)


def test_luma_and_blur_by_hand() -> None:
    colours = torch.tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [0.5, 0.5, 0.5]]).view(3, 3, 1, 1)
    assert luma(colours).flatten().tolist() == pytest.approx([2 * 0.299 - 1, 2 * 0.587 - 1, 0.5], abs=1e-6)
    image = torch.zeros(1, 1, 8, 8)
    image[..., 0, 0] = 16
    blurred = blur(image)
    assert (blurred[..., :4, :4] == 1).all() and blurred.sum() == 16


@pytest.mark.parametrize("joint", [False, True])
def test_losses_are_those_of_both_games_and_what_is_kept(joint: bool) -> None:
    method = method_of(joint, kept=0.3)
    batch = batch_for(method)
    x, real = batch.x, batch.x[:, :1]
    made = method.structures(batch.noise["z"])
    given = made if joint else real
    samples = method.styles(given, batch.noise["z_style"])
    d_s, d_p = method.of_structures.discriminator, method.of_pairs.discriminator
    true, fake = torch.cat([real, x], 1), torch.cat([given, samples], 1)
    expected_d = softplus(-d_s(real)) + softplus(d_s(made)) + softplus(-d_p(true)) + softplus(d_p(fake))
    apart = float(((samples[:, :1] - given).detach().double().numpy() ** 2).mean())
    expected_g = softplus(-d_s(made)) + softplus(-d_p(fake)) + 0.3 * apart
    assert method.loss("discriminator", batch).item() == pytest.approx(expected_d, rel=1e-5)
    assert method.loss("generator", batch).item() == pytest.approx(expected_g, rel=1e-5)


def test_a_share_of_the_samples_gradient_reaches_structures_in_the_joint_stage_alone() -> None:
    def gradient(joint: bool, through: float) -> torch.Tensor:
        method = method_of(joint, through=through)
        method.loss("generator", batch_for(method)).backward()
        found: torch.Tensor = method.structures[-1].weight.grad.clone()
        return found

    own = gradient(False, 0.1)
    torch.testing.assert_close(gradient(True, 0.0), own)
    whole, part = gradient(True, 1.0) - own, gradient(True, 0.1) - own
    torch.testing.assert_close(part, 0.1 * whole, rtol=1e-3, atol=1e-7)
    assert whole.abs().max() > 1e-3


def test_stages_share_rates_as_told_and_the_second_one_is_optional() -> None:
    first, second = method_of(joint_rate=0.01).stages()
    assert (first.start, first.rate, second.start, second.rate) == (0, 1.0, 5, 0.01)
    assert len(method_of(joint_from=None).stages()) == 1


def test_a_style_that_copies_its_structure_has_no_error_and_a_blind_one_no_better_than_chance() -> None:
    method = method_of()
    sampler = method.sampler(method.kept.eval())
    points = torch.randn(400, 2)

    def ratio(styles: Any) -> float:
        sampler.styles = styles
        given, found = sampler.structures(points, torch.Generator().manual_seed(0))
        return float(((found - given).square().mean() / (found - given.roll(1, 0)).square().mean()).sqrt())

    assert ratio(lambda s, z: torch.cat([s, z[:, :1]], 1)) == 0
    assert ratio(lambda s, z: z[:, :2]) == pytest.approx(1, abs=0.1)


def test_an_images_parts_are_its_structure_and_itself() -> None:
    torch.manual_seed(0)
    networks = {"family": "dcgan", "width": 4, "head": "linear"}
    recipe = Recipe.model_validate(BASE | {"method": {"name": "ssgan"}, "networks": networks})
    method = build_method(recipe, DataShape((3, 32, 32)))
    sampler = method.sampler(method.kept.eval())
    given = sampler.inputs("G1", range(3), torch.Generator().manual_seed(0))
    parts = sampler.parts("G1", given)
    assert {name: tuple(part.shape) for name, part in parts.items()} == {
        "structure": (3, 1, 32, 32),
        "image": (3, 3, 32, 32),
    }
    assert torch.equal(parts["image"], sampler.sample("G1", given)) and "parts" in sampler.can
    clothing = method.styles
    assert isinstance(clothing, ClothingGenerator)
    other = clothing(parts["structure"].roll(1, 0), given["z_style"])
    assert not torch.equal(other, parts["image"]), "the structure is looked at"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"networks": {"family": "singan"}}, "networks.family singan is of another method"),
        (
            {"latent": {"dimension": 3, "shift": 0.1}},
            "latent.shift is of a discriminator that sees samples alone",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": {"name": "ssgan"}} | told)


def test_the_joint_stage_begins_within_the_run() -> None:
    recipe = Recipe.model_validate(BASE | {"method": {"name": "ssgan", "joint_from": 5}})
    recipe.method.check_workload(recipe, None, 6)
    with pytest.raises(ValueError, match="joint_from 5: the run has 5 iterations: take less"):
        recipe.method.check_workload(recipe, None, 5)

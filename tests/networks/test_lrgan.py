"""LR-GAN's layers: placing and pasting by hand and against PyTorch's grid sampler, and what a sample is made of."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import build_method
from gantry.networks import build_generator
from gantry.networks.lrgan import Generator, pasted, placed
from gantry.plan.recipe import Recipe

RECIPE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "lrgan", "width": 4, "steps": 3},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 12},
    "batch_size": 4,
}


def generator_of(**networks: Any) -> Generator:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(RECIPE | {"networks": RECIPE["networks"] | networks})
    built = build_generator(recipe.networks, recipe.latent.dimension, (3, 32, 32))
    assert isinstance(built, Generator)
    return built.eval()


def pairs(*values: float) -> torch.Tensor:
    return torch.tensor([values])


def test_placing_is_bilinear_resampling() -> None:
    torch.manual_seed(0)
    images = torch.randn(5, 2, 8, 8)
    scale, shift = 1 + torch.rand(5, 2), 2 * torch.rand(5, 2) - 1
    theta = torch.zeros(5, 2, 3)  # their rows are x, then y
    theta[:, 0, 0], theta[:, 1, 1] = scale[:, 1], scale[:, 0]
    theta[:, 0, 2], theta[:, 1, 2] = shift[:, 1], shift[:, 0]
    grid = F.affine_grid(theta, [5, 2, 8, 8], align_corners=False)
    expected = F.grid_sample(images, grid, align_corners=False)
    torch.testing.assert_close(placed(images, scale, shift), expected, atol=1e-5, rtol=1e-5)


def test_to_the_bit_a_foreground_that_is_not_moved_replaces_and_an_empty_mask_leaves_the_canvas() -> None:
    canvas, foreground = torch.randn(2, 1, 3, 8, 8)
    assert torch.equal(placed(foreground, pairs(1, 1), pairs(0, 0)), foreground)
    assert torch.equal(pasted(canvas, foreground, torch.ones(1, 1, 8, 8)), foreground)
    assert torch.equal(pasted(canvas, foreground, torch.zeros(1, 1, 8, 8)), canvas)


def test_a_box_covers_what_is_reckoned_by_hand() -> None:
    """Of 8 places at scale 2, i = 2 … 5 look at 2i − 3.5 = 0.5 … 6.5, the others beyond the borders; so 4 by 4 are 1.

    Moved by ½ of half a side, sources are 2 further: −1.5, 0.5, 2.5, 4.5, 6.5, 8.5 from i = 0 on.
    """
    box = torch.ones(1, 1, 8, 8)
    assert placed(box, pairs(2, 2), pairs(0, 0)).mean().item() == 16 / 64
    rows = placed(box, pairs(2, 2), pairs(0.5, 0))[0, 0].amax(dim=1)
    assert rows.tolist() == [0, 1, 1, 1, 1, 0, 0, 0]
    # An eighth at a half: i = 0 of scale 1, shifted by half a pixel, has half of the border's value.
    assert placed(box, pairs(1, 1), pairs(-0.125, 0))[0, 0, 0, 0].item() == 0.5


def test_an_image_is_its_layers_pasted_one_on_the_other() -> None:
    generator = generator_of()
    parts = generator.parts(torch.randn(2, 12))
    names = [f"{what} {step}" for step in (2, 3) for what in ("foreground", "mask", "image")]
    assert list(parts) == ["background", *names]
    canvas = parts["background"]
    for step in (2, 3):
        mask = parts[f"mask {step}"]
        assert mask.shape == (2, 1, 32, 32) and mask.min() >= 0 and mask.max() <= 1
        canvas = mask * parts[f"foreground {step}"] + (1 - mask) * canvas
        torch.testing.assert_close(parts[f"image {step}"], canvas)
    assert torch.equal(generator(torch.zeros(2, 12)), generator.parts(torch.zeros(2, 12))["image 3"])


def test_layers_know_of_the_draws_before_them_and_not_of_those_behind() -> None:
    generator, z = generator_of(), torch.randn(2, 12)
    other = torch.cat([z[:, :8], torch.randn(2, 4)], dim=1)
    one, two = generator.parts(z), generator.parts(other)
    assert torch.equal(one["image 2"], two["image 2"]) and not torch.equal(one["mask 3"], two["mask 3"])
    first = torch.cat([torch.randn(2, 4), z[:, 4:]], dim=1)
    assert not torch.equal(generator.parts(first)["mask 3"], one["mask 3"])


def test_placements_keep_to_the_recipes_bounds() -> None:
    generator = generator_of(scales=(1.5, 1.75), shift=0.25)
    scale, shift = generator.placement(1e3 * torch.tensor([[-1.0, 1.0, -1.0, 1.0]]))
    assert scale.tolist() == [[1.5, 1.75]] and shift.tolist() == [[-0.25, 0.25]]


def test_one_step_is_the_background_alone() -> None:
    generator, z = generator_of(steps=1), torch.randn(2, 12)
    assert list(generator.parts(z)) == ["background"] and generator.decoder is None
    assert generator(z).shape == (2, 3, 32, 32)


def test_samplers_of_layers_and_canvases_say_what_samples_are_made_of() -> None:
    for family, last in (("lrgan", "image 3"), ("gran", "canvas 3")):
        networks = {"family": family, "width": 4, "steps": 3}
        method = build_method(Recipe.model_validate(RECIPE | {"networks": networks}), DataShape((3, 32, 32)))
        sampler = method.sampler(method.kept.eval())
        given = sampler.inputs("G1", range(2), torch.Generator().manual_seed(0))
        torch.testing.assert_close(sampler.parts("G1", given)[last], sampler.sample("G1", given))
        assert "parts" in sampler.can
    plain = {"family": "dcgan", "width": 4, "head": "linear"}
    method = build_method(Recipe.model_validate(RECIPE | {"networks": plain}), DataShape((3, 32, 32)))
    assert "parts" not in method.sampler(method.kept).can


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"from 2 to 1\.2: give two numbers of 1 or more"):
        generator_of(scales=(2, 1.2))
    with pytest.raises(UserError, match=r"latent.dimension 12 does not fall into networks.steps 5: take 10"):
        generator_of(steps=5)

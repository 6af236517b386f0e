"""LAPGAN: the pyramid, what each level sees and moves, and the theory on a world of two pixels."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.networks.lapgan import bands, down, pyramid, reassembled, up
from gantry.plan.recipe import Recipe

CPU = torch.device("cpu")
RECIPE: dict[str, Any] = {
    "workload": "",
    "method": {"name": "lapgan"},
    "networks": {"family": "lapgan", "width": 4, "base_width": 8},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 5, "distribution": "uniform"},
    "batch_size": 4,
}


def method_of(**told: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(RECIPE | told), DataShape((3, 32, 32)))


def batch_for(method: Any) -> Batch:
    torch.manual_seed(1)
    return Batch({"x": torch.rand(4, 3, 32, 32) * 2 - 1}, None, method.draw("generator", 4, CPU))


def test_a_pyramid_is_reassembled_to_its_image() -> None:
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    parts = bands(images, 4)
    assert [part.shape[-1] for part in parts] == [4, 8, 16, 32]
    torch.testing.assert_close(reassembled(parts), images, atol=1e-6, rtol=0)
    # So that every mean and every blend is a whole number.
    whole = torch.randint(0, 256, (2, 3, 16, 16)).double() * 4**2 * 16
    assert torch.equal(reassembled(bands(whole, 4)), whole)
    assert not torch.allclose(reassembled([*parts[:-1], torch.zeros_like(images)]), images, atol=0.1)


def test_halving_and_doubling_by_hand() -> None:
    image = torch.tensor([[0.0, 4.0], [8.0, 12.0]])[None, None]
    assert down(image).item() == 6
    # Bilinear: ¾ of the near pixel and ¼ of the far one, each way; borders are repeated.
    rows = np.asarray([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_allclose(up(image)[0, 0], rows @ image[0, 0].numpy() @ rows.T)


def test_with_the_true_bands_in_the_generators_place_the_cascade_returns_the_image() -> None:
    method = method_of()
    images = torch.rand(2, 3, 32, 32)
    coarsest, *true = bands(images, 8)
    cascade = method.cascade
    cascade.base.forward = lambda z: coarsest
    for generator, band in zip(cascade.bands, true, strict=True):
        generator.forward = lambda coarse, noise, band=band: band
    made = cascade(torch.zeros(2, 5), {"noise_16": None, "noise_32": None})
    for found, expected in zip(made, pyramid(images, 8), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_the_loss_is_the_sum_of_the_levels_games() -> None:
    """log-losses at 8×8, 16×16 and 32×32; the coarse pictures of generated ones are those of other real images."""
    method = method_of(networks=RECIPE["networks"] | {"dropout": 0.0})
    batch = batch_for(method)
    softplus = lambda values: np.logaddexp(0, values.detach().double().numpy()).mean()  # noqa: E731
    levels = pyramid(batch.x, 8)
    fakes = [method.cascade.base(batch.noise["z"])]
    for size, generator, coarse in zip((16, 32), method.cascade.bands, levels, strict=False):
        others = torch.stack([up(coarse)[(row - 1) % 4] for row in range(4)])
        fakes.append(others + generator(others, batch.noise[f"noise_{size}"]))
    said = [
        (adversary.discriminator(real), adversary.discriminator(fake))
        for adversary, real, fake in zip(method.level_adversaries, levels, fakes, strict=True)
    ]
    expected_d = sum(softplus(-real) + softplus(fake) for real, fake in said)
    expected_g = sum(softplus(-fake) for _, fake in said)
    assert method.loss("discriminator", batch).item() == pytest.approx(expected_d, rel=1e-5)
    assert method.loss("generator", batch).item() == pytest.approx(expected_g, rel=1e-5)


def test_no_level_moves_another() -> None:
    """The gradient of one level's generator is that of its own game: the others' discriminators do not matter."""
    method = method_of(networks=RECIPE["networks"] | {"dropout": 0.0})
    batch = batch_for(method)

    def gradient() -> torch.Tensor:
        method.zero_grad()
        method.loss("generator", batch).backward()
        found: torch.Tensor = method.cascade.bands[0].layers[0].weight.grad.clone()
        return found

    before = gradient()
    with torch.no_grad():
        for level in (0, 2):
            for weight in method.level_adversaries[level].parameters():
                weight.normal_()
    torch.testing.assert_close(gradient(), before)
    with torch.no_grad():
        for weight in method.level_adversaries[1].parameters():
            weight.normal_()
    assert not torch.allclose(gradient(), before)


def test_exact_conditionals_from_coarse_to_fine_have_the_joint_distribution() -> None:
    """Two pixels a, b ∈ {0, 2}: coarse c = (a + b)/2, band h = a − c; p(c)·p(h | c) is p(a, b), for every p."""
    rng = np.random.default_rng(0)
    for p in rng.dirichlet(np.ones(4), size=5):
        joint = {(a, b): p[2 * i + j] for i, a in enumerate((0, 2)) for j, b in enumerate((0, 2))}
        coarse: dict[float, float] = {}
        for (a, b), mass in joint.items():
            coarse[(a + b) / 2] = coarse.get((a + b) / 2, 0) + mass
        drawn: dict[tuple[float, float], float] = {}
        for c, mass in coarse.items():
            conditional = {
                a - c: probability / mass for (a, b), probability in joint.items() if (a + b) / 2 == c
            }
            for h, share in conditional.items():
                drawn[c + h, c - h] = drawn.get((c + h, c - h), 0) + mass * share
        assert drawn == pytest.approx(joint)
        independent = {
            (a, b): coarse[(a + b) / 2] / 2 for a, b in joint
        }  # a control: h that does not look at c
        assert independent != pytest.approx(joint)


def test_samples_of_every_level_have_the_datas_size() -> None:
    method = method_of()
    sampler = method.sampler(method.kept.eval())
    assert sampler.sources == ("G1", "16", "8")
    given = sampler.inputs("G1", range(3), torch.Generator().manual_seed(0))
    images = {source: sampler.sample(source, given) for source in sampler.sources}
    assert all(image.shape == (3, 3, 32, 32) for image in images.values())
    torch.testing.assert_close(images["8"], up(up(method.cascade.base(given["z"]))))
    assert given["noise_16"].abs().max() <= 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"networks": {"family": "dcgan"}}, "networks.family dcgan has no levels: take family lapgan"),
        (
            {"terms": {"gradient_penalty": 10}},
            "terms.gradient_penalty is of a discriminator that sees samples alone",
        ),
        (
            {"networks": RECIPE["networks"] | {"initialisation": {"generator": "orthogonal"}}},
            "family lapgan has none",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(RECIPE | told)


def test_levels_need_room_below_the_images() -> None:
    recipe = Recipe.model_validate(RECIPE | {"networks": RECIPE["networks"] | {"smallest": 16}})
    recipe.method.check_workload(recipe, 32, 10)
    with pytest.raises(
        ValueError, match="smallest 16 leaves no level below 16 pixels a side: take 8 or less"
    ):
        recipe.method.check_workload(recipe, 16, 10)

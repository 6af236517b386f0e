"""BicycleGAN: its losses against NumPy, and whom each of them moves."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch, build_method
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

PAIRS = DataShape((2,), input=(2,))
NETWORKS = {"family": "mlp_style_translator", "width": 8, "depth": 2, "style": 2}
BASE: dict[str, Any] = {
    "workload": "",
    "networks": NETWORKS,
    "objective": {"name": "least_squares"},
    "batch_size": 8,
}
BICYCLE = {"name": "bicyclegan", "adversarial": 2, "match": 3, "style_prior": 5, "style_recovery": 7}


def method_of(data: DataShape = PAIRS, **more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | {"method": BICYCLE} | more), data)


def batch_for(method: Any) -> Batch:
    torch.manual_seed(1)
    x, y = torch.randn(2, 8, 2)
    return Batch({"x": y, "input": x}, None, method.draw("generator", 8, torch.device("cpu")))


def numpy(x: Tensor) -> Any:
    return x.detach().double().numpy()


@pytest.mark.parametrize("sees", ["output", "pair"])
def test_bicyclegans_losses(sees: str) -> None:
    method = method_of(method=BICYCLE | {"sees": sees})
    batch = batch_for(method)
    g, e = method.networks.generator, method.networks.encoder
    x, y, z = batch.data["input"], batch.x, batch.noise["z"]
    mean, log_deviation = e(y[:4])
    rebuilt = g(x[:4], mean + log_deviation.exp() * z[:4])
    drawn = g(x[4:], z[4:])
    see = lambda x, y: torch.cat([x, y], 1) if sees == "pair" else y  # noqa: E731
    of = (method.of_encoded.discriminator, method.of_drawn.discriminator)
    said = [
        numpy(d(see(x[h], fake)))
        for d, h, fake in zip(of, (slice(4), slice(4, 8)), (rebuilt, drawn), strict=True)
    ]
    real = [numpy(d(see(x[h], y[h]))) for d, h in zip(of, (slice(4), slice(4, 8)), strict=True)]
    expected = sum(0.5 * ((r - 1) ** 2).mean() + 0.5 * (s**2).mean() for r, s in zip(real, said, strict=True))
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=3e-6)
    m, s = numpy(mean), numpy(log_deviation)
    expected = sum(((output - 1) ** 2).mean() for output in said)
    expected += 3 * np.abs(numpy(rebuilt) - numpy(y[:4])).mean()
    expected += 5 * 0.5 * (m**2 + np.exp(2 * s) - 1 - 2 * s).sum(1).mean()
    first, second = method.loss("generator", batch)
    assert first.loss.item() == pytest.approx(expected, rel=3e-6)
    expected = 7 * np.abs(numpy(e(drawn)[0]) - numpy(z[4:])).mean()
    assert second.loss.item() == pytest.approx(expected, rel=3e-6)


def test_what_is_asked_back_moves_the_translator_and_not_the_encoder() -> None:
    """Else G and E could agree upon a hidden sign for z. Zhu et al. 2017, section 3.3, their code."""
    gradients = {}
    for weight in (0, 7):
        method = method_of(method=BICYCLE | {"style_recovery": weight})
        step = Step(method, method.recipe, torch.device("cpu"))
        step._gradients_of_parts(method.loss("generator", batch_for(method)))
        gradients[weight] = {
            part: torch.cat([w.grad.flatten() for w in getattr(method.networks, part).parameters()])
            for part in ("generator", "encoder")
        }
    assert torch.equal(gradients[0]["encoder"], gradients[7]["encoder"])
    assert not torch.equal(gradients[0]["generator"], gradients[7]["generator"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": {"family": "mlp_translator"}}, "take style_unet"),
        ({"batch_size": 7}, "an even number"),
        ({"method": BICYCLE | {"adversarial": 0}}, "or take pix2pix"),
        ({"processes": 2, "batch_size": 6}, "an even number"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": BICYCLE} | change)


def test_data_without_pairs_is_refused() -> None:
    with pytest.raises(UserError, match="no pairs; give it inputs:"):
        method_of(DataShape((2,)))

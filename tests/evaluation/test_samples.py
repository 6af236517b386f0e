"""Samples follow their seed, and nothing else."""

import numpy as np
import pytest
import torch
from torch import nn

from gantry.errors import Diverged
from gantry.evaluation.sample import BATCH, sample, sampled, to_uint8
from gantry.evaluation.score import equal_mixture
from gantry.methods.adversarial import GeneratorSampler
from gantry.methods.latents import draw_latents
from gantry.plan.blocks.players import Latent

CPU = torch.device("cpu")


def test_grey_levels_are_rounded_to_the_nearest() -> None:
    levels = torch.arange(256.0)
    exact = (levels / 127.5 - 1).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_uint8(exact)[0, :, :, 0].reshape(-1), levels.to(torch.uint8))
    near = to_uint8(exact + 0.49 / 127.5)
    assert torch.equal(near, to_uint8(exact)) and near.shape == (1, 16, 16, 3)
    beyond = torch.tensor([-1.5, 1.5, 0.0]).reshape(1, 3, 1, 1)
    assert to_uint8(beyond).reshape(-1).tolist() == [0, 255, 128]
    assert to_uint8(beyond.bfloat16()).reshape(-1).tolist() == [0, 255, 128]


def drawn(sampler: GeneratorSampler, count: int, seed: int) -> np.ndarray:
    return sampled(sampler, "G1", count, seed, CPU)


def normalising_generator() -> nn.Module:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    generator(torch.randn(50, 8))  # some running statistics
    return generator.eval()


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_samples_follow_their_seed_alone(distribution: str) -> None:
    latent = Latent(dimension=8, distribution=distribution)  # type: ignore[arg-type]
    sampler = GeneratorSampler(nn.ModuleList([normalising_generator()]), latent)
    count = BATCH + 30
    first = drawn(sampler, count, 3)
    torch.manual_seed(99)
    drawn(sampler, 10, 4)  # others in between, and another global seed
    assert np.array_equal(drawn(sampler, count, 3), first)
    assert first.shape == (count, 2) and first.dtype == np.float32
    assert not np.array_equal(drawn(sampler, count, 4), first)
    # More samples begin with the fewer; a batch's samples do not depend on its neighbours.
    assert np.array_equal(drawn(sampler, BATCH, 3), first[:BATCH])
    assert [len(batch) for batch in sample(sampler, "G1", count, 3, CPU)] == [BATCH, 30]
    assert len(np.unique(first, axis=0)) == count


def test_samples_that_are_not_finite_are_refused() -> None:
    generator = nn.Sequential(nn.Linear(8, 2))
    with torch.no_grad():
        generator[0].bias[1] = float("nan")
    with pytest.raises(Diverged, match="NaN or infinity"):
        drawn(GeneratorSampler(nn.ModuleList([generator]), Latent(dimension=8)), 10, 0)


@pytest.mark.parametrize(
    ("count", "sizes"), [(10, [5, 5]), (11, [6, 5]), (10, [4, 3, 3]), (11, [4, 4, 3]), (9, [3] * 3)]
)
def test_equal_mixture(count: int, sizes: list[int]) -> None:
    parts = [np.arange(20).reshape(20, 1) + 100 * index for index in range(len(sizes))]
    mixed = equal_mixture(parts, count)
    assert mixed.shape == (count, 1)
    assert mixed[:, 0].tolist() == [
        100 * index + row for index, size in enumerate(sizes) for row in range(size)
    ]


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_latents_are_scaled_and_their_draws_are_the_same(distribution: str) -> None:
    def scaled(scale: float) -> torch.Tensor:
        source = torch.Generator().manual_seed(3)
        latent = Latent(dimension=4, distribution=distribution, scale=scale)
        return draw_latents(latent, 1000, torch.device("cpu"), source)

    assert torch.equal(scaled(0.5), 0.5 * scaled(1.0))
    assert scaled(1.0).std().item() == pytest.approx(
        {"normal": 1, "uniform": 3**-0.5}[distribution], rel=0.05
    )

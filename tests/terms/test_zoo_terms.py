"""Penalties on features and weights, and by histograms, each against NumPy or a closed form."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gantry.networks import build_discriminator
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.blocks.terms import (
    HistoricalAveraging,
    JensenShannon,
    OrthogonalRegularisation,
    SpectralRegularisation,
)
from gantry.terms import TermInputs
from gantry.terms import jensen_shannon as shannon
from gantry.terms.features import FeatureMatching, PullingAway, penultimate
from gantry.terms.weights import (
    DiscriminatorAveraging,
    DiscriminatorOrthogonality,
    DiscriminatorSpectralRegularisation,
    GeneratorAveraging,
    GeneratorOrthogonality,
    GeneratorSpectralRegularisation,
)


def batch_of(
    fakes: list[Tensor] = [],  # noqa: B006
    real: Any = None,
    discriminator: Any = None,
    generators: Any = None,
) -> TermInputs:
    return TermInputs(fakes, [], real, None, discriminator, generators)


# Jensen–Shannon.


def test_jensen_shannon_of_known_distributions() -> None:
    random = np.random.default_rng(0)
    p, q = random.dirichlet(np.ones(7), size=2)
    middle = (p + q) / 2
    expected = 0.5 * np.sum(p * np.log(p / middle)) + 0.5 * np.sum(q * np.log(q / middle))
    assert shannon.jensen_shannon(*torch.from_numpy(np.stack([p, q]))).item() == pytest.approx(expected)
    apart = torch.eye(2, dtype=torch.float64)
    assert shannon.jensen_shannon(apart[0], apart[1]).item() == pytest.approx(np.log(2))
    assert shannon.jensen_shannon(apart[0], apart[0]).item() == pytest.approx(0, abs=1e-12)


def test_jensen_shannon_penalty_counts_and_sums() -> None:
    torch.manual_seed(0)
    real, one, two = (2 * torch.rand(3, 4, 3, 8, 8, dtype=torch.float64) - 1) * torch.tensor(
        [1.0, 0.5, 0.9], dtype=torch.float64
    ).view(3, 1, 1, 1, 1)
    ours = shannon.JensenShannon("paper", JensenShannon(weight=1, bins=10, bandwidth=0.02), (3, 8, 8))
    counts = [
        np.histogram(samples, bins=10, range=(-1, 1))[0] / samples.numel() for samples in (real, one, two)
    ]

    def kl(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))

    expected = sum(
        (kl(counts[0], (counts[0] + count) / 2) + kl(count, (counts[0] + count) / 2)) / 2
        for count in counts[1:]
    )
    assert ours(batch_of([one, two], real)).item() == pytest.approx(expected, rel=0.02)
    assert ours(batch_of([real.flip(0)], real)).item() == pytest.approx(0, abs=1e-12)


def test_jensen_shannon_gradient() -> None:
    torch.manual_seed(1)
    real, fake = 1.6 * torch.rand(2, 5, 3, 2, 2, dtype=torch.float64) - 0.8
    ours = shannon.JensenShannon("paper", JensenShannon(weight=1, bins=6), (3, 2, 2)).double()
    assert torch.autograd.gradcheck(lambda fake: ours(batch_of([fake], real)), [fake.requires_grad_()])


# What D sees.


@pytest.mark.parametrize("head", ["linear", "adaptive"])
def test_features_are_what_enters_the_last_layer_of_images(head: str) -> None:
    discriminator = build_discriminator(DcganNetworks(family="dcgan", width=2, head=head), (3, 32, 32), 5)
    discriminator.eval()
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(penultimate(discriminator, images), discriminator.layers(images))
    assert not any(module._forward_pre_hooks for module in discriminator.modules())


def test_features_of_points_and_of_layers_that_stand_in_another_order() -> None:
    mlp = build_discriminator(
        MlpNetworks(family="mlp", maxout_units=6, maxout_pieces=2, maxout_depth=2), (2,), 3
    )
    points = torch.randn(5, 2)
    torch.testing.assert_close(penultimate(mlp, points), mlp[1](mlp[0](points)))

    class HeadFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.body = nn.Linear(4, 1), nn.Linear(2, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x).tanh())

    backwards = HeadFirst()
    torch.testing.assert_close(penultimate(backwards, points), backwards.body(points).tanh())
    with pytest.raises(TypeError, match="Identity runs no linear"):
        penultimate(nn.Identity(), points)


def test_features_of_an_autoencoder_are_its_code() -> None:
    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.decode = nn.Linear(2, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return (self.decode(self.encode(x)) - x).square().mean(1, keepdim=True)

    discriminator, points = Autoencoder(), torch.randn(5, 2)
    assert torch.equal(penultimate(discriminator, points), discriminator.encode(points))


@pytest.fixture
def seen() -> tuple[nn.Module, Tensor, Tensor, Tensor, list[np.ndarray]]:
    """A discriminator, a real batch, two generated ones, and the features of the three."""
    torch.manual_seed(2)
    body = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    batches = torch.randn(3, 6, 3)
    return nn.Sequential(body, nn.Linear(4, 1)), *batches, [body(batch).detach().numpy() for batch in batches]


def test_feature_matching(seen: Any) -> None:
    discriminator, real, one, two, (f, g, h) = seen
    expected = sum(np.sum((f.mean(0) - features.mean(0)) ** 2) for features in (g, h))
    one.requires_grad_()
    found = FeatureMatching()(batch_of([one, two], real, discriminator))
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert one.grad.abs().max() > 0


def test_pulling_away(seen: Any) -> None:
    discriminator, _, one, two, (_, g, h) = seen
    expected = 0.0
    for features in (g, h):
        for i, j in product(range(6), repeat=2):
            a, b = features[i], features[j]
            if i != j:
                expected += (a @ b / (np.linalg.norm(a) * np.linalg.norm(b))) ** 2 / 30
    found = PullingAway()(batch_of([one, two], None, discriminator))
    assert found.item() == pytest.approx(expected, rel=1e-5)


# What the weights are.


def layers() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        spectral_norm(nn.Conv2d(2, 3, 2)), nn.BatchNorm2d(3), nn.ConvTranspose2d(3, 4, 2), nn.Linear(4, 5)
    )


@pytest.mark.parametrize("form", ["off_diagonal", "full"])
def test_orthogonal_regularisation(form: str) -> None:
    network = layers()
    matrices = [
        network[0].parametrizations.weight.original.detach().numpy().reshape(3, 8),
        network[2].weight.detach().numpy().swapaxes(0, 1).reshape(4, 12),
        network[3].weight.detach().numpy(),
    ]
    expected = 0.0
    for matrix in matrices:
        gram = matrix @ matrix.T
        eye = np.eye(len(gram))
        expected += np.sum((gram * (1 - eye) if form == "off_diagonal" else gram - eye) ** 2)
    options = OrthogonalRegularisation(weight=1, form=form)
    of_d = DiscriminatorOrthogonality("paper", options)(batch_of(discriminator=network))
    of_g = GeneratorOrthogonality("paper", options)(batch_of(generators=network))
    assert of_d.item() == pytest.approx(expected, rel=1e-5)
    assert torch.equal(of_d, of_g)


def test_orthogonal_weights_cost_nothing() -> None:
    network = nn.Linear(6, 4)
    nn.init.orthogonal_(network.weight)
    for form in ("off_diagonal", "full"):
        options = OrthogonalRegularisation(weight=1, form=form)
        assert DiscriminatorOrthogonality("paper", options)(batch_of(discriminator=network)) < 1e-10


@pytest.mark.parametrize("stopped", [False, True])
def test_spectral_regularisation(stopped: bool) -> None:
    """½ Σ σ² of NumPy's singular values, and its gradient σ·uvᵀ, also where a run is taken up again."""
    network = layers().double()
    matrices = [
        network[0].parametrizations.weight.original.detach().numpy().reshape(3, 8),
        network[2].weight.detach().numpy().swapaxes(0, 1).reshape(4, 12),
        network[3].weight.detach().numpy(),
    ]
    decomposed = [np.linalg.svd(matrix) for matrix in matrices]
    options = SpectralRegularisation(weight=1)
    ours = DiscriminatorSpectralRegularisation("paper", options, (2,))
    first = ours(batch_of(discriminator=network)).item()
    expected = 0.5 * sum(sigma[0] ** 2 for _, sigma, _ in decomposed)
    assert 0 < first < expected * (1 - 1e-6)  # one step of the power iteration, from below
    for step in range(200):
        if stopped and step == 20:
            state, ours = ours.state_dict(), DiscriminatorSpectralRegularisation("paper", options, (2,))
            ours.load_state_dict(state)
        network.zero_grad()
        found = ours(batch_of(discriminator=network))
    assert found.item() == pytest.approx(expected, rel=1e-9)
    found.backward()
    left, sigma, right = decomposed[2]
    np.testing.assert_allclose(
        network[3].weight.grad.numpy(), sigma[0] * np.outer(left[:, 0], right[0]), atol=1e-6
    )
    of_g = GeneratorSpectralRegularisation("paper", options, (2,))
    for _ in range(200):
        same = of_g(batch_of(generators=network))
    assert same.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("stopped", [False, True])
def test_historical_averaging(stopped: bool) -> None:
    """‖θ_t − mean(θ_1, …, θ_t)‖², and its gradient 2(θ_t − mean), also where a run is taken up again."""
    network, options = nn.Linear(3, 2), HistoricalAveraging(weight=1)
    ours = GeneratorAveraging("paper", options, (2,))
    history = []
    for step in range(5):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += torch.randn_like(parameter)
        if stopped and step == 3:
            state, ours = ours.state_dict(), GeneratorAveraging("paper", options, (2,))
            ours.load_state_dict(state)
        history.append(torch.cat([p.detach().flatten() for p in network.parameters()]).numpy().copy())
        apart = history[-1] - np.mean(history, axis=0)
        network.zero_grad()
        found = ours(batch_of(generators=network))
        found.backward()
        assert found.item() == pytest.approx(np.sum(apart**2), rel=1e-4, abs=1e-10)
        slopes = torch.cat([p.grad.flatten() for p in network.parameters()]).numpy()
        np.testing.assert_allclose(slopes, 2 * apart, rtol=1e-4, atol=1e-5)
    assert ours.updates == 5


def test_the_discriminators_average_is_the_discriminators() -> None:
    one, two = nn.Linear(3, 2), nn.Linear(4, 4)
    ours = DiscriminatorAveraging("paper", HistoricalAveraging(weight=1), (2,))
    ours(batch_of(discriminator=one, generators=two))
    assert len(ours.mean) == 8


def test_states_of_runs_before_and_after_the_first_update_load() -> None:
    network = nn.Linear(3, 2)
    terms = [DiscriminatorAveraging("paper", HistoricalAveraging(weight=1), (2,)) for _ in range(3)]
    terms[2](batch_of(discriminator=network))
    for source, target in pairwise(terms):
        target.load_state_dict(source.state_dict())
    assert not len(terms[2].mean)

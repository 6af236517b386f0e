"""BCGAN's constraint: both terms against NumPy, and where the two formulations part."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from gantry.terms import TermInputs
from gantry.terms.bidirectional import LogitAgreement, SampleSpread


def batch_of(*, images: list[Tensor] = [], outputs: list[Tensor] = []) -> TermInputs:  # noqa: B006
    return TermInputs(images, outputs, None, None, nn.Identity(), nn.ModuleList())


def probabilities(logits: np.ndarray) -> np.ndarray:
    if len(logits) == 1:
        real = 1 / (1 + np.exp(-logits[0]))
        return np.array([1 - real, real])
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@st.composite
def stacks(draw, widths=(1, 7)) -> np.ndarray:
    """Two to four batches of the same shape, (K, B, n)."""
    shape = (draw(st.integers(2, 4)), draw(st.integers(1, 4)), draw(st.integers(*widths)))
    return draw(arrays(float, shape, elements=st.floats(-15, 15)))


@given(stacks())
@settings(max_examples=60, deadline=None)
def test_logit_agreement(logits: np.ndarray) -> None:
    expected = {"paper": 0.0, "reference": 0.0}
    for first, second in combinations(logits, 2):
        rows = [(probabilities(a), probabilities(b)) for a, b in zip(first, second, strict=True)]
        expected["paper"] += np.mean([np.sum(p * (np.log(p) - np.log(q))) for p, q in rows])
        expected["reference"] += np.mean([-np.sum(p * np.log(q + 1e-16)) for p, q in rows])
    batch = batch_of(outputs=list(torch.from_numpy(logits)))
    for formulation, value in expected.items():
        assert LogitAgreement(formulation)(batch).item() == pytest.approx(value, rel=1e-6, abs=1e-7)


def test_each_of_several_discriminators_agrees_with_itself() -> None:
    """D2GAN's two outputs are two verdicts, not one over two outcomes."""
    first, second = torch.randn(2, 5, 2, dtype=torch.float64)
    for formulation in ("paper", "reference"):
        term = LogitAgreement(formulation)
        both = batch_of(outputs=[first, second])
        both.discriminators = 2
        apart = [batch_of(outputs=[first[:, [i]], second[:, [i]]]) for i in range(2)]
        torch.testing.assert_close(term(both), term(apart[0]) + term(apart[1]))
        assert term(both) != term(batch_of(outputs=[first, second]))


def test_spread_is_measured_in_single_precision() -> None:
    first, second = torch.rand(2, 64, 300).bfloat16()
    for formulation in ("paper", "reference"):
        found, exact = (
            SampleSpread(formulation)(batch_of(images=images))
            for images in ([first, second], [first.double(), second.double()])
        )
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(exact.item(), rel=1e-5)


@given(stacks())
@settings(max_examples=60, deadline=None)
def test_sample_spread(samples: np.ndarray) -> None:
    pairs = list(combinations(samples, 2))
    expected = {
        "paper": -sum(np.mean([np.sqrt(np.sum(row**2)) for row in a - b]) for a, b in pairs),
        "reference": -sum(np.mean((a - b) ** 2) for a, b in pairs),
    }
    batch = batch_of(images=list(torch.from_numpy(samples)))
    for formulation, value in expected.items():
        assert SampleSpread(formulation)(batch).item() == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_sample_spread_takes_the_norm_of_a_whole_image() -> None:
    first, second = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    batch = batch_of(images=[first, second])
    assert SampleSpread("paper")(batch).item() == pytest.approx(-0.5 * 48**0.5)
    assert SampleSpread("reference")(batch).item() == pytest.approx(-0.25)


def gradients(formulation: str, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(
        LogitAgreement(formulation)(batch_of(outputs=[first, second])), [first, second]
    )


def test_formulations_differ_by_the_gradient_of_the_first_verdicts_entropy() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 8, 5, dtype=torch.float64, requires_grad=True).unbind()
    paper, reference = gradients("paper", first, second), gradients("reference", first, second)
    verdict = first.softmax(1)
    entropy = -(verdict * verdict.log()).sum(1).mean()
    (of_entropy,) = torch.autograd.grad(entropy, first)
    assert of_entropy.abs().max() > 1e-3
    torch.testing.assert_close(reference[0] - paper[0], of_entropy)
    torch.testing.assert_close(reference[1], paper[1])


def test_equal_verdicts_are_the_papers_minimum() -> None:
    logits = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    other = logits.detach().clone().requires_grad_()
    for gradient in gradients("paper", logits, other):
        assert gradient.abs().max() < 1e-12


def test_one_logit_is_a_bernoulli_verdict_with_its_gradient() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 6, 1, dtype=torch.float64, requires_grad=True).unbind()
    p, q = first.sigmoid(), second.sigmoid()
    divergence = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    for ours, expected in zip(
        gradients("paper", first, second), torch.autograd.grad(divergence, [first, second]), strict=True
    ):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("formulation", ["paper", "reference"])
def test_equal_samples_give_finite_gradients(formulation: str) -> None:
    first = torch.ones(3, 2, requires_grad=True)
    SampleSpread(formulation)(batch_of(images=[first, torch.ones(3, 2)])).backward()
    assert torch.equal(first.grad, torch.zeros(3, 2))


@pytest.mark.parametrize("formulation", ["paper", "reference"])
def test_opposite_certain_verdicts_stay_finite(formulation: str) -> None:
    first = torch.tensor([[1e4, 0.0]], requires_grad=True)
    loss = LogitAgreement(formulation)(batch_of(outputs=[first, torch.tensor([[0.0, 1e4]])]))
    loss.backward()
    assert loss.isfinite()
    assert first.grad.isfinite().all()

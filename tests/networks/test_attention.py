"""Self-attention against the paper's equations in NumPy, place by place."""

import numpy as np
import torch

from gantry.networks.attention import SelfAttention


def test_it_is_the_papers_equations() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16).double()
    x = torch.randn(2, 16, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        attention.gamma.fill_(0.7)
        y = attention(x).numpy()
    f, g, h, v = (
        getattr(attention, name).weight.detach().numpy()[:, :, 0, 0] for name in ("f", "g", "h", "v")
    )
    assert [weight.shape for weight in (f, g, h, v)] == [(2, 16)] * 3 + [(16, 2)]
    for image in range(2):
        places = x[image].numpy().reshape(16, 9).T
        for j in range(9):
            scores = np.array([(f @ places[i]) @ (g @ places[j]) for i in range(9)])
            shares = np.exp(scores) / np.exp(scores).sum()
            o = v @ sum(shares[i] * (h @ places[i]) for i in range(9))
            np.testing.assert_allclose(y[image].reshape(16, 9)[:, j], 0.7 * o + places[j], rtol=1e-10)


def test_it_starts_as_the_identity_and_learns_how_much_to_attend() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8)
    x = torch.randn(2, 8, 4, 4)
    y = attention(x)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert attention.gamma.grad != 0
    assert (attention.v.weight.grad == 0).all()  # o enters by way of γ alone


def test_gradients_of_gradients_exist() -> None:
    """A gradient penalty differentiates through the attention twice."""
    torch.manual_seed(0)
    attention = SelfAttention(8).double()
    with torch.no_grad():
        attention.gamma.fill_(1.0)
    x = torch.randn(1, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(attention, (x,))

"""The oneDNN linear layer computes what `nn.Linear` does, gradients of gradients included."""

import pytest
import torch
from torch import Tensor, nn

from gantry.networks import linear
from gantry.networks.linear import Linear

needs_onednn = pytest.mark.skipif(not linear._HAS_ONEDNN, reason="this PyTorch has no oneDNN products")


def pair(inputs: int, outputs: int) -> tuple[Linear, nn.Linear]:
    ours, plain = Linear(inputs, outputs), nn.Linear(inputs, outputs)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def with_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, its gradients, and the gradients of the input gradient's norm (a gradient penalty's)."""
    x = x.clone().requires_grad_()
    output = layer(x)
    leaves = [x, *layer.parameters()]
    gradients = torch.autograd.grad(output.square().sum(), leaves, create_graph=True)
    penalty = torch.autograd.grad(gradients[0].square().sum(), leaves)
    return [output, *gradients, *penalty]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the batches that oneDNN was given, as where AVX-512 makes it the quicker."""
    monkeypatch.setattr(linear, "_ONEDNN_IS_QUICKER", linear._HAS_ONEDNN)
    seen: list[tuple[int, ...]] = []
    forward = linear._Product.forward

    def spied(ctx: object, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        seen.append(tuple(a.shape))
        return forward(ctx, a, b, bias)

    monkeypatch.setattr(linear._Product, "forward", staticmethod(spied))
    return seen


@needs_onednn
@pytest.mark.parametrize(
    ("batch", "inputs", "outputs"), [(100, 400, 400), (300, 200, 1000), (33, 17, 51), (16, 16, 16)]
)
def test_onednns_products_are_linears(products, batch: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    ours, plain = pair(inputs, outputs)
    x = torch.randn(batch, inputs)
    for our, theirs in zip(with_gradients(ours, x), with_gradients(plain, x), strict=True):
        torch.testing.assert_close(our, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
    assert (batch, inputs) in products


@needs_onednn
def test_repeated_calls_give_the_same_bits(products) -> None:
    torch.manual_seed(0)
    layer, x = Linear(200, 1000), torch.randn(100, 200)
    for first, second in zip(with_gradients(layer, x), with_gradients(layer, x), strict=True):
        assert torch.equal(first, second)
    assert products


@pytest.mark.parametrize(
    "x", [torch.randn(100, 2), torch.randn(8, 400), torch.randn(4, 20, 64), torch.randn(64, 64).double()]
)
def test_other_inputs_take_pytorchs_own_path(products, x: Tensor) -> None:
    ours, plain = pair(x.shape[-1], 64)
    assert torch.equal(ours.to(x.dtype)(x), plain.to(x.dtype)(x))
    assert products == []


def test_autocast_is_left_to_pytorch(products) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Linear(64, 64)(torch.randn(64, 64)).dtype == torch.bfloat16
    assert products == []


def test_a_processor_without_avx512_keeps_pytorchs_products(products, monkeypatch) -> None:
    monkeypatch.setattr(linear, "_ONEDNN_IS_QUICKER", False)
    ours, plain = pair(64, 64)
    x = torch.randn(64, 64)
    assert torch.equal(ours(x), plain(x))
    assert products == []

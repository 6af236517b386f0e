"""The FID Inception v3 (TensorFlow 2015-12-05), up to any of its four feature layers, BatchNorm folded in.

It differs from torchvision's Inception: its average pools leave the padding out, and its last block pools by
maximum. Layer names are torchvision's and pytorch-fid's.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from gantry.errors import UserError
from gantry.metrics.features.network import folded

INPUT_SIDE = 299
CLASSES = 1008
EPSILON = 1e-3  # of its BatchNorms


class Conv(nn.Conv2d):
    """Convolution with bias, then ReLU; `padding` keeps the size for odd kernels where `same`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, same: bool = True
    ):
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = (height // 2, width // 2) if same else 0
        super().__init__(inputs, outputs, (height, width), stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu_()


def average_pool(x: Tensor) -> Tensor:
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def halving_pool(x: Tensor) -> Tensor:
    return max_pool2d(x, 3, stride=2)


class BlockA(nn.Module):
    """35×35 block: 1×1, 5×5, double 3×3, pool."""

    def __init__(self, inputs: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inputs, 64, 1)
        self.branch5x5_1 = Conv(inputs, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5)
        self.branch3x3dbl_1 = Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3)
        self.branch_pool = Conv(inputs, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(average_pool(x))], 1)


class BlockB(nn.Module):
    """35×35 to 17×17."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3 = Conv(288, 384, 3, stride=2, same=False)
        self.branch3x3dbl_1 = Conv(288, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2, same=False)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, halving_pool(x)], 1)


class BlockC(nn.Module):
    """17×17 block with factorised 7×7 convolutions of width `w`."""

    def __init__(self, w: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(768, 192, 1)
        self.branch7x7_1 = Conv(768, w, 1)
        self.branch7x7_2 = Conv(w, w, (1, 7))
        self.branch7x7_3 = Conv(w, 192, (7, 1))
        self.branch7x7dbl_1 = Conv(768, w, 1)
        self.branch7x7dbl_2 = Conv(w, w, (7, 1))
        self.branch7x7dbl_3 = Conv(w, w, (1, 7))
        self.branch7x7dbl_4 = Conv(w, w, (7, 1))
        self.branch7x7dbl_5 = Conv(w, 192, (1, 7))
        self.branch_pool = Conv(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average_pool(x))], 1)


class BlockD(nn.Module):
    """17×17 to 8×8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(768, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2, same=False)
        self.branch7x7x3_1 = Conv(768, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2, same=False)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, halving_pool(x)], 1)


class BlockE(nn.Module):
    """8×8 block; `pool` is "average" in the first and "maximum" in the second, as in the released graph."""

    def __init__(self, inputs: int, pool: str) -> None:
        super().__init__()
        self.pool = pool
        self.branch1x1 = Conv(inputs, 320, 1)
        self.branch3x3_1 = Conv(inputs, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3))
        self.branch3x3_2b = Conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = Conv(inputs, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1))
        self.branch_pool = Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = average_pool(x) if self.pool == "average" else max_pool2d(x, 3, stride=1, padding=1)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            1,
        )


class HalvingPool(nn.Module):
    """3×3 maximum, stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        return halving_pool(x)


class FidInception(nn.Sequential):
    """(B, 3, 299, 299) in [−1, 1] to the mean over places of layer `width`: 64, 192, 768 or 2048 features."""

    def __init__(self, width: int) -> None:
        stages: dict[int, dict[str, nn.Module]] = {
            64: {
                "Conv2d_1a_3x3": Conv(3, 32, 3, stride=2, same=False),
                "Conv2d_2a_3x3": Conv(32, 32, 3, same=False),
                "Conv2d_2b_3x3": Conv(32, 64, 3),
                "pool_1": HalvingPool(),
            },
            192: {
                "Conv2d_3b_1x1": Conv(64, 80, 1),
                "Conv2d_4a_3x3": Conv(80, 192, 3, same=False),
                "pool_2": HalvingPool(),
            },
            768: {
                "Mixed_5b": BlockA(192, 32),
                "Mixed_5c": BlockA(256, 64),
                "Mixed_5d": BlockA(288, 64),
                "Mixed_6a": BlockB(),
                "Mixed_6b": BlockC(128),
                "Mixed_6c": BlockC(160),
                "Mixed_6d": BlockC(160),
                "Mixed_6e": BlockC(192),
            },
            2048: {
                "Mixed_7a": BlockD(),
                "Mixed_7b": BlockE(1280, "average"),
                "Mixed_7c": BlockE(2048, "maximum"),
            },
        }
        super().__init__()
        for stage in (layers for depth, layers in stages.items() if depth <= width):
            for name, layer in stage.items():
                self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean(dim=(2, 3))

    def load(self, arrays: Mapping[str, Tensor], source: str) -> "FidInception":
        """Fill the layers from folded weights, or from pytorch-fid's convolutions and BatchNorms.

        Weights of layers beyond this network are ignored; a missing or misshapen one is a UserError that
        names `source`.
        """
        weights = fold_all(arrays)
        wanted = self.state_dict()
        for key, parameter in wanted.items():
            if key not in weights:
                raise UserError(f"{source}: {key} is missing; expected the FID Inception's weights")
            if weights[key].shape != parameter.shape:
                raise UserError(
                    f"{source}: {key} has shape {tuple(weights[key].shape)}, not {tuple(parameter.shape)}"
                )
        # `assign` puts the arrays in the place of meta tensors: no random initialisation that would cost time
        # and draw from torch's generator.
        self.load_state_dict({key: weights[key].float() for key in wanted}, assign=True)
        return self


def fid_inception(width: int, arrays: Mapping[str, Tensor], source: str) -> FidInception:
    """Return the network up to layer `width` with the weights of `arrays` (see `FidInception.load`)."""
    with torch.device("meta"):
        network = FidInception(width)
    return network.load(arrays, source)


def fold_all(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `arrays` with every pair `x.conv`, `x.bn` folded into `x.weight` and `x.bias`."""
    weights = {key: value for key, value in arrays.items() if ".conv." not in key and ".bn." not in key}
    for key in arrays:
        if key.endswith(".conv.weight"):
            layer = key.removesuffix(".conv.weight")
            norm = [
                arrays[f"{layer}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
            ]
            weights[f"{layer}.weight"], weights[f"{layer}.bias"] = folded(
                arrays[key], norm[0], norm[1], norm[2], norm[3], EPSILON
            )
    return weights

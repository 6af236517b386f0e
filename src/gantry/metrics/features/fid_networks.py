"""The feature networks that are the FID Inception, whole or up to one of its early layers."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.metrics.features.inception import CLASSES, INPUT_SIDE, fid_inception
from gantry.metrics.features.network import FeatureNetwork
from gantry.metrics.features.resize import RESIZE
from gantry.metrics.features.weights import read_arrays, read_weights
from gantry.metrics.names import INCEPTION_BLOCKS
from gantry.metrics.weight_files import FILES, find_inception

# How images are resized and scaled.
MODES = {
    "inception": "clean",
    "inception-legacy-pytorch": "legacy_pytorch",
    "inception-legacy-tensorflow": "legacy_tensorflow",
}
FEATURES = 2048


class ScriptedLayers(nn.Module):
    """The convolutional part of the TorchScript Inception that clean-fid uses, as (B, 2048) features."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).view(len(x), FEATURES)


def inception(name: str, weights: Path | None, device: torch.device | str) -> FeatureNetwork:
    """The complete Inception in one of clean-fid's modes: 2048 features, 1008 logits without bias."""
    path = find_inception(weights, FILES[name], name)
    found = read_weights(path)
    body, output = _scripted(found, path) if isinstance(found, nn.Module) else _from_arrays(found, path)
    head = nn.Linear(FEATURES, CLASSES, bias=False, device="meta")
    head.weight = nn.Parameter(output, requires_grad=False)
    return FeatureNetwork(name, partial(prepare, mode=MODES[name]), body, head, device)


def inception_block(name: str, weights: Path | None, device: torch.device | str) -> FeatureNetwork:
    """pytorch-fid's `dims` 64, 192 or 768: an early layer's mean over places, no class probabilities.

    `weights`: an .npz of folded weights, a folder with one such file, or pytorch-fid's state dict; None
    looks for the latter as for the whole network.
    """
    path = weights
    if path is not None and path.is_dir():
        found = sorted(path.glob("*.npz"))
        if len(found) != 1:
            raise UserError(
                f"{path}: {len(found)} .npz files here; feature network {name!r} needs exactly one"
            )
        path = found[0]
    path = find_inception(path, FILES[name], name)
    body = fid_inception(INCEPTION_BLOCKS[name], read_arrays(path), str(path))
    return FeatureNetwork(name, partial(prepare, mode="legacy_pytorch"), channels_last(body), None, device)


def prepare(images: Tensor, mode: str) -> Tensor:
    """Resize (B, 3, H, W) in [0, 255] to 299×299 and scale it as the mode's reference does."""
    if mode == "legacy_pytorch":
        # pytorch-fid resizes values of [0, 1] and spans [−1, 1] afterwards; the TensorFlow graph has 128.
        return (2 * RESIZE[mode](images / 255, INPUT_SIDE) - 1).contiguous(memory_format=torch.channels_last)
    return ((RESIZE[mode](images, INPUT_SIDE) - 128) / 128).contiguous(memory_format=torch.channels_last)


def channels_last(body: nn.Module) -> nn.Module:
    """Lay the weights out channel by channel innermost, which convolutions on CPU and GPU run faster on."""
    return body.to(memory_format=torch.channels_last)


def _from_arrays(arrays: dict[str, Tensor], path: Path) -> tuple[nn.Module, Tensor]:
    if "fc.weight" not in arrays:
        raise UserError(f"{path}: the class layer fc.weight is missing; this is not the complete Inception")
    return channels_last(fid_inception(FEATURES, arrays, str(path))), arrays["fc.weight"].float()


def _scripted(base: nn.Module, path: Path) -> tuple[nn.Module, Tensor]:
    outputs = [value for value in base.state_dict().values() if value.shape == (CLASSES, FEATURES)]
    if len(outputs) != 1 or not hasattr(base, "layers"):
        raise UserError(
            f"{path}: not the TorchScript Inception (no `layers`, or no {CLASSES}×{FEATURES} output)"
        )
    return ScriptedLayers(dict(base.named_children())["layers"]), outputs[0].float()

"""Networks and generators of one's own, in scores: a Python file, TorchScript of a known digest, ONNX.

A Python file and TorchScript are programs and are run: the first is the user's own, the second only where its SHA-256
is the one that was given. Every number made with a network of one's own carries its name and the digest of its file.
"""

import hashlib
import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.evaluation.image_sets import ImageArray
from gantry.evaluation.sample import BATCH, to_uint8
from gantry.metrics.checks import images_of
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.names import FEATURE_NETWORKS, declare_network
from gantry.paths import expanded

SHOWN_DIGITS = 8


def is_own(network: str) -> bool:
    """Whether a network's name is that of a file, FILE.py:build, *.pt or *.onnx, and of none that is known here."""
    file = network.rpartition(":")[0] if ".py:" in network else network
    return network not in FEATURE_NETWORKS and Path(file).suffix in (".py", ".pt", ".onnx")


def built(said: str) -> tuple[Any, str]:
    """Return what the function of "FILE.py:function" returns, and the SHA-256 of the file."""
    name, _, function = said.rpartition(":")
    file = expanded(name)
    if not name or not function.isidentifier():
        raise UserError(f"{said}: name a file and its function: model.py:build")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror or error}") from None
    found = importlib.util.spec_from_file_location(file.stem, file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
        make = getattr(module, function, None)
        if not callable(make):
            raise UserError(f"{file}: has no function {function}()")
        return make(), hashlib.sha256(content).hexdigest()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{said}: {type(error).__name__}: {error}") from error


class _Checked(nn.Module):
    """A network whose features are rows of numbers, or a message."""

    def __init__(self, look: Callable[[Tensor], Tensor], name: str) -> None:
        super().__init__()
        self.look = look
        self.called = name

    def forward(self, images: Tensor) -> Tensor:
        features = self.look(images)
        if not isinstance(features, Tensor) or features.dim() != 2 or len(features) != len(images):
            shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise UserError(
                f"{self.called}: should return features (B, D) for images {tuple(images.shape)}; returned {shape}"
            )
        return features.float()


def own_network(
    network: str, sha256: str | None = None, device: torch.device | str = "cpu"
) -> FeatureNetwork:
    """Return the feature network of a file, under a name that tells it from all others.

    It gets float32 images (B, 3, H, W) in [0, 255], of the size that they have, and returns features (B, D).
    """
    if ".py:" in network:
        made, digest = built(network)
        if not callable(made):
            raise UserError(f"{network}: should return a network; returned {type(made).__name__}")
        title = f"{Path(network.rpartition(':')[0]).name}:{network.rpartition(':')[2]}"
        look = made.eval() if isinstance(made, nn.Module) else made
    else:
        file = expanded(network)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror or error}") from None
        digest, title = hashlib.sha256(content).hexdigest(), file.name
        if sha256 is not None and sha256 != digest:
            raise UserError(f"{file}: SHA-256 is {digest}, given was {sha256}")
        look = (
            _of_onnx(content, file) if file.suffix == ".onnx" else _of_script(content, file, digest, sha256)
        )
    name = f"{title} {digest[:SHOWN_DIGITS]}"
    declare_network(name)
    return FeatureNetwork(name, lambda images: images, _Checked(look, network), None, device)


def _of_script(content: bytes, file: Path, digest: str, sha256: str | None) -> nn.Module:
    if sha256 is None:
        raise UserError(
            f"{file}: TorchScript is a program; if you trust it, say so: --network-sha256 {digest}"
        )
    try:
        script: nn.Module = torch.jit.load(io.BytesIO(content), map_location="cpu")
    except Exception as error:
        raise UserError(f"{file}: not TorchScript: {str(error).partition(chr(10))[0]}") from None
    return script.eval()


def _of_onnx(content: bytes, file: Path) -> Callable[[Tensor], Tensor]:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{file}: ONNX networks need onnxruntime (pip install onnxruntime)") from None
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"{file}: not an ONNX network: {str(error).partition(chr(10))[0]}") from None
    given = session.get_inputs()[0].name

    def look(images: Tensor) -> Tensor:
        (features, *_) = session.run(None, {given: images.cpu().contiguous().numpy()})
        return torch.from_numpy(np.asarray(features)).to(images.device)

    return look


def generated_by(said: str, count: int, seed: int, device: torch.device | str = "cpu") -> ImageArray:
    """Return `count` images of a generator: a run's folder, a checkpoint, or what FILE.py:build returns.

    The latter is called with a number of images and a seed, and returns uint8 (N, H, W, 3) or float (N, 3, H, W) in
    [−1, 1].
    """
    if ".py:" not in said:
        from gantry.evaluation import by_checkpoint

        trained = by_checkpoint.load_trained(expanded(said), device=device)
        if trained.resolution is None:
            raise UserError(f"--generator: {said} makes points; gantry score is for images")
        given = by_checkpoint.inputs(trained, count, seed)
        made = by_checkpoint.mixture(trained, trained.sampler.sources, given, device)
        labels = by_checkpoint.asked_classes(trained, given)
        return ImageArray(f"{said}, iteration {trained.iteration:,}", made, labels)
    generate, digest = built(said)
    if not callable(generate):
        raise UserError(f"--generator: {said} should return a function of a number of images and a seed")
    parts = []
    for number, start in enumerate(range(0, count, BATCH)):
        some = min(BATCH, count - start)
        try:
            with torch.inference_mode():
                parts.append(_as_images(generate(some, seed + number), said))
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"--generator: {said}: {type(error).__name__}: {error}") from error
        if len(parts[-1]) != some:
            raise UserError(f"--generator: {said}: returned {len(parts[-1])} images; asked for were {some}")
    return ImageArray(f"{said} {digest[:SHOWN_DIGITS]}", np.concatenate(parts))


def _as_images(made: Any, said: str) -> NDArray[np.uint8]:
    if isinstance(made, Tensor) and made.is_floating_point() and made.dim() == 4:
        return to_uint8(made).cpu().numpy()
    return images_of(np.asarray(made), said)

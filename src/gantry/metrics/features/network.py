"""What a feature network is to the metrics: uint8 images in, features and class logits out, in one pass."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.metrics.checks import images_of


@dataclass(frozen=True)
class Features:
    """One row an image: features float32 (N, D), and class logits float32 (N, C) if the network has any."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32] | None


class FeatureNetwork:
    """A network with the preparation of its input; `name` goes into every number made with it.

    prepare: float32 (B, 3, H, W) in [0, 255] to the network's own input.
    body: that input to features (B, D), and `head` from there to class logits (B, C), if it classifies.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[Tensor], Tensor],
        body: nn.Module,
        head: nn.Module | None,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
    ) -> None:
        self.name = name
        self.device = torch.device(device)
        # On CPU the layers' outputs should stay in the cache; a GPU wants many images at once (256 take 2 GB at
        # the Inception's widest layers). The numbers do not depend on it beyond rounding.
        self.batch_size = batch_size or (16 if self.device.type == "cpu" else 256)
        self.prepare = prepare
        self.body = body.to(self.device).eval().requires_grad_(False)
        self.head = None if head is None else head.to(self.device).eval().requires_grad_(False)
        self._said: dict[int, tuple[NDArray[np.uint8], Features]] | None = None

    @contextmanager
    def looking_once(self) -> Iterator[None]:
        """Within, remember what is said of each array, for others who ask about the same one; it must not change."""
        before, self._said = self._said, {}
        try:
            yield
        finally:
            self._said = before

    @property
    def has_probabilities(self) -> bool:
        """Whether it gives class logits, which the Inception Score and the Mode Score need."""
        return self.head is not None

    @torch.inference_mode()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features and logits of one batch of uint8 images (B, H, W, 3), on the network's device, in float32."""
        pixels = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float()
        # cuDNN would round convolutions to TF32 by itself, a caller's autocast to bfloat16, and FID with them.
        with (
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
            torch.autocast(self.device.type, enabled=False),
        ):
            features = self.body(self.prepare(pixels))
            return features, None if self.head is None else self.head(features)

    def extract(
        self,
        images: NDArray[np.uint8],
        batch_size: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Features:
        """Features of uint8 images (N, H, W, 3) in memory or memory-mapped, read one batch at a time.

        `progress` is told how many images are done.
        """
        if self._said is not None and id(images) in self._said:
            return self._said[id(images)][1]
        checked = images if isinstance(images, np.memmap) else images_of(images, "images")
        size = batch_size or self.batch_size
        batches = (
            torch.from_numpy(np.array(checked[start : start + size]))
            for start in range(0, len(checked), size)
        )
        found = self.extract_stream(batches, progress)
        if self._said is not None and not isinstance(images, np.memmap):
            self._said[id(images)] = images, found  # the array stays, so that no other one gets its id
        return found

    def extract_stream(
        self, batches: Iterable[Tensor], progress: Callable[[int], None] | None = None
    ) -> Features:
        """Features of a stream of uint8 batches (B, H, W, 3), on any device: sampler to network, no disk.

        Raises UserError if the stream is empty.
        """
        features: list[Tensor] = []
        logits: list[Tensor] = []
        done = 0
        for batch in batches:
            some_features, some_logits = self.forward(batch)
            features.append(some_features)
            if some_logits is not None:
                logits.append(some_logits)
            done += len(batch)
            if progress is not None:
                progress(done)
        if not features:
            raise UserError(f"feature network {self.name}: no images to look at")
        return Features(
            torch.cat(features).float().cpu().numpy(),
            torch.cat(logits).float().cpu().numpy() if logits else None,
        )


def folded(
    weight: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that equals a bias-free convolution and its BatchNorm."""
    scale = gamma.double() / (variance.double() + epsilon).sqrt()
    bias = beta.double() - mean.double() * scale
    return (weight.double() * scale[:, None, None, None]).float(), bias.float()

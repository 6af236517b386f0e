"""The workflow's own small classifier: a feature network where nothing can be downloaded.

Trained in seconds on a labelled set that ships inside a dependency. Its numbers compare runs of one
workflow with each other; they are not FID or IS and are never called so.
"""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from gantry.errors import UserError
from gantry.files import write_with
from gantry.metrics.checks import images_of
from gantry.metrics.features.network import FeatureNetwork
from gantry.runs.outputs import verify_output

SIDE = 32
WIDTH = 64
EPOCHS = 12
BATCH = 64
LEARNING_RATE = 2e-2
HELD_OUT = 0.2


def train_embedded_classifier(images: ArrayLike, labels: ArrayLike, seed: int, out: Path) -> float:
    """Train the classifier on uint8 images (N, H, W, 3) with integer labels (N,) and write it to `out`.

    A fifth of the images, chosen by `seed`, is held out; the return value is the share of it classified
    rightly. One thread on CPU, its own random generator: equal input gives an equal file, byte for byte.
    Raises UserError for labels that do not fit, fewer than two classes, or fewer than 10 images.
    """
    pictures, classes = images_of(images, "images to train the classifier on"), np.asarray(labels)
    count = _classes(pictures, classes)
    order = np.random.default_rng(seed).permutation(len(pictures))
    held_out, kept = np.split(order, [int(len(order) * HELD_OUT)])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums split over threads would round differently
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = classifier(count)
            x, y = _prepared(pictures), torch.from_numpy(classes.astype(np.int64))
            _fit(network, x[kept], y[kept])
            accuracy = _accuracy(network, x[held_out], y[held_out])
    finally:
        torch.set_num_threads(threads)
    # All of it under one key: the format does not keep several in a fixed order.
    facts = json.dumps(
        {"classes": count, "held_out_accuracy": accuracy, "images": len(pictures), "seed": seed}
    )
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    from safetensors.torch import save_file

    write_with(out, lambda path: save_file(tensors, path, metadata={"gantry_classifier": facts}))
    return accuracy


def classifier(classes: int) -> nn.Sequential:
    """`body`: (B, 3, 32, 32) in [−1, 1] to 64 features; `head`: features to class logits."""

    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]

    body = nn.Sequential(
        *stage(3, 16), *stage(16, 32), *stage(32, WIDTH), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    network = nn.Sequential()
    network.add_module("body", body)
    network.add_module("head", nn.Linear(WIDTH, classes))
    return network


def embedded_classifier(name: str, weights: Path | None, device: torch.device | str) -> FeatureNetwork:
    """Load what `train_embedded_classifier` wrote to `weights`; images of any size are resized to 32×32."""
    if weights is None or not weights.is_file():
        raise UserError(
            f"feature network {name!r}: its weights are {'not given' if weights is None else f'not at {weights}'}; the "
            "workflow trains it, in half a minute: `snakemake classifier --config scale=quick` writes "
            "results/data/embedded-classifier.safetensors, which `--weights` takes; or choose another network"
        )
    verify_output(weights)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as stored:
            facts = json.loads((stored.metadata() or {})["gantry_classifier"])
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise UserError(
            f"{weights}: not a classifier of this workflow ({error}); its step trains one: gantry classifier"
        ) from error
    with torch.device("meta"):
        network = classifier(int(facts["classes"]))
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise UserError(
            f"{weights}: the classifier's layers do not fit; its step trains another: gantry classifier"
        ) from error
    body, head = network.get_submodule("body"), network.get_submodule("head")
    return FeatureNetwork(name, to_side, body, head, device, batch_size=256)


def to_side(images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 255] to (B, 3, 32, 32) in [−1, 1], antialiased where it shrinks."""
    if images.shape[-2:] != (SIDE, SIDE):
        images = interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return images / 127.5 - 1


def _classes(images: NDArray[np.uint8], labels: NDArray) -> int:
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"labels: {labels.dtype} of shape {labels.shape} for {len(images)} images; expected integers (N,)"
        )
    if len(images) < 10:
        raise UserError(
            f"labels: {len(images)} images are too few to train and check a classifier (10 at least)"
        )
    if labels.min() < 0 or len(np.unique(labels)) < 2:
        raise UserError("labels: a classifier needs at least two classes, numbered from 0")
    return int(labels.max()) + 1


def _prepared(images: NDArray[np.uint8]) -> Tensor:
    blocks = torch.from_numpy(np.ascontiguousarray(images)).split(1024)
    return torch.cat([to_side(block.permute(0, 3, 1, 2).float()) for block in blocks])


def _fit(network: nn.Module, x: Tensor, y: Tensor) -> None:
    """AdamW under a one-cycle schedule; batches shifted by up to two pixels, against learning by heart."""
    steps = EPOCHS * max(len(x) // BATCH, 1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    network.train()
    for step in range(steps):
        position = step % max(len(x) // BATCH, 1)
        if position == 0:
            order = torch.randperm(len(x))
        chosen = order[position * BATCH : (position + 1) * BATCH]
        down, right = torch.randint(-2, 3, (2,)).tolist()
        loss = cross_entropy(network(x[chosen].roll((down, right), dims=(2, 3))), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


@torch.inference_mode()
def _accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    network.eval()
    right = [
        network(some).argmax(dim=1) == truth for some, truth in zip(x.split(1024), y.split(1024), strict=True)
    ]
    return float(torch.cat(right).float().mean())

"""Images a second through the feature network, in each precision, and what precision does to the distance.

See gpu.py.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantry.errors import UserError
from gantry.metrics.features import FeatureNetwork, load_feature_network
from gantry.metrics.features.fid_networks import prepare
from gantry.metrics.features.inception import FidInception
from timing import synchronised

WIDTH = 768


def network(weights: Path | None, device: torch.device) -> tuple[FeatureNetwork, str]:
    """Inception up to 768 features, and whose weights it has: random ones do for the rate."""
    try:
        return load_feature_network("inception-768", weights, device), "its own"
    except UserError:
        torch.manual_seed(0)
        body = FidInception(WIDTH).to(memory_format=torch.channels_last)
        return FeatureNetwork(
            "inception-768", lambda x: prepare(x, mode="legacy_pytorch"), body, None, device
        ), "random"


def extract(seen: FeatureNetwork, images: Tensor, precision: str) -> np.ndarray:
    """Features of uint8 images (N, H, W, 3) on the device; fp32 is what scoring does."""
    found = []
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=precision != "fp32"):
        for batch in images.split(seen.batch_size):
            pixels = batch.permute(0, 3, 1, 2).float()
            with torch.autocast(seen.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                found.append(seen.body(seen.prepare(pixels)).float())
    return torch.cat(found).cpu().numpy()


def made_up(count: int, contrast: float, device: torch.device) -> Tensor:
    """Smooth random images, uint8 (count, 32, 32, 3)."""
    coarse = torch.randn(count, 3, 8, 8, device=device)
    smooth = torch.nn.functional.interpolate(coarse, size=32, mode="bicubic")
    return (128 + contrast * smooth).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Fréchet distance of two sets of features (N, D); `gantry.metrics.frechet` needs SciPy."""
    covariances = [np.cov(each, rowvar=False, dtype=np.float64) for each in (x, y)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    crossed = np.linalg.eigvalsh(root @ covariances[1] @ root).clip(min=0)
    moved = ((x.mean(axis=0, dtype=np.float64) - y.mean(axis=0, dtype=np.float64)) ** 2).sum()
    return float(moved + sum(np.trace(each) for each in covariances) - 2 * np.sqrt(crossed).sum())


def compared(
    count: int, weights: Path | None, precisions: tuple[str, ...], device: torch.device
) -> list[dict]:
    """A row for each precision: rate, and the Fréchet distance of two sets as a share of that in fp32."""
    torch.manual_seed(0)
    seen, whose = network(weights, device)
    sets = [made_up(count, contrast, device) for contrast in (40.0, 50.0)]
    rows: list[dict[str, Any]] = []
    for precision in precisions:
        extract(seen, sets[0][: seen.batch_size], precision)  # the first call chooses kernels
        start = synchronised(device)
        features = [extract(seen, each, precision) for each in sets]
        took = synchronised(device) - start
        distance = frechet_distance(*features)
        reference = rows[0]["distance"] if rows else distance
        rows.append(
            {
                "network": seen.name,
                "weights": whose,
                "precision": precision,
                "images": 2 * count,
                "images_per_second": 2 * count / took,
                "distance": distance,
                "difference": distance / reference - 1,
            }
        )
    return rows

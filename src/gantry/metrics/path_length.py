"""How far images move along a way between two latents. Karras et al. 2019, section 4.1; here in pixels."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
EPSILON = 1e-4
DROPPED = 1.0  # per cent of the largest and of the smallest values


def lerp(start: Array, end: Array, t: Array) -> Array:
    """Return (1 − t)·start + t·end, rows (N, D) at t (N,)."""
    between: Array = start + t[:, None] * (end - start)
    return between


def slerp(start: Array, end: Array, t: Array) -> Array:
    """Return unit vectors on the great circle from start/‖start‖ to end/‖end‖, rows (N, D) at t (N,)."""
    start, end = (latents / np.linalg.norm(latents, axis=1, keepdims=True) for latents in (start, end))
    cosine = np.clip((start * end).sum(1, keepdims=True), -1, 1)
    angle = t[:, None] * np.arccos(cosine)
    across = end - cosine * start
    across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    between: Array = np.cos(angle) * start + np.sin(angle) * across
    return between


def path_length(near: Array, far: Array, epsilon: float = EPSILON, dropped: float = DROPPED) -> float:
    """Return E[‖far − near‖²/ε²] over pairs (N, …) that lie ε apart on their ways.

    Values outside the percentiles `dropped` and 100 − `dropped` are left out, as in the authors' code; there the
    distance is LPIPS.
    """
    lengths = np.square(far.astype(np.float64) - near).reshape(len(near), -1).sum(1) / epsilon**2
    low, high = (
        np.percentile(lengths, dropped, method="lower"),
        np.percentile(lengths, 100 - dropped, method="higher"),
    )
    return float(lengths[(lengths >= low) & (lengths <= high)].mean())

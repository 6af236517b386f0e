"""What every metric asks of its arrays; a wrong one is one clear message, never a silent NaN."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gantry.errors import UserError


def finite_rows(values: ArrayLike, what: str, least: int = 1) -> NDArray[np.floating]:
    """Return `values` as an (N, D) array of floats with at least `least` rows, all finite.

    float32 and float64 pass through without a copy; `what` names the array in the UserError.
    """
    rows = np.asarray(values)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise UserError(f"{what}: expected an array of shape (N, D), got {rows.shape}")
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float64)
    if len(rows) < least:
        raise UserError(f"{what}: {len(rows)} samples; this metric needs at least {least}")
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows).all(axis=1)).sum())
        raise UserError(
            f"{what}: {bad} of {len(rows)} samples hold NaN or infinity; has the run that made them diverged?"
        )
    return rows


def same_width(a: NDArray[np.floating], b: NDArray[np.floating], what: str) -> None:
    """Raise UserError unless the two (N, D) arrays have the same D."""
    if a.shape[1] != b.shape[1]:
        raise UserError(
            f"{what}: {a.shape[1]} columns against {b.shape[1]}; were both made by the same network?"
        )


def images_of(values: ArrayLike, what: str) -> NDArray[np.uint8]:
    """Return `values` as uint8 images (N, H, W, 3), or raise UserError that names the array."""
    images = np.asarray(values)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or len(images) == 0:
        raise UserError(
            f"{what}: expected uint8 images of shape (N, H, W, 3), got {images.dtype} of shape {images.shape}"
        )
    return images

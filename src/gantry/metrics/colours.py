"""How far the colours of a finer image are from those of the coarser one that it was made with. Zhang et al. 2018."""

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.floating]


def colour_gaps(coarse: Images, fine: Images) -> tuple[float, float]:
    """Return |Δμ| and |ΔΣ| of the pixels' colours of two images, Euclidean norms, means over N images.

    Images are (N, C, R, R), R of its own each, and N the same; the covariances have the number of pixels below.
    """
    (mean, covariance), (other_mean, other_covariance) = (_colours(images) for images in (coarse, fine))
    return (
        float(np.linalg.norm(mean - other_mean, axis=1).mean()),
        float(np.linalg.norm(covariance - other_covariance, axis=(1, 2)).mean()),
    )


def _colours(images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (N, C) and covariance (N, C, C) of each image's pixels."""
    pixels = images.astype(np.float64).reshape(*images.shape[:2], -1)
    mean = pixels.mean(2)
    centred = pixels - mean[:, :, None]
    return mean, centred @ centred.transpose(0, 2, 1) / pixels.shape[2]

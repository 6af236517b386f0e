"""How like two sets of images are, pair by pair: L1, PSNR, SSIM, of RGB or of luminance.

Images are uint8 (N, H, W, 3); each function returns the mean over the pairs of what it finds of each.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gantry.errors import UserError

Images = NDArray[np.uint8]
LEVELS = 255.0
# Wang et al. 2004: Gaussian window of σ 1.5, cut at 3.5 σ (11 pixels), and their constants.
SIGMA, REACH = 1.5, 5
C1, C2 = (0.01 * LEVELS) ** 2, (0.03 * LEVELS) ** 2
MOST = 100.0  # dB, of two equal images, whose PSNR is infinite
# ITU-R BT.601, from 16 to 235, as MATLAB's rgb2ycbcr has it.
STUDIO = np.array([65.481, 128.553, 24.966]) / LEVELS


def luminance(images: Images, border: int = 0) -> NDArray[np.float64]:
    """Return BT.601's luminance, 16 … 235, without `border` pixels at each edge: float64 (N, H, W, 1)."""
    inner = images[:, border : images.shape[1] - border, border : images.shape[2] - border]
    return (16 + inner.astype(np.float64) @ STUDIO)[..., None]


def l1(ours: Images, theirs: Images) -> float:
    """Return the mean absolute difference, levels running from 0 to 1."""
    return float(np.abs(_floats(ours, theirs)).mean() / LEVELS)


def psnr(ours: NDArray, theirs: NDArray) -> float:
    """Return the mean of 10·log₁₀(255² / MSE) of each pair, in dB, 100 at most."""
    errors = np.square(_floats(ours, theirs)).reshape(len(ours), -1).mean(axis=1)
    return float(np.minimum(10 * np.log10(LEVELS**2 / np.maximum(errors, 1e-12)), MOST).mean())


def ssim(ours: NDArray, theirs: NDArray) -> float:
    """Return the mean of the structural similarity of each pair, over channels and places. Wang et al. 2004, eq. 13."""
    if min(ours.shape[1:3]) <= 2 * REACH:
        raise UserError(
            f"ssim: images of {ours.shape[1]}×{ours.shape[2]} are smaller than its window, 11 pixels: leave it out of "
            "the metrics"
        )
    x, y = ours.astype(np.float64), theirs.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    )
    return float(similarity[:, REACH:-REACH, REACH:-REACH].mean())


def _blurred(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each channel under a Gaussian window."""
    for axis in (1, 2):
        images = gaussian_filter1d(images, SIGMA, axis=axis, truncate=REACH / SIGMA)
    return images


def _floats(ours: NDArray, theirs: NDArray) -> NDArray[np.float64]:
    if ours.shape != theirs.shape:
        raise UserError(f"images of shape {ours.shape} have no pairs of shape {theirs.shape}")
    return ours.astype(np.float64) - theirs.astype(np.float64)


def mode_information(x: NDArray, y: NDArray, source_means: NDArray, target_means: NDArray) -> float:
    """Return I(k; k′), nats: k is the source mode nearest to x (N, 2), k′ the target mode nearest to its y (N, 2).

    log of the number of modes for a bijection of equal ones, 0 for a map that ignores its input.
    """
    counts = np.zeros((len(source_means), len(target_means)))
    np.add.at(counts, (_nearest(x, source_means), _nearest(y, target_means)), 1)
    joint = counts / counts.sum()
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return max(0.0, float((joint[seen] * np.log(joint[seen] / apart[seen])).sum()))


def _nearest(points: NDArray, means: NDArray) -> NDArray[np.int64]:
    found: NDArray[np.int64] = ((points[:, None].astype(np.float64) - means) ** 2).sum(-1).argmin(1)
    return found

"""L1, PSNR and SSIM against scikit-image; what a map tells of modes."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from gantry.errors import UserError
from gantry.metrics import similarity

RANDOM = np.random.default_rng(0)
ONE = RANDOM.integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
OTHER = np.clip(ONE.astype(int) + RANDOM.integers(-40, 41, ONE.shape), 0, 255).astype(np.uint8)


def test_psnr_and_ssim_are_scikit_images() -> None:
    psnr = np.mean([peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(ONE, OTHER, strict=True)])
    ssim = np.mean(
        [
            structural_similarity(
                a,
                b,
                data_range=255,
                channel_axis=-1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for a, b in zip(ONE, OTHER, strict=True)
        ]
    )
    assert similarity.psnr(ONE, OTHER) == pytest.approx(psnr, rel=1e-9)
    assert similarity.ssim(ONE, OTHER) == pytest.approx(ssim, rel=1e-9)
    assert similarity.l1(ONE, OTHER) == pytest.approx(np.abs(ONE / 255 - OTHER / 255).mean())


def test_luminance_is_that_of_studios_and_loses_its_border() -> None:
    levels = np.zeros((1, 6, 6, 3), np.uint8)
    assert similarity.luminance(levels)[0, 0, 0, 0] == 16
    assert similarity.luminance(levels + 255)[0, 0, 0, 0] == pytest.approx(235)
    red = levels.copy()
    red[..., 0] = 255
    assert similarity.luminance(red, border=2).shape == (1, 2, 2, 1)
    assert similarity.luminance(red)[0, 0, 0, 0] == pytest.approx(16 + 65.481)


def test_equal_images_and_others_sizes() -> None:
    assert similarity.psnr(ONE, ONE) == 100 and similarity.ssim(ONE, ONE) == pytest.approx(1)
    with pytest.raises(UserError, match="smaller than its window"):
        similarity.ssim(ONE[:, :8, :8], OTHER[:, :8, :8])
    with pytest.raises(UserError, match="have no pairs of shape"):
        similarity.psnr(ONE, OTHER[:2])


def test_information_of_modes() -> None:
    """Log 9 for a bijection, 0 for a map that ignores its input, log 3 for nine modes that become three."""
    axis = np.array([-2.0, 0, 2])
    means = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    x = means[np.arange(9000) % 9] + 0.05 * RANDOM.standard_normal((9000, 2))
    turned = means[RANDOM.permutation(9)]
    assert similarity.mode_information(x, turned[np.arange(9000) % 9], means, means) == pytest.approx(
        np.log(9)
    )
    assert similarity.mode_information(x, np.zeros_like(x), means, means) == 0
    merged = means[::3]
    assert similarity.mode_information(x, merged[np.arange(9000) % 9 // 3], means, merged) == pytest.approx(
        np.log(3)
    )
    blind = means[RANDOM.integers(9, size=9000)]
    assert similarity.mode_information(x, blind, means, means) < 0.01

"""Fréchet distance between Gaussians fitted to two sets of features.

d² = ‖µ₁ − µ₂‖² + Tr Σ₁ + Tr Σ₂ − 2 Tr (Σ₁Σ₂)^½        (Dowson & Landau 1982; FID: Heusel et al. 2017, eq. 6)

With Σ₁ = F Fᵀ, the product Σ₁Σ₂ has the eigenvalues of the symmetric Fᵀ Σ₂ F, so Tr (Σ₁Σ₂)^½ is the sum of
their roots. No matrix square root is taken, nothing can turn complex, and F of the real set is made once.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, lapack

from gantry.arrays import DamagedArray, described, read_npz
from gantry.errors import UserError
from gantry.files import writing
from gantry.metrics.checks import finite_rows

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianStatistics:
    """Mean (D,) and unbiased covariance (D, D), float64, of `count` feature vectors; None where that is not known."""

    # The arrays in a file: ours, and those of pytorch-fid and of whoever took that over, who do not count.
    KEYS: ClassVar = ({"mean", "covariance", "factor", "count"}, {"mu", "sigma"})

    mean: Matrix
    covariance: Matrix
    count: int | None

    @cached_property
    def factor(self) -> Matrix:
        """F (D, r) with F Fᵀ = covariance, r its numerical rank: Cholesky's factor with diagonal pivots."""
        triangle, pivots, rank, _ = lapack.dpstrf(self.covariance, lower=1)
        factor = np.empty((len(self.mean), rank))
        factor[pivots - 1] = np.tril(triangle)[:, :rank]
        return factor

    def save(self, path: Path) -> None:
        """Write the statistics to `path` (.npz) atomically, the factor included: its making is spared too."""
        with writing(path) as stream:
            np.savez(stream, allow_pickle=False, **self.arrays())

    def arrays(self) -> dict[str, NDArray]:
        """What `save` writes and `load` reads, by name."""
        return {
            "mean": self.mean,
            "covariance": self.covariance,
            "factor": self.factor,
            "count": np.asarray(self.count),
        }

    @classmethod
    def load(cls, path: Path) -> "GaussianStatistics":
        """Read what `save` or pytorch-fid wrote; raise UserError that names `path` and what is in it instead."""
        try:
            arrays = read_npz(path)
        except (DamagedArray, OSError) as error:
            raise UserError(f"{path}: not a readable file of statistics ({error})") from error
        keys = next((keys for keys in cls.KEYS if keys <= arrays.keys()), None)
        if keys is None:
            raise UserError(
                f"{path}: holds {described(arrays)}; expected statistics: mean, covariance, factor and count, or mu "
                "and sigma"
            )
        own = "mean" in keys
        mean, covariance = (arrays[key] for key in (("mean", "covariance") if own else ("mu", "sigma")))
        width = mean.size
        fits = mean.ndim == 1 and covariance.shape == (width, width)
        if not fits or not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise UserError(
                f"{path}: a mean of shape {mean.shape} and a covariance of shape {covariance.shape} do not fit "
                "together, or are not finite"
            )
        if not own:
            return cls(mean.astype(np.float64), covariance.astype(np.float64), None)
        factor = arrays["factor"]
        if factor.shape[:1] != (width,) or factor.ndim != 2:
            raise UserError(f"{path}: a factor of shape {factor.shape} does not fit a mean of {width} values")
        statistics = cls(mean, covariance, int(arrays["count"]))
        statistics.__dict__["factor"] = factor
        return statistics


def gaussian_statistics(features: ArrayLike, chunk: int = 8192, device: str = "cpu") -> GaussianStatistics:
    """Fit a Gaussian to features (N, D), N ≥ 2: mean and covariance with N − 1, as clean-fid and pytorch-fid.

    Sums are float64 whatever the features' type and on every device; `chunk` bounds the float64 copies.
    Raises UserError on NaN, infinity, or fewer than two samples.
    """
    rows = finite_rows(features, "features", least=2)
    mean = rows.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), chunk):
        scatter += _scatter(rows[start : start + chunk].astype(np.float64) - mean, device)
    return GaussianStatistics(mean, scatter / (len(rows) - 1), len(rows))


def frechet_distance(a: GaussianStatistics, b: GaussianStatistics, device: str = "cpu") -> float:
    """Return d² between two Gaussians; symmetric, ≥ 0, and 0 up to rounding for equal ones.

    The factor of `a` is used (and kept in it), so `a` should be the set that is compared most often: the
    real one. `device` "cuda" does the product and the eigenvalues there, in float64.
    """
    if len(a.mean) != len(b.mean):
        raise UserError(
            f"features of width {len(a.mean)} against {len(b.mean)}: were both made by the same network?"
        )
    offset = a.mean - b.mean
    cross = np.sqrt(np.clip(_product_eigenvalues(a.factor, b.covariance, device), 0.0, None)).sum()
    distance = offset @ offset + np.trace(a.covariance) + np.trace(b.covariance) - 2.0 * cross
    return float(max(distance, 0.0))


def _scatter(centred: Matrix, device: str) -> Matrix:
    """XᵀX of rows X."""
    if device == "cpu":
        return centred.T @ centred
    import torch  # only a GPU needs it here

    x = torch.from_numpy(centred).to(device)
    return (x.T @ x).cpu().numpy()


def _product_eigenvalues(factor: Matrix, covariance: Matrix, device: str) -> Matrix:
    """Eigenvalues of Fᵀ Σ F, ascending."""
    if factor.shape[1] == 0:
        return np.zeros(0)
    if device == "cpu":
        product = factor.T @ (covariance @ factor)
        return eigh(product, eigvals_only=True, driver="ev", check_finite=False, overwrite_a=True)
    import torch

    f = torch.from_numpy(factor).to(device)
    return torch.linalg.eigvalsh(f.T @ (torch.from_numpy(covariance).to(device) @ f)).cpu().numpy()

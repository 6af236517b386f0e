"""What is kept of a prepared set's features, made once for all runs on the set: `statistics-<network>.npz`.

Fréchet distances need the Gaussian of all features, the Mode Score the classes' shares, neighbours and kernels
real features themselves; of these a seeded choice is kept. Of labelled sets it holds what the referees of classes and
attributes learn from and are tested on, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gantry.arrays import DamagedArray, read_npz
from gantry.data import open_prepared
from gantry.errors import UserError, suggestion
from gantry.files import writing
from gantry.metrics.features import Features
from gantry.metrics.frechet import GaussianStatistics, gaussian_statistics
from gantry.metrics.mode_score import class_shares

KEPT = 10_000
KEPT_SEED = 0
LEARNT_FROM = (
    5_000  # real images at most, in the data set's order, that a referee learns from, or is tested on
)
CLEAN_FIDS_FEATURES = "feats"

# What a computation compares with: the Gaussian of the features, rows of them, the classes' shares, images, nothing.
Reference = Literal["gaussian", "features", "shares", "images", "none"]


@dataclass(frozen=True)
class StoredStatistics:
    """Of the real images of one set under one network; what is None was not kept.

    features: float32 (≤ 10,000, D), the features of images chosen once with a fixed seed, in their order.
    shares: float64 (C,), the mean class probabilities of all images.
    learnt, tested: float32 (≤ 5,000, D), the features of the first images and of the first held-out ones.
    images: uint8 (N, H, W, 3), the set itself where it is at hand; not part of the file.
    network, digest, tested_digest: the feature network's name, and the SHA-256 of the set's samples and of those of
        its held-out part ("" where unknown).
    """

    name: str
    gaussian: GaussianStatistics
    features: NDArray[np.float32] | None = None
    shares: NDArray[np.float64] | None = None
    learnt: NDArray[np.float32] | None = None
    tested: NDArray[np.float32] | None = None
    images: NDArray[np.uint8] | None = None
    network: str = ""
    digest: str = ""
    tested_digest: str = ""

    @classmethod
    def of(cls, name: str, seen: Features, network: str, digest: str) -> "StoredStatistics":
        """Keep what scoring needs of all that a network saw in a set."""
        rng, count = np.random.default_rng(KEPT_SEED), len(seen.features)
        chosen = np.sort(rng.choice(count, min(count, KEPT), replace=False))
        shares = None if seen.logits is None else class_shares(seen.logits)
        gaussian = gaussian_statistics(seen.features)
        return cls(name, gaussian, seen.features[chosen], shares, network=network, digest=digest)

    def with_what_referees_see(
        self, learnt: NDArray[np.float32], tested: NDArray[np.float32] | None, tested_digest: str
    ) -> "StoredStatistics":
        """Keep the features of the first images, too, and those of the first held-out ones, where there are any."""
        return replace(self, learnt=learnt, tested=tested, tested_digest=tested_digest)

    def save(self, path: Path) -> None:
        """Write all but the images to `path` (.npz) atomically."""
        optional = {name: getattr(self, name) for name in ("features", "shares", "learnt", "tested")}
        arrays = self.gaussian.arrays() | {
            "network": np.asarray(self.network),
            "digest": np.asarray(self.digest),
            "tested_digest": np.asarray(self.tested_digest),
        }
        arrays |= {name: array for name, array in optional.items() if array is not None}
        with writing(path) as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    @staticmethod
    def holds(arrays: Mapping[str, NDArray]) -> bool:
        """Whether the arrays of an .npz are statistics, ours or another program's."""
        return CLEAN_FIDS_FEATURES in arrays or any(keys <= arrays.keys() for keys in GaussianStatistics.KEYS)

    @classmethod
    def load(cls, path: Path) -> "StoredStatistics":
        """Read what `save` wrote, or a Gaussian alone; raise UserError that names `path` if it is neither.

        clean-fid keeps a Gaussian (mu, sigma) in one file and features (feats) in another of the same name with _kid.
        """
        try:
            arrays: dict[str, NDArray] = dict(read_npz(path)) if path.is_file() else {}
        except (OSError, ValueError, DamagedArray) as error:
            raise UserError(f"{path}: not a readable file of statistics: {error}") from None
        if CLEAN_FIDS_FEATURES in arrays:
            return cls._of_features(path, arrays[CLEAN_FIDS_FEATURES])
        gaussian = GaussianStatistics.load(path)
        beside = path.with_name(f"{path.stem}_kid{path.suffix}")
        if "mu" in arrays and beside.is_file():
            kept = cls._of_features(beside, read_npz(beside).get(CLEAN_FIDS_FEATURES, np.empty(0)))
            assert kept.features is not None
            arrays["features"] = kept.features
        features, shares = arrays.get("features"), arrays.get("shares")
        network, digest, of_tested = (
            str(arrays.get(key, "")) for key in ("network", "digest", "tested_digest")
        )
        if features is not None and features.shape[1:] != gaussian.mean.shape:
            raise UserError(
                f"{path}: features of shape {features.shape} and a mean of shape {gaussian.mean.shape} do not fit "
                "together"
            )
        learnt, tested = arrays.get("learnt"), arrays.get("tested")
        return cls(
            str(path),
            gaussian,
            features,
            shares,
            learnt,
            tested,
            network=network,
            digest=digest,
            tested_digest=of_tested,
        )

    @classmethod
    def _of_features(cls, path: Path, features: NDArray) -> "StoredStatistics":
        if features.ndim != 2 or len(features) < 2 or not np.isfinite(features).all():
            raise UserError(
                f"{path}: {CLEAN_FIDS_FEATURES} of shape {features.shape}, expected finite features (N, D)"
            )
        features = features.astype(np.float32)
        return cls(str(path), gaussian_statistics(features), features)

    def check(self, network: str, digest: str | None = None) -> None:
        """Raise UserError if these are another network's statistics, or those of other images."""
        if self.network and self.network != network:
            raise UserError(f"{self.name}: made by feature network {self.network}, asked for is {network}")
        if digest is not None and self.digest and self.digest != digest:
            raise UserError(
                f"{self.name}: made of other images than the prepared set holds now; make it again: gantry statistics"
            )

    def reference(self, kind: Reference) -> GaussianStatistics | NDArray | None:
        """Return what a computation compares with, or raise UserError if it was not kept."""
        if kind == "none":
            return None
        found: GaussianStatistics | NDArray | None = getattr(self, kind)
        if found is not None:
            return found
        if kind == "images":
            raise UserError(f"{self.name}: stored statistics do not suffice; give the real images")
        if kind == "shares" and self.features is not None:
            raise UserError("the feature network gives no class probabilities")
        raise UserError(
            f"{self.name}: holds the Gaussian of the real features alone, and this metric needs more; give the real "
            "images, or statistics by gantry statistics"
        )


def stored_of(folder: Path, name: str, network: str, weights: Path | None = None) -> StoredStatistics:
    """Open the stored statistics of the prepared set `name` under `folder`, images included.

    UserError says which command makes what is missing.
    """
    manifest = folder / name / "manifest.json"
    if not manifest.is_file():
        there = sorted(path.parent.name for path in folder.glob("*/manifest.json"))
        known = f"there are {', '.join(there)}" if there else "there is none yet"
        raise UserError(
            f"--against {name}: no prepared set {folder / name}{suggestion(name, there)}; {known}; make it with: "
            f"snakemake --cores all -- {manifest}"
        )
    prepared = open_prepared(manifest)
    if prepared.kind != "images":
        raise UserError(f"--against {name}: {manifest} holds points; gantry score is for images")
    path = folder / name / f"statistics-{network}.npz"
    if not path.is_file():
        given = f" --weights {weights}" if weights is not None else ""
        raise UserError(
            f"--against {name}: no statistics {path}; make them with: gantry statistics --data {manifest} "
            f"--network {network}{given} --out {path}"
        )
    stored = StoredStatistics.load(path)
    stored.check(network, prepared.digest)
    return replace(stored, name=name, images=prepared.samples)

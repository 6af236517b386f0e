"""Whether samples have the attributes that their captions mention, by a referee that learned from real images alone."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gantry.data import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.real_features import RealFeatures
from gantry.evaluation.stored import LEARNT_FROM, StoredStatistics
from gantry.methods.sampler import Sampler
from gantry.metrics.classes import fitted_scores

if TYPE_CHECKING:
    from gantry.evaluation.asked import AskedScorer

Array = NDArray[Any]
LEAST = 0.05  # of the samples that mention an attribute must say yes, and as many no, for it to count


def said_of(labels: Array) -> Array:
    """Return what labels say of attributes, (N, A): 1, −1, or 0 for nothing.

    labels: attributes (N, A) of 0 and 1, uint8, or captions made of them, (N, A) or (N, M, A) of −1, 0 and 1, of which
    several are taken together; UserError for other vectors.
    """
    if labels.dtype == np.uint8:
        return 2 * labels.astype(np.int64) - 1
    if labels.dtype != np.float32 or not np.isin(labels, (-1, 0, 1)).all():
        raise UserError(
            "metrics: caption_auc is of attributes, or of captions that are made of them (celeba or digits with "
            "options.captions), and these labels are others: take it out of the workload's metrics"
        )
    return np.sign(labels.sum(1) if labels.ndim == 3 else labels).astype(np.int64)


class CaptionReferee:
    """A classifier of the feature network's features for each attribute, from real training images."""

    def __init__(self, prepared: PreparedSet, network: Any, stored: StoredStatistics | None = None) -> None:
        if prepared.labels is None or network is None or prepared.labels.ndim < 2:
            raise UserError(
                f"data set {prepared.name}: caption_auc is of images with attributes or captions of them, and it has "
                "none: take it out of the workload's metrics"
            )
        self.network = network
        said = said_of(prepared.labels[:LEARNT_FROM])
        features = RealFeatures(prepared, network, stored).learnt()
        self.heads = {
            a: fitted_scores(features[column != 0], (column[column != 0] > 0).astype(np.int64))
            for a, column in enumerate(said.T)
            if {-1, 1} <= set(column.tolist())
        }

    def auc(self, samples: Array, said: Array) -> dict[str, float]:
        """Return the mean over attributes of how well their scores tell samples that are said to have them."""
        from sklearn.metrics import roc_auc_score

        features = self.network.extract(samples).features
        found = []
        for attribute, head in self.heads.items():
            mentioned = said[:, attribute] != 0
            positive = said[mentioned, attribute] > 0
            if len(positive) and LEAST <= positive.mean() <= 1 - LEAST:
                found.append(roc_auc_score(positive, head(features[mentioned].astype(np.float64))))
        return {"caption_auc": float(np.mean(found))} if found else {}


def auc(scorer: "AskedScorer", sampler: Sampler, source: str, samples: Array) -> dict[str, float]:
    """Of the attributes that captions mention, and not of the others."""
    asked = sampler.asked(source, range(len(samples)), scorer.prepared.held_out())
    if asked is None or asked.ndim != 2:
        raise UserError(
            "metrics: caption_auc is of samples that are asked for attributes or captions of them: take it out of the "
            "workload's metrics"
        )
    wanted = 2 * asked - 1 if np.issubdtype(asked.dtype, np.integer) else asked
    return scorer.caption_referee.auc(samples, np.sign(wanted).astype(np.int64))

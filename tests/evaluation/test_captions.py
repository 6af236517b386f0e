"""AUC of the attributes that captions mention, of samples that obey them, or do not."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gantry.errors import UserError
from gantry.evaluation.asked import AskedScorer
from gantry.evaluation.captions import CaptionReferee, auc, said_of

ROWS, ATTRIBUTES = 400, 3


def test_what_labels_say() -> None:
    assert said_of(np.array([[1, 0]], np.uint8)).tolist() == [[1, -1]]
    captions = np.array([[[1, 0, 0], [1, -1, 0]]], np.float32)
    assert said_of(captions).tolist() == [[1, -1, 0]]
    with pytest.raises(UserError, match="caption_auc is of attributes, or of captions that are made of them"):
        said_of(np.full((2, 3), 0.3, np.float32))


class Seen:
    """Features that are the attributes of an image, as its first pixels have them, with noise."""

    name = "seen"

    def extract(self, images: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(features=images[:, 0, :ATTRIBUTES, 0].astype(np.float32))


def pictures(attributes: np.ndarray, seed: int) -> np.ndarray:
    images = np.zeros((len(attributes), 4, 4, 3), np.uint8)
    noise = np.random.default_rng(seed).normal(0, 10, attributes.shape)
    images[:, 0, :ATTRIBUTES, 0] = np.clip(100 + 60 * attributes + noise, 0, 255)
    return images


@pytest.mark.parametrize("captions", [1, 10])
def test_samples_that_have_what_is_mentioned_score_1_and_others_half(captions: int) -> None:
    random = np.random.default_rng(1)
    attributes = random.integers(0, 2, (ROWS, ATTRIBUTES))
    mentioned = random.random((ROWS, captions, ATTRIBUTES)) < 0.6
    labels = np.where(mentioned, 2 * attributes[:, None] - 1, 0).astype(np.float32)
    prepared: Any = SimpleNamespace(
        name="told", labels=labels, samples=pictures(attributes, 0), held_out=lambda: None
    )
    scorer = AskedScorer(prepared, Seen())  # type: ignore[arg-type]
    wanted = random.integers(0, 2, (ROWS, ATTRIBUTES))
    asked = np.where(random.random((ROWS, ATTRIBUTES)) < 0.6, 2 * wanted - 1, 0).astype(np.float32)
    sampler: Any = SimpleNamespace(asked=lambda source, rows, held_out: asked)
    # What no caption mentions is the opposite, and does not count.
    obeyed = np.where(asked != 0, wanted, 1 - wanted)
    assert auc(scorer, sampler, "G1", pictures(obeyed, 1))["caption_auc"] > 0.99
    assert auc(scorer, sampler, "G1", pictures(1 - obeyed, 1))["caption_auc"] < 0.01
    others = pictures(random.integers(0, 2, (ROWS, ATTRIBUTES)), 2)
    assert auc(scorer, sampler, "G1", others)["caption_auc"] == pytest.approx(0.5, abs=0.08)
    asked[:, 0] = 1  # said of all samples alike: it tells nothing, and is left out
    assert auc(scorer, sampler, "G1", pictures(obeyed, 1))["caption_auc"] > 0.99


def test_sets_and_methods_without_attributes_are_told_so() -> None:
    prepared: Any = SimpleNamespace(name="plain", labels=np.arange(4), samples=None)
    with pytest.raises(UserError, match="data set plain: caption_auc is of images with attributes"):
        CaptionReferee(prepared, Seen())
    scorer: Any = SimpleNamespace(prepared=SimpleNamespace(held_out=lambda: None))
    sampler: Any = SimpleNamespace(asked=lambda source, rows, held_out: np.arange(3))
    with pytest.raises(UserError, match="caption_auc is of samples that are asked for attributes"):
        auc(scorer, sampler, "G1", np.empty((3, 0)))

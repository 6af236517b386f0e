"""What referees learn from is taken from a set's statistics: the same numbers, without a pass of the network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gantry.data import PreparedSet, open_prepared, prepare
from gantry.errors import UserError
from gantry.evaluation import features
from gantry.evaluation.attributes import AttributeReferee
from gantry.evaluation.captions import CaptionReferee
from gantry.evaluation.referee import ClassReferee
from gantry.evaluation.stored import StoredStatistics
from gantry.metrics.features import Features
from gantry.plan.dataset import DatasetSpec


class Pixels:
    """A feature network of means over pixels, which counts the images that it is shown."""

    name = "pixels"
    has_probabilities = False

    def __init__(self) -> None:
        self.seen = 0

    def extract(self, samples: Any) -> Features:
        self.seen += len(samples)
        pooled = np.asarray(samples, np.float32).reshape(len(samples), 8, 4, 8, 4, 3).mean((2, 4, 5))
        return Features(pooled.reshape(len(samples), 64), None)


@pytest.fixture(scope="module", params=["classes", "attributes"])
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreparedSet, Path]:
    """Digits with a part held out, and their statistics."""
    folder = tmp_path_factory.mktemp(request.param)
    options = {} if request.param == "classes" else {"attributes": ("even", "looped")}
    spec = DatasetSpec(title="d", source="digits", fraction=0.2, held_out=60, options=options)
    prepare(spec, "digits", folder, 32, folder / "data")
    out = folder / "statistics.npz"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(features, "load_feature_network", lambda *_: Pixels())
        features.store_real_statistics(folder / "data/manifest.json", "pixels", None, out, "cpu", 1)
    return open_prepared(folder / "data/manifest.json"), out


def referee_of(prepared: PreparedSet, network: Pixels, stored: StoredStatistics | None) -> Any:
    """The referee of the set's kind of labels."""
    kind = ClassReferee if prepared.labels is not None and prepared.labels.ndim == 1 else AttributeReferee
    return kind(prepared, network, stored)  # type: ignore[arg-type]


def accuracy(referee: Any) -> tuple[Any, int]:
    """How often a referee is right about real images that it has not seen."""
    found = referee.accuracy if isinstance(referee, ClassReferee) else referee.on_real
    return np.asarray(found[0]).tolist(), found[1]


def test_the_referee_is_the_same_and_the_network_sees_no_real_image_again(
    kept: tuple[PreparedSet, Path],
) -> None:
    prepared, path = kept
    computing, reading = Pixels(), Pixels()
    expected = accuracy(referee_of(prepared, computing, None))
    assert accuracy(referee_of(prepared, reading, StoredStatistics.load(path))) == expected
    assert computing.seen == len(prepared) + 60 and reading.seen == 0


@pytest.mark.parametrize("of", ["another network", "another set", "another held-out part"])
def test_statistics_of_anything_else_are_not_used(kept: tuple[PreparedSet, Path], of: str) -> None:
    prepared, path = kept
    stored, network = StoredStatistics.load(path), Pixels()
    changed = {
        "another network": {"network": "other"},
        "another set": {"digest": "0" * 64},
        "another held-out part": {"tested_digest": "0" * 64},
    }[of]
    told = SimpleNamespace(**(vars(stored) | changed))
    accuracy(referee_of(prepared, network, told))  # type: ignore[arg-type]
    assert network.seen == (60 if of == "another held-out part" else len(prepared) + 60)


def test_the_referee_of_captions_reads_them_too(kept: tuple[PreparedSet, Path]) -> None:
    prepared, path = kept
    if prepared.labels is None or prepared.labels.ndim != 2:
        with pytest.raises(UserError, match="has none"):
            CaptionReferee(prepared, Pixels(), StoredStatistics.load(path))
        return
    computing, reading = Pixels(), Pixels()
    plain = CaptionReferee(prepared, computing)
    stored = CaptionReferee(prepared, reading, StoredStatistics.load(path))
    assert computing.seen == len(prepared) and reading.seen == 0
    seen = Pixels().extract(prepared.samples).features.astype(np.float64)
    assert all(np.array_equal(plain.heads[a](seen), stored.heads[a](seen)) for a in plain.heads)

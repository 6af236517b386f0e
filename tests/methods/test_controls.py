"""Controls that must fail: labels of other samples, and noise in the place of unlabelled ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE, CPU

from gantry.data import PreparedSet, open_prepared, prepare
from gantry.data.batches import Batches
from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe

STACKED: dict[str, Any] = BASE | {"networks": {"family": "stackgan", "width": 2, "smallest": 8}}


def method_of(recipe: dict[str, Any], data: DataShape, **method: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(recipe | {"method": method}), data)


@pytest.fixture
def mixture(tmp_path: Path) -> PreparedSet:
    spec = DatasetSpec(title="", source="gaussian_grid", options={"count": 900})
    prepare(spec, "mixture", tmp_path, None, tmp_path / "out")
    return open_prepared(tmp_path / "out/manifest.json")


def of_batches(prepared: PreparedSet, method: Any, count: int = 112) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and labels of an epoch of batches of eight."""
    batches = Batches(prepared, 8, 0, CPU, stream=method.streams(prepared)["x"])
    drawn = [batches.next_with_all() for _ in range(count)]
    return torch.cat([batch["samples"] for batch in drawn]), torch.cat([batch["labels"] for batch in drawn])


def test_shuffled_labels_are_those_of_other_samples(mixture: PreparedSet) -> None:
    data = DataShape.of(mixture)
    own_x, own = of_batches(mixture, method_of(BASE, data, name="conditional"))
    x, other = of_batches(mixture, method_of(BASE, data, name="conditional", shuffled=True))
    assert torch.equal(own_x, x), "the samples, and their order, are what they were"
    agreeing = float((own == other).double().mean())
    assert abs(agreeing - 1 / 9) < 0.04, "they agree as often as chance has it"
    assert mixture.labels is not None
    stream = method_of(BASE, data, name="conditional", shuffled=True).streams(mixture)["x"]
    assert sorted(stream.labels().tolist()) == sorted(mixture.labels.tolist()), "none is lost"
    again = method_of(BASE, data, name="conditional", shuffled=True).streams(mixture)["x"]
    assert np.array_equal(stream.labels(), again.labels()), "drawn once for all runs"


def test_shuffled_captions_stay_whole(tmp_path: Path) -> None:
    options = {"attributes": ("even", "looped", "large"), "captions": 4}
    spec = DatasetSpec(title="", source="digits", fraction=0.05, held_out=10, options=options)
    prepare(spec, "digits", tmp_path, 32, tmp_path / "out")
    prepared = open_prepared(tmp_path / "out/manifest.json")
    assert prepared.labels is not None
    told = {"name": "stackgan_pp", "augmentation": 3, "width": 4, "captions": 2}
    stream = method_of(STACKED, DataShape.of(prepared), **told, shuffled=True).streams(prepared)["x"]
    assert stream.captions == 2 and stream.labels().shape == prepared.labels.shape
    rows = {label.tobytes() for label in prepared.labels}
    assert {label.tobytes() for label in stream.labels()} == rows
    assert not np.array_equal(stream.labels(), prepared.labels)
    assert method_of(STACKED, DataShape.of(prepared), **told).streams(prepared)["x"].labels is None


def test_labels_that_are_hidden_or_inferred_are_not_shuffled() -> None:
    for told in ({"name": "s3gan", "known": 9}, {"name": "s2gan", "known": 9, "features": "samples"}):
        with pytest.raises(ValidationError, match=r"shuffled: method .* take it away"):
            method_of(BASE, DataShape((2,), classes=9), **told, shuffled=True)


def test_with_noise_nothing_of_the_unlabelled_samples_is_seen() -> None:
    data = DataShape((2,), classes=9)
    for of, seen in (("noise", False), ("data", True)):
        method = method_of(BASE, data, name="semi_supervised", known=9, unlabelled_of=of).eval()
        for phase in ("discriminator", "generator"):
            torch.manual_seed(1)
            noise = method.draw(phase, 8, CPU)
            known = {"known": torch.randn(8, 2), "known_labels": torch.arange(8) % 9}
            losses = [
                method.loss(phase, Batch({"x": x} | known, None, noise)).item() for x in torch.randn(2, 8, 2)
            ]
            assert (losses[0] != losses[1]) is seen


def test_the_noise_is_uniform_and_drawn_after_the_latents() -> None:
    data = DataShape((3, 32, 32), classes=10)
    told = {"name": "semi_supervised", "known": 10}
    images = BASE | {"networks": {"family": "sngan", "width": 2}}
    drawn = []
    for of in ("data", "noise"):
        torch.manual_seed(3)
        drawn.append(method_of(images, data, **told, unlabelled_of=of).draw("discriminator", 64, CPU))
    assert torch.equal(drawn[0]["z"], drawn[1]["z"]) and set(drawn[0]) == {"z"}
    noise = drawn[1]["unlabelled"]
    assert noise.shape == (64, 3, 32, 32) and noise.min() >= -1 and noise.max() <= 1
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.var()) - 1 / 3) < 0.01

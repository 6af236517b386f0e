"""Separability and SIFID of samplers: what is scored is what they make, and labels are those of its images."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.methods.test_growing import RECIPE as GROWING
from tests.methods.test_singan import RECIPE as SINGAN
from tests.training.test_growing_runs import STYLES

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.asked import AskedScorer
from gantry.evaluation.sample import SCORED_SEED
from gantry.methods import build_method
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.features.embedded import classifier, to_side
from gantry.plan.recipe import Recipe


def sampler_of(told: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    method = build_method(Recipe.model_validate({"workload": ""} | told), DataShape((3, 32, 32)))
    return method.sampler(method.kept.eval())


def test_separability_is_of_the_latents_whose_images_are_judged() -> None:
    """Two classes by the first number of z: a plane in Z. The control, classes that no latent decides: 2 bits open."""
    sampler = sampler_of(STYLES | {"method": GROWING["method"] | {"first": 4}})
    count = 600
    z = sampler.inputs("G1", range(count), torch.Generator().manual_seed(SCORED_SEED))["z"].numpy()
    seen = 0

    def judging(side: np.ndarray) -> Any:
        def extract(images: np.ndarray) -> SimpleNamespace:
            nonlocal seen
            assert images.shape[1:] == (32, 32, 3) and images.dtype == np.uint8
            part = side[seen : seen + len(images)]
            seen += len(images)
            return SimpleNamespace(logits=np.column_stack([part, -part]).astype(np.float32))

        return SimpleNamespace(name="embedded", has_probabilities=True, extract=extract)

    prepared: Any = None
    found = AskedScorer(prepared, judging(z[:, 0])).separability(sampler, "G1", np.empty((count, 0)))
    assert found["separability_z"] == pytest.approx(1, abs=0.01) and seen == count
    seen = 0
    random = np.random.default_rng(0).standard_normal(count)
    found = AskedScorer(prepared, judging(random)).separability(sampler, "G1", np.empty((count, 0)))
    assert found["separability_z"] == pytest.approx(4, rel=0.1) and found["separability_w"] > 3


def test_sifid_is_of_the_picture_and_each_sample() -> None:
    sampler = sampler_of(SINGAN)
    torch.manual_seed(0)
    network = classifier(3)
    features = FeatureNetwork("embedded", to_side, network.get_submodule("body"), None)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    scorer = AskedScorer(SimpleNamespace(samples=pictures), features)  # type: ignore[arg-type]
    picture = pictures[sampler.picture]
    alike = scorer.sifid(sampler, "G1", np.stack([picture] * 3))["sifid"]
    half = scorer.sifid(sampler, "G1", np.stack([picture, picture // 4]))["sifid"]
    other = scorer.sifid(sampler, "G1", np.stack([picture // 4]))["sifid"]
    assert alike == pytest.approx(0, abs=1e-6) and other > 1e-4
    assert half == pytest.approx(other / 2, rel=1e-3, abs=1e-6)


def test_other_methods_are_told_so() -> None:
    prepared: Any = None
    scorer, singan = AskedScorer(prepared, None), sampler_of(SINGAN)
    with pytest.raises(UserError, match="separability is of methods with a W"):
        scorer.separability(singan, "G1", np.empty(0))
    with pytest.raises(UserError, match="sifid is of one picture"):
        scorer.sifid(singan, "G1", np.empty(0))

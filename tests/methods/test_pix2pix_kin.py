"""PLDT's two discriminators, and Pix2pixHD's coarse generator that learns first."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.translators import BASE, IMAGES, PAIRS, batch_for, method_of, numpy, softplus

from gantry.networks import build_translator
from gantry.plan.blocks.code_translators import CoarseToFineNetworks
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

PLDT = {"name": "pix2pix", "match": 0, "adversarial": 0.5, "output_adversarial": 0.5, "mismatched": True}
COARSE = {"family": "coarse_to_fine", "width": 4, "patch_width": 2, "patches": 1, "halvings": 1, "blocks": 1}
HD = {"name": "pix2pix", "adversarial": 1, "match": 10, "coarse": 2}


def test_pldts_losses_are_the_papers() -> None:
    """D of pairs takes another's target for generated; D of targets sees no pair; G's loss is the mean of both."""
    method, batch = method_of(PLDT), batch_for()
    x, y = batch.data["input"], batch.x
    there, others = method.translator(x), torch.cat([y[-1:], y[:-1]])
    of_pairs = [method.scales[0].discriminator(torch.cat([x, images], 1)) for images in (y, there, others)]
    of_targets = [method.of_outputs.discriminator(images) for images in (y, there)]
    expected = sum(softplus(-logits[0]).mean() for logits in (of_pairs, of_targets))
    expected += sum(softplus(logits).mean() for logits in (*of_pairs[1:], of_targets[1]))
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=1e-5)
    expected = 0.5 * (softplus(-of_pairs[1]).mean() + softplus(-of_targets[1]).mean())
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=1e-5)
    assert len(method.adversaries()) == 2


def pooled(images: torch.Tensor) -> Any:
    """Means of 3×3 pixels at every second place, of those that are there: a loop."""
    padded, (count, channels, side, _) = numpy(images), images.shape
    made = np.zeros((count, channels, side // 2, side // 2))
    for i in range(side // 2):
        for j in range(side // 2):
            rows, columns = slice(max(0, 2 * i - 1), 2 * i + 2), slice(max(0, 2 * j - 1), 2 * j + 2)
            made[:, :, i, j] = padded[:, :, rows, columns].mean((2, 3))
    return made


def test_the_coarse_part_learns_alone_at_half_the_size_and_the_fine_one_joins_it() -> None:
    method = method_of(HD, IMAGES, networks=COARSE, batch_size=4)
    batch, network = batch_for(IMAGES, 4), method.translator.network
    first, second = method.stages()
    assert (first.start, second.start) == (0, 2) and second.fresh
    before = None
    for stage, moves in ((first, {"features", "coarse_image"}), (second, {"features", "down", "refined"})):
        method.enter(stage)
        step = Step(method, method.recipe, torch.device("cpu"), stage, before)
        old = {name: value.clone() for name, value in network.state_dict().items()}
        for phase in ("discriminator", "generator"):
            step.update(phase, batch)
        moved = {
            name.partition(".")[0]
            for name, value in network.state_dict().items()
            if not torch.equal(value, old[name])
        }
        assert moved == moves
        before = step
    method.enter(first)
    x, y = (torch.from_numpy(pooled(images)).float() for images in (batch.data["input"], batch.x))
    there = network.coarse(x)
    assert there.shape == (4, 3, 16, 16)
    verdicts = method.scales[0].discriminator(torch.cat([x, there], 1))
    expected = 10 * np.abs(numpy(there) - numpy(y)).mean() + softplus(-verdicts).mean()
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=1e-4)


def test_the_coarse_generator_has_as_many_weights_as_published() -> None:
    """182,546,755 of 36 planes; the fine one by its layers: k7-32, k3s2-64, three blocks, k3s2-32, k7, biases all."""
    networks = CoarseToFineNetworks(family="coarse_to_fine")
    with torch.device("meta"):
        built: Any = build_translator(networks, (36, 256, 256), (3, 256, 256))
    count = lambda *parts: sum(w.numel() for part in parts for w in part.parameters())  # noqa: E731
    assert count(built.features, built.coarse_image) == 182_546_755
    fine = (49 * 36 * 32 + 32) + (9 * 32 * 64 + 64) + 6 * (9 * 64 * 64 + 64)
    fine += (9 * 64 * 32 + 32) + (49 * 32 * 3 + 3)
    assert count(built.down, built.refined) == fine


def test_what_cannot_be_is_refused() -> None:
    def recipe(networks: Any = BASE["networks"], size: int = 8, **method: Any) -> Any:
        told = {"method": {"name": "pix2pix"} | method, "networks": networks, "batch_size": size}
        return Recipe.model_validate(BASE | told)

    with pytest.raises(ValidationError, match="take coarse_to_fine, or coarse away"):
        recipe(coarse=4)
    with pytest.raises(ValidationError, match="warm_up does not go with it"):
        recipe(COARSE, coarse=4, warm_up=2)
    with pytest.raises(ValidationError, match="set sees: pair"):
        recipe(mismatched=True, sees="output")
    with pytest.raises(ValidationError, match="set batch_size: 2 or more"):
        recipe(mismatched=True, size=1)
    with pytest.raises(ValidationError, match="nothing is left to learn from"):
        recipe(match=0, adversarial=0)
    assert recipe(match=0, adversarial=0, output_adversarial=1).method.output_adversarial == 1
    told = {"method": HD | {"scales": 2}, "networks": COARSE | {"patches": 2}}
    seen = Recipe.model_validate(BASE | told)
    with pytest.raises(ValueError, match=r"last scale sees 8×8 pixels: patches 2: .* set patches: 1"):
        seen.method.check_workload(seen, 32, 4)
    seen.method.check_workload(seen, 64, 4)
    deep = CoarseToFineNetworks(family="coarse_to_fine", patches=2)
    assert "set halvings: 3" in (deep.obstacle(32) or "") and deep.obstacle(64) is None
    assert "set width: 8" in (CoarseToFineNetworks(family="coarse_to_fine", width=7).obstacle(64) or "")
    assert method_of(PLDT, PAIRS).phases[0].trains[-1].startswith("of_outputs")

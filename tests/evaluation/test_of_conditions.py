"""Scores of conditions, codes and heads: what they look at, and which methods have none of it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from scipy.stats import spearmanr
from tests.training.conftest import Lab

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation import conditions
from gantry.evaluation.asked import AskedScorer, asked_metrics
from gantry.evaluation.by_checkpoint import load_trained
from gantry.evaluation.sample import SCORED_SEED
from gantry.evaluation.sweeps import of_samples
from gantry.methods import build_method
from gantry.methods.sampler import Sampler
from gantry.plan.checks import _lacks
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe

S3GAN: dict[str, Any] = {
    "networks": {"family": "sngan", "width": 2},
    "objective": {"name": "hinge"},
    "latent": {"dimension": 4},
    "batch_size": 8,
    "method": {"name": "s3gan", "known": 10, "generator": "batch_norm", "rotation": {"generator": 0.2}},
}
SHAPE = DataShape((3, 32, 32), classes=10)


def built(told: dict[str, Any], shape: DataShape = SHAPE) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate({"workload": ""} | told), shape)


def sampler_of(told: dict[str, Any], shape: DataShape = SHAPE) -> Any:
    method = built(told, shape)
    return method.sampler(method.kept.eval())


def scorer_of(held_out: Any = None, network: Any = None) -> Any:
    prepared: Any = SimpleNamespace(held_out=lambda: held_out, name="digits_split")
    return AskedScorer(prepared, network)


class Part(SimpleNamespace):
    """A held-out part: `kind` and `samples`."""

    def __len__(self) -> int:
        return len(self.samples)


# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────


class Seeing(Sampler):
    """Says by which quarter an image whose left top corner was marked is turned; wrong about dark ones."""

    sources = ("G1",)

    def inputs(self, *_: Any) -> Any:
        raise AssertionError

    def sample(self, *_: Any) -> Any:
        raise AssertionError

    def tell_turns(self, samples: torch.Tensor) -> torch.Tensor:
        corners = torch.stack(
            [samples[:, 0, 0, 0], samples[:, 0, -1, 0], samples[:, 0, -1, -1], samples[:, 0, 0, -1]], 1
        )
        return corners


def test_turns_are_told_of_every_held_out_image_in_all_four_ways() -> None:
    images = np.full((6, 32, 32, 3), 10, np.uint8)
    images[:, 0, 0] = (
        200  # rot90 turns against the clock: it goes to the left bottom, right bottom, right top
    )
    held_out = Part(kind="images", samples=images)
    assert conditions.rotation(scorer_of(held_out), Seeing(), "G1", images) == {"rotation_accuracy": 1.0}
    images[:3] = 10
    images[:3, 0, -1] = 200  # said to be turned three quarters further than they are
    assert conditions.rotation(scorer_of(held_out), Seeing(), "G1", images) == {"rotation_accuracy": 0.5}


def test_the_head_that_learned_turns_tells_them(tmp_path: Path) -> None:
    """A checkpoint keeps it; one of before that is sampled as ever, and its accuracy is left out with a word."""
    lab = Lab.on_digits(tmp_path, every=2)
    run = lab.train("s3gan", 2, S3GAN)
    trained = load_trained(run)
    images = torch.rand(5, 3, 32, 32) * 2 - 1
    network = trained.sampler.discriminator  # type: ignore[attr-defined]
    with torch.no_grad():
        by_hand = network.rotation_head(network.body(images))
        torch.testing.assert_close(trained.sampler.tell_turns(images), by_hand)
    assert by_hand.shape == (5, 4) and "tell_turns" in trained.sampler.can
    before = {key: value for key, value in load_file(trained.path).items() if key.startswith("generator.")}
    with trained.path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        told = json.loads(stream.read(length))["__metadata__"]
    save_file(before, tmp_path / "old.safetensors", told)
    old = load_trained(tmp_path / "old.safetensors")
    assert "tell_turns" not in old.sampler.can
    inputs = old.sampler.inputs("G1", range(3), torch.Generator().manual_seed(0))
    torch.testing.assert_close(old.sampler.sample("G1", inputs), trained.sampler.sample("G1", inputs))


def test_a_checkpoint_without_the_head_leaves_the_number_out(capsys: pytest.CaptureFixture[str]) -> None:
    held_out = Part(kind="images", samples=np.zeros((1, 32, 32, 3), np.uint8))
    without = sampler_of(S3GAN | {"method": {"name": "s3gan", "known": 10}})
    assert conditions.rotation(scorer_of(held_out), without, "G1", np.empty(0)) == {}
    assert "rotation_accuracy is left out" in capsys.readouterr().err
    with pytest.raises(UserError, match="rotation_accuracy needs held-out images"):
        conditions.rotation(scorer_of(), without, "G1", np.empty(0))


def test_turns_at_random_are_drawn_for_every_step() -> None:
    method = built(S3GAN | {"method": S3GAN["method"] | {"rotation": {"at_random": True}}})
    noise = [method.draw("discriminator", 8, torch.device("cpu"))["turns"] for _ in range(200)]
    counts = torch.stack(noise).flatten().bincount(minlength=4).double()
    assert noise[0].shape == (16,) and (counts / counts.sum() - 0.25).abs().max() < 0.03
    assert "turns" not in built(S3GAN).draw("discriminator", 8, torch.device("cpu"))
    with pytest.raises(ValidationError, match="at_randon"):
        built(S3GAN | {"method": S3GAN["method"] | {"rotation": {"at_randon": True}}})


# ── diversity at one condition ────────────────────────────────────────────────────────────────────────

POINTS: dict[str, Any] = {
    "networks": {"family": "mlp", "width": 16, "depth": 2},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 8,
    "method": {"name": "conditional"},
}


def test_samples_of_one_condition_differ_in_their_noise_alone() -> None:
    sampler = sampler_of(POINTS, DataShape((2,), classes=9))
    given: list[dict[str, torch.Tensor]] = []
    made = sampler.sample

    def noted(source: str, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        given.append(inputs)
        found: torch.Tensor = made(source, inputs)
        return found

    sampler.sample = noted
    found = conditions.diversity(scorer_of(), sampler, "G1", np.empty(0))
    labels = torch.cat([inputs["labels"] for inputs in given]).view(32, 16)
    noise = torch.cat([inputs["z"] for inputs in given])
    assert (labels == labels[:, :1]).all() and labels[:, 0].tolist() == [k % 9 for k in range(32)]
    assert len(noise.unique(dim=0)) == 512
    points = made("G1", {"z": noise, "labels": labels.flatten()}).detach().view(32, 16, 2)
    pairs = torch.stack([torch.pdist(of_one) for of_one in points])
    assert found == {"caption_diversity_points": pytest.approx(float(pairs.mean()), rel=1e-5)}


def test_images_are_compared_by_features_of_length_1() -> None:
    sampler = sampler_of(S3GAN)
    network: Any = SimpleNamespace(
        extract=lambda images: SimpleNamespace(features=images.astype(np.float32).mean((1, 2)))
    )
    found = conditions.diversity(scorer_of(network=network), sampler, "G1", np.empty(0))["caption_diversity"]
    scaled: Any = SimpleNamespace(
        extract=lambda images: SimpleNamespace(features=7 * images.astype(np.float32).mean((1, 2)))
    )
    again = conditions.diversity(scorer_of(network=scaled), sampler, "G1", np.empty(0))["caption_diversity"]
    assert found == pytest.approx(again) and 0 < found < 2
    asked_nothing = sampler_of(POINTS | {"method": "adversarial"}, DataShape((2,)))
    with pytest.raises(UserError, match="caption_diversity is of samples that are asked for"):
        conditions.diversity(scorer_of(), asked_nothing, "G1", np.empty(0))


# ── continuous codes ──────────────────────────────────────────────────────────────────────────────────


def test_ranks_are_of_the_codes_that_samples_were_made_of() -> None:
    told = POINTS | {"method": {"name": "infogan", "categorical": [3], "continuous": 2}}
    sampler = sampler_of(told, DataShape((2,), classes=9))
    found = conditions.code(scorer_of(), sampler, "G1", np.empty((300, 0)))
    inputs = sampler.inputs("G1", range(300), torch.Generator().manual_seed(SCORED_SEED))
    with torch.no_grad():
        points = sampler.sample("G1", inputs)
        read, drawn, seen = (
            sampler.encode(points)[:, 3:].numpy(),
            inputs["code"][:, 3:].numpy(),
            points.numpy(),
        )
    assert found["code_rank"] == pytest.approx(
        np.mean([spearmanr(drawn[:, c], read[:, c]).statistic for c in range(2)])
    )
    of_codes = []
    for c in range(2):
        of_axes = [
            np.mean([abs(spearmanr(drawn[k::3, c], seen[k::3, axis]).statistic) for k in range(3)])
            for axis in range(2)
        ]
        of_codes.append(max(of_axes))
    assert found["code_rank_seen"] == pytest.approx(np.mean(of_codes))
    without = sampler_of(
        told | {"method": {"name": "infogan", "categorical": [3]}}, DataShape((2,), classes=9)
    )
    with pytest.raises(UserError, match="code_rank is of continuous codes"):
        conditions.code(scorer_of(), without, "G1", np.empty((30, 0)))


# ── colours of several sizes ──────────────────────────────────────────────────────────────────────────


def test_colours_are_compared_with_the_next_coarser_image_of_the_same_inputs() -> None:
    told = POINTS | {
        "networks": {"family": "stackgan", "width": 2, "smallest": 8},
        "method": {"name": "stackgan_pp", "augmentation": 3, "width": 4},
    }
    sampler = sampler_of(told)
    assert sampler.sources == ("G1", "16", "8")
    inputs = sampler.inputs("G1", range(40), torch.Generator().manual_seed(SCORED_SEED))
    for finer, coarser in (("G1", "16"), ("16", "8")):
        found = conditions.colours(scorer_of(), sampler, finer, np.empty((40, 0)))
        with torch.no_grad():
            fine, coarse = (sampler.sample(name, inputs).double().flatten(2) for name in (finer, coarser))
        apart = (fine.mean(2) - coarse.mean(2)).norm(dim=1).mean()
        assert found["colour_mean_gap"] == pytest.approx(float(apart)) and apart > 0
        of_each = [
            np.linalg.norm(np.cov(a, ddof=0) - np.cov(b, ddof=0))
            for a, b in zip(fine.numpy(), coarse.numpy(), strict=True)
        ]
        assert found["colour_covariance_gap"] == pytest.approx(np.mean(of_each))
    assert conditions.colours(scorer_of(), sampler, "8", np.empty((4, 0))) == {}, "nothing is coarser"
    with pytest.raises(UserError, match="colour_mean_gap and colour_covariance_gap are of images"):
        conditions.colours(scorer_of(), sampler_of(S3GAN), "G1", np.empty((4, 0)))


# ── the plan ──────────────────────────────────────────────────────────────────────────────────────────

DIGITS = DatasetSpec(title="", source="digits", held_out=300)


@pytest.mark.parametrize(
    ("name", "recipe", "spec", "said"),
    [
        ("rotation_accuracy", S3GAN, DIGITS, None),
        ("rotation_accuracy", S3GAN, DatasetSpec(title="", source="digits"), "holds none out"),
        (
            "rotation_accuracy",
            S3GAN | {"method": {"name": "s3gan", "known": 10}},
            DIGITS,
            "does not: take it",
        ),
        ("code_rank", S3GAN, DIGITS, "is of continuous codes"),
        ("code_rank_seen", POINTS | {"method": {"name": "infogan", "continuous": 1}}, DIGITS, None),
        ("caption_diversity", S3GAN, DIGITS, None),
        ("caption_diversity", POINTS | {"method": "adversarial"}, DIGITS, "asks them for none"),
        ("colour_mean_gap", S3GAN, DIGITS, "networks.family sngan makes one"),
    ],
)
def test_plans_refuse_what_a_method_does_not_have(
    name: str, recipe: dict[str, Any], spec: DatasetSpec, said: str | None
) -> None:
    found = _lacks(name, Recipe.model_validate({"workload": ""} | recipe), "digits", spec)
    assert found is None if said is None else found is not None and said in found


def test_what_is_of_the_networks_is_not_scored_again_in_a_sweep() -> None:
    names = ["saturated_share", "caption_diversity", "code_rank", "rotation_accuracy", "colour_mean_gap"]
    assert of_samples(names) == ["saturated_share"]
    assert asked_metrics(names) == names[1:]

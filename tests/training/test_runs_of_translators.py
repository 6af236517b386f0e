"""Translators in training: the same bits after an interruption and when replayed; scores; pictures of one's own."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.test_capture import Tapes

from gantry.cli import run
from gantry.data import open_prepared, prepare
from gantry.data.batches import Batches, Stream, Streams
from gantry.data.shape import DataShape
from gantry.evaluation.by_checkpoint import load_trained
from gantry.evaluation.features import store_real_statistics, train_classifier
from gantry.evaluation.sample import sampled
from gantry.evaluation.score import means_of_directions, score_run
from gantry.files import digest_of
from gantry.methods import Batch, build_method
from gantry.plan.dataset import DatasetSpec, InputsSpec
from gantry.plan.recipe import Recipe
from gantry.training import train as loop
from gantry.training.capture import CapturedStep
from gantry.training.step import Step
from gantry.watching import scores

POINTS = {"family": "mlp_translator", "width": 16, "depth": 2}
CYCLEGAN = {
    "method": {"name": "cyclegan", "pool": 40, "adversarial": 2},
    "networks": POINTS,
    "objective": {"name": "least_squares"},
    "optimiser": {"schedule": {"kind": "linear", "start": 6, "end": 24}},
    "batch_size": 8,
}
BALANCED = CYCLEGAN | {
    "method": {"name": "cyclegan", "feature_matching": 0.9, "balance": {"start": 4}},
    "objective": {"name": "wasserstein", "clip": 0.01},
    "optimiser": {"name": "rmsprop", "smoothing": 0.9},
}
PIX2PIX = CYCLEGAN | {"method": {"name": "pix2pix", "warm_up": 4}, "ema": 0.9}
STARGAN = CYCLEGAN | {
    "method": {"name": "stargan"},
    "objective": {"name": "wasserstein"},
    "terms": {"gradient_penalty": 10},
    "updates": {"discriminator": 2},
}
FADER = CYCLEGAN | {
    "method": {"name": "fader", "confusion": 0.1, "rise": 8},
    "networks": {"family": "mlp_codes", "width": 16, "depth": 2},
    "objective": {"name": "non_saturating"},
}
COMBOGAN = CYCLEGAN | {
    "method": {"name": "combogan", "domains": [0, 4, 8], "pool": 24},
    "networks": {"family": "mlp_codes", "width": 16, "depth": 2},
}
COGAN = CYCLEGAN | {
    "method": {"name": "cogan"},
    "networks": {"family": "mlp", "width": 16, "depth": 2, "maxout_depth": 2},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "ema": 0.9,
}
UNET = {"family": "unet", "width": 2, "patch_width": 2, "patches": 2}
COARSE_TO_FINE: dict[str, Any] = CYCLEGAN | {
    "method": {"name": "pix2pix", "coarse": 2},
    "networks": {
        "family": "coarse_to_fine",
        "width": 2,
        "patch_width": 2,
        "patches": 1,
        "halvings": 1,
        "blocks": 1,
        "fine_blocks": 1,
    },
    "batch_size": 2,
}
IMAGES = PIX2PIX | {"method": {"name": "pix2pix"}, "networks": UNET, "batch_size": 4, "flip": True}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of points, a part held out."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pairs")
    spec = DatasetSpec(title="pairs", source="gaussian_pair", options={"count": 400}, held_out=100)
    prepare(spec, "pairs", folder, None, folder / "data")
    return folder / "data/manifest.json"


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits and their edges, a part held out, with a classifier and statistics beside them."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("edges")
    inputs = InputsSpec(degradation="edges")
    spec = DatasetSpec(title="edges", source="digits", fraction=0.1, held_out=40, inputs=inputs)
    prepare(spec, "edges", folder, 32, folder / "data")
    manifest, classifier = folder / "data/manifest.json", folder / "classifier.safetensors"
    train_classifier([manifest], classifier)
    store_real_statistics(manifest, "embedded", classifier, folder / "statistics.npz", "cpu", 1)
    return manifest


def score(
    root: Path, manifest: Path, metrics: list[str], out: Path, end: int, **more: Any
) -> list[dict[str, str]]:
    folder = manifest.parent.parent
    of_images = (folder / "statistics.npz").exists()
    record = json.loads((root / f"record-{end}.json").read_text())
    scoring = {
        "metrics": metrics,
        "final_metrics": [],
        "samples": 40,
        "shown": 6,
        "features": "embedded" if of_images else None,
        "spec_digest": digest_of(record["spec"]),
    } | more
    score_run(
        root / f"record-{end}.json",
        manifest,
        scoring,
        after=0,
        statistics=folder / "statistics.npz" if of_images else None,
        weights=folder / "classifier.safetensors" if of_images else None,
        metrics_out=out / "metrics.csv",
        samples_out=out / "samples.npz",
    )
    with (out / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("recipe", "stops"),
    # In the filling (five batches of 8) and with the pool full; before and behind the end of the warm-up.
    [
        (CYCLEGAN, (3, 9)),
        (BALANCED, (3, 9)),
        (PIX2PIX, (3, 9)),
        (STARGAN, (5,)),
        (FADER, (5,)),
        (COMBOGAN, (3, 9)),
        (COGAN, (5,)),
    ],
    ids=["cyclegan", "balanced", "pix2pix", "stargan", "fader", "combogan", "cogan"],
)
def test_an_interrupted_run_ends_in_the_same_bits(
    lab: Any, tools: Any, stop_at: Callable[..., None], pairs: Path, recipe: Any, stops: tuple[int, ...]
) -> None:
    lab.manifest = pairs
    whole = tools.outcome(lab.train("whole", 12, recipe))
    stop_at(*stops)
    assert lab.train_through("stopped", 12, recipe) == len(stops)
    assert tools.outcome(lab.root("stopped")) == whole


def test_the_coarse_part_is_joined_after_an_interruption_as_without_one(
    lab: Any, tools: Any, stop_at: Callable[..., None], edges: Path
) -> None:
    """Stopped where the second stage begins, and one iteration into it: its moments are fresh once, and once only.

    The control: a border elsewhere ends in other bits, so that the border did count.
    """
    lab.manifest, lab.every = edges, 4
    whole = tools.outcome(lab.train("whole", 4, COARSE_TO_FINE))
    stop_at(2, 3)
    assert lab.train_through("stopped", 4, COARSE_TO_FINE) == 2
    assert tools.outcome(lab.root("stopped")) == whole
    later = COARSE_TO_FINE | {"method": COARSE_TO_FINE["method"] | {"coarse": 3}}
    assert tools.outcome(lab.train("later", 4, later))["checkpoints"] != whole["checkpoints"]


def test_the_pool_is_part_of_the_state(lab: Any, tools: Any, pairs: Path) -> None:
    """The control: without a pool the same seed ends elsewhere, so the pool above did count."""
    lab.manifest = pairs
    ends = [
        tools.outcome(lab.train(name, 12, recipe), state=False)["checkpoints"]
        for name, recipe in (
            ("pool", CYCLEGAN),
            ("none", CYCLEGAN | {"method": {"name": "cyclegan", "adversarial": 2}}),
        )
    ]
    assert ends[0] != ends[1]


@pytest.mark.parametrize("recipe", [CYCLEGAN, BALANCED, PIX2PIX], ids=["cyclegan", "balanced", "pix2pix"])
def test_replayed_steps_are_plain_ones(
    lab: Any, pairs: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any
) -> None:
    """The pool draws, fills and is full inside of the graph; the rehearsal before it leaves no image behind."""
    lab.manifest = pairs
    plain = lab.train("plain", 12, recipe)
    monkeypatch.setattr(
        loop,
        "build_step",
        lambda method, recipe, device, stage, before: CapturedStep(
            method, recipe, device, Tapes(), stage, before
        ),
    )
    replayed = lab.train("replayed", 12, recipe)
    histories = [
        [line.split(",")[:3] for line in next(root.rglob("history.csv")).read_text().splitlines()[1:]]
        for root in (plain, replayed)
    ]
    ours, theirs = (np.array(history, dtype=float) for history in histories)
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def test_points_are_scored_against_the_truth_and_the_domain_that_they_go_to(
    lab: Any, pairs: Path, tmp_path: Path
) -> None:
    lab.manifest = pairs
    metrics = ["modes_covered", "translation_error", "mode_information", "cycle_error", "cycle_error_noisy"]
    rows = score(lab.train("run", 6, CYCLEGAN), pairs, metrics, tmp_path, 6)
    found = {(row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
    sources = {source for source, _ in found}
    assert sources == {"a→b", "b→a", "identity", "identity b→a", "real", "real b→a"}, "and no mixture of them"
    for source in ("a→b", "b→a"):
        assert {name for at, name in found if at == source} >= set(metrics)
        assert found[source, "cycle_error"] != found[source, "cycle_error_noisy"]
    for row in ("real", "real b→a"):
        assert found[row, "modes_covered"] == 9 and found[row, "translation_error"] == 0
        assert ("cycle_error" not in {name for at, name in found if at == row}) and found[
            row, "mode_information"
        ] > 1.5
    assert found["identity", "translation_error"] > 1
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as shown:
        assert set(shown) == {"iterations", "real", "a→b", "b→a"} | {
            f"{what} {way}" for what in ("input", "back", "truth") for way in ("a→b", "b→a")
        }
        assert np.array_equal(shown["input a→b"][0], shown["truth b→a"][0])


@pytest.fixture(scope="module")
def of_images(edges: Path) -> Path:
    """A run of pix2pix on the digits' edges, to iteration 6."""
    root = edges.parent.parent / "edges" / "pix2pix" / "seed0"
    spec = {
        "recipe": IMAGES,
        "dataset": {"name": "edges", "resolution": 32},
        "seed": 0,
        "checkpoint_every": 6,
    }
    loop.train(root, spec, edges, 6, root / "record-6.json")
    return root


def test_translations_into_many_domains_are_scored_by_class(lab: Any, pairs: Path, tmp_path: Path) -> None:
    lab.manifest = pairs
    metrics = ["label_accuracy_points", "class_frechet_distance_points", "modes_covered"]
    rows = score(lab.train("run", 6, STARGAN), pairs, metrics, tmp_path, 6)
    found = {(row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
    assert {source for source, _ in found} == {"x→c", "identity", "real"}
    assert 0 <= found["x→c", "label_accuracy_points"] <= 1


def test_means_over_the_directions_stand_for_a_translator_between_many(
    lab: Any, pairs: Path, tmp_path: Path
) -> None:
    """By hand: six directions of three domains; one row of each kind for each metric, and no mixture of any."""
    lab.manifest = pairs
    root = lab.train("run", 6, COMBOGAN)
    rows = score(root, pairs, ["w2", "cycle_error"], tmp_path, 6, means_of_directions=True)
    found = {(row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
    assert len(found) == len(rows), "two rows of one source and metric"
    ways = [f"{a}→{b}" for a in (0, 4, 8) for b in (0, 4, 8) if a != b]
    kinds = ("identity", "real")
    assert {source for source, _ in found} == {
        "mean", *kinds, *ways, *(f"{kind} {way}" for kind in kinds for way in ways)
    }  # fmt: skip
    for metric in ("w2", "cycle_error"):
        assert found["mean", metric] == pytest.approx(np.mean([found[way, metric] for way in ways]))
    for kind in kinds:
        assert found[kind, "w2"] == pytest.approx(np.mean([found[f"{kind} {way}", "w2"] for way in ways]))
    assert len({round(found[way, "w2"], 6) for way in ways}) == 6, "or any of them would do"


def test_directions_between_classes_with_spaces_in_their_names_have_a_mean() -> None:
    ways = ["sea lion→cat", "cat→sea lion", "dog→cat"]
    rows = [(f"{kind}{way}", "w2", float(k), 9, "") for kind in ("", "real ") for k, way in enumerate(ways)]
    assert list(means_of_directions(rows, ways)) == [("mean", "w2", 1.0, 9, ""), ("real", "w2", 1.0, 9, "")]
    assert list(means_of_directions(rows[:2], ways[:2])) == [], "of two the first stands for the method"


def test_coupled_generators_are_scored_each_against_its_domain(lab: Any, pairs: Path, tmp_path: Path) -> None:
    """Shared layers survive checkpoint and average; there is no mixture of two domains."""
    lab.manifest = pairs
    rows = score(lab.train("run", 6, COGAN), pairs, ["coupling_ratio", "w2"], tmp_path, 6)
    found = {(row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
    assert {source for source, _ in found} == {"G1", "G2"}
    assert found["G1", "coupling_ratio"] == found["G2", "coupling_ratio"] > 0
    assert found["G1", "w2"] != found["G2", "w2"]


def test_images_are_scored_beside_rows_that_nobody_trained(
    of_images: Path, edges: Path, tmp_path: Path
) -> None:
    metrics = ["frechet_distance", "psnr", "ssim", "feature_distance"]
    rows = score(of_images, edges, metrics, tmp_path, 6)
    found = {(row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
    assert {source for source, _ in found} == {"a→b", "identity", "real"}
    assert found["real", "psnr"] == 100 and found["real", "ssim"] == pytest.approx(1)
    assert 0 < found["a→b", "feature_distance"] <= 4
    assert found["real", "frechet_distance"] < found["a→b", "frechet_distance"]


def test_those_who_watch_see_no_image_of_the_data_set(
    of_images: Path, edges: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs and truths are real images: pictures go to services elsewhere."""
    score(of_images, edges, ["psnr"], tmp_path, 6)
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as shown:
        assert {"input a→b", "truth a→b"} <= set(shown)
    seen = []

    class Watcher:
        def scalars(self, iteration: int, values: dict[str, float]) -> None: ...
        def picture(self, iteration: int, title: str, picture: Any) -> None:
            seen.append(title)

        def close(self) -> None: ...

    monkeypatch.setattr(scores, "open_watchers", lambda *_: Watcher())
    scores.tell_scores(
        ["wandb"], of_images / "record-6.json", tmp_path / "metrics.csv", tmp_path / "samples.npz"
    )
    assert seen == ["samples/a→b"]


def test_pictures_of_ones_own_are_translated_from_one_file(
    of_images: Path, edges: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = of_images.rglob("*.safetensors")
    lone = tmp_path / "lone.safetensors"
    lone.write_bytes(path.read_bytes())
    held_out = open_prepared(edges).held_out()
    assert held_out is not None and held_out.inputs is not None
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.array(held_out.inputs[number])).save(folder / f"{number}.png")
    wide = Image.fromarray(np.pad(np.array(held_out.inputs[0]), ((0, 0), (9, 9), (0, 0))))
    wide.save(tmp_path / "0.png")  # its centred square is the first of the folder
    out = tmp_path / "out"
    assert run(["translate", str(lone), str(folder), str(tmp_path / "0.png"), "--out", str(out)]) == 0
    made = {file.name: np.asarray(Image.open(file)) for file in sorted(out.iterdir())}
    assert set(made) == {"0.png", "1.png", "2.png", "0-2.png"}
    sampler = load_trained(lone).sampler
    expected = sampled(sampler, "a→b", 3, 0, torch.device("cpu"), held_out)
    for number in range(3):
        assert np.abs(made[f"{number}.png"].astype(int) - expected[number]).max() <= 1
    assert np.array_equal(made["0.png"], made["0-2.png"])
    assert "4 images, a→b" in capsys.readouterr().out


def test_what_cannot_be_translated_is_refused_in_one_sentence(
    of_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.png").write_bytes(b"no picture")
    for arguments, message in (
        (["--to", "c", str(tmp_path / "no.png")], "--to: there is no domain 'c'"),
        ([str(tmp_path / "no.png")], "no.png: the image cannot be read"),
        ([str(tmp_path / "nowhere.png")], "nowhere.png: No such file or directory; give files or folders"),
    ):
        assert run(["translate", str(of_images), "--out", str(tmp_path / "o"), *arguments]) == 2
        said = capsys.readouterr().err
        assert message in said and "Traceback" not in said
    assert run(["sample", str(of_images), "--out", str(tmp_path / "s.png")]) == 2
    assert "gantry translate" in capsys.readouterr().err


def test_a_pair_is_mirrored_together(edges: Path) -> None:
    """Pairs whose images and inputs are equal stay equal under `flip`, which mirrors about half of them."""
    prepared = open_prepared(edges)
    same = replace(prepared, inputs=prepared.samples)
    batch = Batches(same, 60, 0, "cpu", flip=True, stream=Stream(beside=("inputs",))).next_with_all()
    assert torch.equal(batch["samples"], batch["inputs"])
    plain = Batches(same, 60, 0, "cpu", flip=False, stream=Stream(beside=("inputs",))).next_with_all()
    mirrored = (batch["samples"] != plain["samples"]).flatten(1).any(1)
    assert torch.equal(batch["samples"][mirrored], plain["samples"][mirrored].flip(3))
    assert 15 <= int(mirrored.sum()) <= 45


def test_the_discriminator_learns_which_pairs_belong_together(pairs: Path) -> None:
    """On held-out pairs: verdicts are in favour of the true target, and one that sees outputs alone cannot tell."""
    prepared = open_prepared(pairs)
    held_out = prepared.held_out()
    assert held_out is not None and held_out.inputs is not None
    x, y = (torch.from_numpy(np.array(samples)) for samples in (held_out.inputs, held_out.samples))
    share = {}
    for sees in ("pair", "output"):
        # Without L1 the translator's outputs are bad pairs for long enough.
        told = {"name": "pix2pix", "sees": sees, "match": 1.0e-3}
        recipe = Recipe.model_validate(
            {
                "workload": "",
                "method": told,
                "networks": POINTS | {"width": 32},
                "objective": {"name": "non_saturating"},
                "optimiser": {"lr_g": 1e-3, "lr_d": 1e-3},
                "batch_size": 50,
            }
        )
        torch.manual_seed(0)
        method = build_method(recipe, DataShape.of(prepared)).train()
        step = Step(method, recipe, torch.device("cpu"))
        batches = Streams(prepared, method.streams(prepared), 50, 0, "cpu")
        for _ in range(120):
            for phase in ("discriminator", "generator"):
                data, labels = batches.next()
                step.update(phase, Batch(data, labels))
        own, others = (
            method.scales[0].discriminator(method.seen(x, images, 0)) for images in (y, y.roll(1, 0))
        )
        share[sees] = (own > others).float().mean().item()
    assert share["pair"] > 0.7, share
    assert abs(share["output"] - 0.5) < 0.15, share

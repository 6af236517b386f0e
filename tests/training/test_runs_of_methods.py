"""Runs with labels or encoders: interrupted they end in the same bits, hidden labels change nothing, scores come."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gantry import cli
from gantry.data import open_prepared, prepare
from gantry.errors import UserError
from gantry.evaluation.score import score_run
from gantry.files import digest_of
from gantry.methods import inferred, s3gan, semi_supervised, triple_gan
from gantry.methods.labelled import known_rows
from gantry.networks.turns import TurnNetwork
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe
from gantry.runs.outputs import record_of, recorded
from gantry.runs.paths import labels_name
from gantry.terms.rotation import turned

MLP = {"family": "mlp", "width": 16, "depth": 2}
PROJECTION = {
    "method": {"name": "conditional", "generator": "batch_norm", "discriminator": "projection"},
    "networks": MLP,
    "objective": {"name": "hinge"},
    "latent": {"dimension": 4},
    "batch_size": 8,
    "ema": 0.9,
}
SEMI = PROJECTION | {
    "method": {"name": "semi_supervised", "known": 18},
    "objective": {"name": "non_saturating"},
}
TRIPLE = SEMI | {"method": {"name": "triple_gan", "known": 18, "pseudo_from": 4}}
S2GAN = PROJECTION | {
    "method": {"name": "s2gan", "discriminator": "projection", "known": 18, "features": "samples"}
}
CLUSTERS = PROJECTION | {
    "method": {"name": "s2gan", "discriminator": "projection", "clusters": 9, "features": "samples"}
}
S2GAN_CO = PROJECTION | {"method": {"name": "s3gan", "known": 18}}
VAEGAN = SEMI | {"method": {"name": "vaegan"}, "optimiser": {"name": "adam", "lr_g": 1.0e-3}}
REGRESSOR = SEMI | {"method": {"name": "latent_regressor"}}
SSGAN = PROJECTION | {
    "method": {"name": "ssgan", "joint_from": 7, "joint_rate": 0.1},
    "objective": {"name": "non_saturating"},
}
ICGAN = PROJECTION | {
    "method": {"name": "icgan", "encoders_from": 5},
    "objective": {"name": "non_saturating"},
}
STACKED = ICGAN | {
    "method": {"name": "stacked", "features": 8, "width": 8, "noise": 4, "levels_from": 2, "joint_from": 7}
}
LOCAL_PAIRS = ICGAN | {"method": {"name": "local_pairs", "pairs": 2}}
INFOGAN = SEMI | {"method": {"name": "infogan", "categorical": [9], "continuous": 1}}


@pytest.mark.parametrize(
    "recipe",
    [PROJECTION, SEMI, INFOGAN, TRIPLE, SSGAN, ICGAN, STACKED, LOCAL_PAIRS, S2GAN],
    ids=[
        "projection",
        "semi-supervised",
        "infogan",
        "three players",
        "structures",
        "icgan",
        "stacked",
        "local pairs",
        "inferred labels",
    ],
)
def test_an_interrupted_run_ends_in_the_same_bits(
    lab: Any, tools: Any, stop_at: Callable[..., None], recipe: dict[str, Any]
) -> None:
    whole = tools.outcome(lab.train("whole", 12, recipe))
    stop_at(3, 9)
    assert lab.train_through("stopped", 12, recipe) == 2
    assert tools.outcome(lab.root("stopped")) == whole


def poisoned(manifest: Path, folder: Path, rows: np.ndarray) -> Path:
    """A copy of a prepared set with the next class's label in these rows."""
    copy = folder / "poisoned"
    shutil.copytree(manifest.parent, copy)
    labels = np.load(copy / "labels.npy", allow_pickle=False)
    labels[rows] = (labels[rows] + 1) % 9
    np.save(copy / "labels.npy", labels)
    described = json.loads(manifest.read_text())
    described.pop("labels_digest", None)
    (copy / "manifest.json").write_text(json.dumps(described))
    return copy / "manifest.json"


@pytest.mark.parametrize(
    ("of", "recipe"),
    [(semi_supervised, SEMI), (triple_gan, TRIPLE), (s3gan, S2GAN_CO), (inferred, S2GAN)],
)
def test_hidden_labels_leave_every_bit_alone_and_known_ones_do_not(
    lab: Any, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: Any, recipe: dict[str, Any]
) -> None:
    known = known_rows(open_prepared(lab.manifest), 18, 0)
    # Which rows are known depends on all labels; here the same ones stay known.
    monkeypatch.setattr(of, "known_rows", lambda *_: known)
    hidden = np.setdiff1d(np.arange(400), known)

    def checkpoints(name: str, rows: np.ndarray | None) -> Any:
        if rows is not None:
            lab.manifest = poisoned(clean, tmp_path / name, rows)
        return tools.outcome(lab.train(name, 6, recipe), state=False)["checkpoints"]

    clean = lab.manifest
    before = checkpoints("clean", None)
    assert checkpoints("hidden", hidden) == before
    assert checkpoints("known", known) != before


def test_clusters_read_no_label(lab: Any, tools: Any, tmp_path: Path) -> None:
    checkpoints = tools.outcome(lab.train("clean", 6, CLUSTERS), state=False)["checkpoints"]
    lab.manifest = poisoned(lab.manifest, tmp_path / "all", np.arange(400))
    assert tools.outcome(lab.train("poisoned", 6, CLUSTERS), state=False)["checkpoints"] == checkpoints


def test_labels_made_beforehand_are_those_made_on_the_way_and_others_are_refused_on_resume(
    lab: Any, tools: Any
) -> None:
    told = {"known": 18, "labels_seed": 0, "features": "samples"}
    on_the_way = tools.outcome(lab.train("alone", 6, S2GAN))
    file = lab.manifest.parent / labels_name(told)
    labels, record = np.load(file, allow_pickle=False), json.loads(record_of(file).read_text())
    true = np.load(lab.manifest.parent / "labels.npy", allow_pickle=False)
    assert record["facts"]["right"] > 0.98, "points of nine modes, two labels each"
    assert record["facts"]["of"] == 382
    assert (labels != true).sum() == round((1 - record["facts"]["right"]) * 382)
    file.unlink()
    command = ["label", "--data", str(lab.manifest), "--told", json.dumps(told), "--out", str(file)]
    assert cli.run(command) == 0
    assert (np.load(file, allow_pickle=False) == labels).all()
    assert tools.outcome(lab.train("beforehand", 6, S2GAN)) == on_the_way

    with recorded([file], [lab.manifest], digest_of(told)) as facts:
        facts |= record["facts"]
        np.save(file, np.roll(labels, 1))
    with pytest.raises(UserError, match="another labels"):
        lab.train("alone", 12, S2GAN)


def test_a_network_of_turns_learns_them_and_leaves_randomness_alone(tmp_path: Path) -> None:
    options = {"image": "flower", "count": 64, "smallest": 48, "largest": 192, "seed": 0}
    spec = DatasetSpec(title="flower", source="photograph", options=options)
    prepare(spec, "flower", tmp_path / "data", 32, tmp_path / "data")
    prepared = open_prepared(tmp_path / "data/manifest.json")
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    told = {"clusters": 4, "labels_seed": 0, "features": "rotation", "pretraining": 3}
    labels = inferred.inferred_labels(prepared, told)
    assert (torch.random.get_rng_state() == before).all()
    assert labels.shape == (64,)
    assert set(labels) == set(range(4))
    (record,) = tmp_path.glob("data/labels-*.record.json")
    assert "purity" not in json.loads(record.read_text())["facts"], "nobody knows: the set has no labels"

    bright = torch.linspace(-1, 1, 16).view(1, 1, 16, 1).expand(32, 3, 16, 16) + 0.1 * torch.randn(
        32, 3, 16, 16
    )
    network, turns = TurnNetwork(3, 4), torch.arange(4).repeat_interleave(32)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    seen = torch.cat([bright, turned(bright)])
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(seen), turns).backward()
        optimiser.step()
    assert (network(seen).argmax(1) == turns).float().mean() > 0.95


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"known": None}, "give one of the two"),
        ({"clusters": 3}, "give one of the two"),
        ({"features": "rotation"}, "these are points"),
    ],
)
def test_what_labels_cannot_be_inferred_from_is_refused(method: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate({"workload": ""} | S2GAN | {"method": S2GAN["method"] | method})


def test_samples_are_scored_against_what_they_were_asked_for(lab: Any, tmp_path: Path) -> None:
    out = tmp_path / "halved"
    options = {"count": 400, "seed": 0, "side": 3, "spacing": 2.0, "variance": 0.05}
    spec = DatasetSpec(title="points", source="gaussian_grid", options=options, held_out=100)
    prepare(spec, "points", out, None, out)
    lab.manifest = out / "manifest.json"
    for name, recipe, metrics in (
        (
            "projection",
            PROJECTION,
            ["label_accuracy_points", "class_frechet_distance_points", "modes_covered"],
        ),
        ("infogan", INFOGAN, ["code_purity_points", "information_bound"]),
        ("semi", SEMI, ["test_error", "modes_covered"]),
        ("ssgan", SSGAN | {"method": {"name": "ssgan"}}, ["structure_error", "structure_ratio", "js"]),
        ("icgan", ICGAN, ["label_accuracy_points", "reconstruction_ratio", "latent_error", "latent_ratio"]),
        ("stacked", STACKED, ["label_accuracy_points", "within_class_spread_points"]),
        ("local pairs", LOCAL_PAIRS, ["modes_covered", "js"]),
        ("vaegan", VAEGAN, ["reconstruction_error", "reconstruction_ratio", "js"]),
    ):
        root = lab.train(name, 6, recipe)
        record = json.loads((root / "record-6.json").read_text())
        scoring = {
            "metrics": metrics,
            "final_metrics": [],
            "samples": 90,
            "shown": 18,
            "features": None,
            "spec_digest": digest_of(record["spec"]),
        }
        files = {"metrics_out": tmp_path / f"{name}.csv", "samples_out": tmp_path / f"{name}.npz"}
        score_run(
            root / "record-6.json", lab.manifest, scoring, after=0, statistics=None, weights=None, **files
        )
        with files["metrics_out"].open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        found = {row["metric"]: float(row["value"]) for row in rows if row["sampled_from"] == "G1"}
        assert found.keys() >= set(metrics)
        if name == "projection":
            (real,) = [row for row in rows if row["sampled_from"] == "real"]
            assert float(real["value"]) > 0.99, "the referee knows real points"
            assert 0 <= found["label_accuracy_points"] <= 1
        if name == "infogan":
            assert found["information_bound"] <= np.log(9) + np.log(2) - 0.5 * np.log(2 * np.pi) + 1e-6
        if name == "semi":
            assert 0 <= found["test_error"] <= 1

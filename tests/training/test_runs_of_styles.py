"""Runs with codes and styles: the same bits after an interruption, scores, several styles of a picture of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.test_capture import Tapes
from tests.training.test_runs_of_translators import edges, pairs, score

from gantry.cli import run
from gantry.data import open_prepared, prepare
from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import load_trained
from gantry.evaluation.coded import diversity, domains_told_apart, pairs_of_codes, recovery
from gantry.evaluation.translated import Translated
from gantry.evaluation.translating import styles_of
from gantry.plan.dataset import DatasetSpec
from gantry.training import train as loop
from gantry.training.capture import CapturedStep

__all__ = ["edges", "pairs"]
CODES = {"family": "mlp_autoencoders", "width": 16, "depth": 3, "shared": 2, "code": 3}
DRIT = {
    "method": {
        "name": "latent_translation",
        "styles": "both",
        "cycle": 10,
        "style_recovery": 10,
        "style_prior": 0.01,
        "confusion": {"form": "half", "updates": 2},
    },
    "networks": CODES | {"style": 2, "gaussian": True},
    "objective": {"name": "non_saturating"},
    "optimiser": {"lr": {"codes": 4.0e-5}, "schedule": {"kind": "linear", "start": 6, "end": 24}},
    "batch_size": 8,
}
BICYCLE = DRIT | {
    "method": {"name": "bicyclegan"},
    "networks": {"family": "mlp_style_translator", "width": 16},
    "objective": {"name": "least_squares"},
    "optimiser": {},
    "ema": 0.9,
}
UNET = {"family": "style_unet", "width": 2, "patch_width": 2, "patches": 2, "style": 3}


@pytest.mark.parametrize("recipe", [DRIT, BICYCLE], ids=["drit", "bicyclegan"])
def test_an_interrupted_run_ends_in_the_same_bits(
    lab: Any, tools: Any, stop_at: Callable[..., None], pairs: Path, recipe: Any
) -> None:
    lab.manifest = pairs
    whole = tools.outcome(lab.train("whole", 12, recipe))
    stop_at(3)
    assert lab.train_through("stopped", 12, recipe) == 1
    assert tools.outcome(lab.root("stopped")) == whole


def test_replayed_steps_are_plain_ones(lab: Any, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three phases: every draw of styles lies outside of the graph, the journeys lie inside."""
    lab.manifest = pairs
    roots = [lab.train("plain", 6, DRIT)]
    monkeypatch.setattr(
        loop,
        "build_step",
        lambda method, recipe, device, stage, before: CapturedStep(
            method, recipe, device, Tapes(), stage, before
        ),
    )
    roots.append(lab.train("replayed", 6, DRIT))
    ours, theirs = (
        [line.split(",")[:4] for line in next(root.rglob("history.csv")).read_text().splitlines()[1:]]
        for root in roots
    )
    assert np.array(ours, float) == pytest.approx(np.array(theirs, float), rel=1e-4, abs=1e-5)


def test_codes_and_styles_are_scored(lab: Any, pairs: Path, tmp_path: Path) -> None:
    lab.manifest = pairs
    of_styles = ["style_diversity_points", "style_recovery_ratio"]
    for name, recipe, sources, metrics in (
        ("drit", DRIT, {"a→b", "b→a"}, [*of_styles, "domain_accuracy", "code_ratio", "cycle_error"]),
        ("bicyclegan", BICYCLE, {"a→b"}, of_styles),
    ):
        rows = score(lab.train(name, 6, recipe), pairs, metrics, tmp_path, 6)
        found = {(row["sampled_from"], row["metric"]): float(row["value"]) for row in rows}
        for source in sources:
            assert {metric for at, metric in found if at == source} >= set(metrics)
            assert 0 <= found[source, "style_diversity_points"] < 1
            assert found[source, "style_recovery_ratio"] == pytest.approx(1, abs=0.3), (
                "nothing is learned yet"
            )
        assert not {metric for at, metric in found if at == "real"} & set(metrics)
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as shown:
        assert shown["a→b"].shape == (1, 6, 2)


class Exact:
    """A sampler whose code is the point, turned back where it is `turned`; a style is added to what comes out."""

    sources = ("a→b", "b→a")
    can = frozenset({"translate_in_style", "code_of", "translate"})
    device = "cpu"

    def __init__(self, heeds: float, turned: bool) -> None:
        self.heeds = heeds
        self.turned = turned

    def origin(self, source: str) -> str:
        return "inputs" if source == "a→b" else "samples"

    def reference(self, source: str) -> str:
        return "samples" if source == "a→b" else "inputs"

    def draw_styles(self, count: int, randomness: Any) -> Any:
        return torch.randn(count, 2, generator=randomness)

    def translate_in_style(self, source: str, samples: Any, styles: Any) -> Any:
        return samples + self.heeds * styles

    def sample(self, source: str, inputs: Any) -> Any:
        return self.translate_in_style(source, inputs["x"], inputs["z"])

    def style_of(self, source: str, samples: Any) -> Any:
        return samples / max(self.heeds, 1e-9) if self.heeds else samples

    def code_of(self, source: str, samples: Any) -> Any:
        if source == "a→b":
            return samples
        if not self.turned:
            return samples + 6
        angle = -np.pi / 6  # back to where the inputs are
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return (samples - 1) @ torch.tensor(matrix.T, dtype=samples.dtype)


def test_scores_of_codes_and_styles_know_the_extremes(pairs: Path) -> None:
    """Of a sampler that knows the truth, and of ones that heed no style, or code each domain in its own way."""
    prepared = open_prepared(pairs)

    def of(sampler: Exact, source: str = "a→b") -> Translated:
        return Translated(sampler, source, np.zeros((1, 2)), prepared, None)  # type: ignore[arg-type]

    assert diversity(of(Exact(0, True)))["style_diversity_points"] == 0
    # Two styles are √2·√2·h apart, two real points √2·σ of the whole set: the ratio is h / σ, per coordinate.
    spread = prepared.held_out().samples.std(0)  # type: ignore[union-attr]
    expected = 0.5 * np.sqrt(2) / np.sqrt(np.square(spread).sum())
    assert diversity(of(Exact(0.5, True)))["style_diversity_points"] == pytest.approx(expected, rel=0.15)
    assert recovery(of(Exact(1000, True)))["style_recovery_ratio"] < 0.01
    assert recovery(of(Exact(0, True)))["style_recovery_ratio"] == pytest.approx(1, abs=0.15)
    for turned, code_ratio, accuracy in ((True, (0, 1e-5), (0.3, 0.65)), (False, (0.5, 2), (0.95, 1))):
        low, high = code_ratio
        assert low <= pairs_of_codes(of(Exact(1, turned)))["code_ratio"] <= high
        low, high = accuracy
        assert low <= domains_told_apart(of(Exact(1, turned)))["domain_accuracy"] <= high


def test_the_split_mixture_is_the_merged_one_the_other_way(tmp_path: Path) -> None:
    sets = []
    for swapped in (0, 1):
        spec = DatasetSpec(
            title="pairs", source="gaussian_pair", options={"count": 60, "merged": 1, "swapped": swapped}
        )
        prepare(spec, "pairs", tmp_path, None, tmp_path / str(swapped))
        sets.append(open_prepared(tmp_path / str(swapped) / "manifest.json"))
    merged, split = sets
    assert np.array_equal(merged.samples, split.inputs) and np.array_equal(merged.inputs, split.samples)
    assert (len(merged.manifest["means"]), len(split.manifest["means"])) == (3, 9)
    assert split.manifest["inputs_means"] == merged.manifest["means"]


def test_a_picture_of_ones_own_in_several_styles(
    edges: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = BICYCLE | {"networks": UNET, "batch_size": 4}
    root = tmp_path / "edges" / "bicyclegan" / "seed0"
    dataset = {"name": "edges", "resolution": 32}
    spec = {"recipe": recipe, "dataset": dataset, "seed": 0, "checkpoint_every": 2}
    loop.train(root, spec, edges, 2, root / "record-2.json")
    held_out = open_prepared(edges).held_out()
    assert held_out is not None and held_out.inputs is not None
    mine, out = tmp_path / "mine.png", tmp_path / "out"
    Image.fromarray(np.array(held_out.inputs[0])).save(mine)
    asked = ["translate", str(root), str(mine), "--out"]
    assert run([*asked, str(out), "--styles", "3", "--seed", "1"]) == 0
    assert "3 images, a→b" in capsys.readouterr().out
    made = {path.name: np.asarray(Image.open(path)) for path in sorted(out.iterdir())}
    assert set(made) == {f"mine-style{number}.png" for number in (1, 2, 3)}
    assert not np.array_equal(made["mine-style1.png"], made["mine-style2.png"])
    for seed, same in (("1", True), ("2", False)):
        assert run([*asked, str(tmp_path / seed), "--styles", "1", "--seed", seed]) == 0
        again = np.asarray(Image.open(tmp_path / seed / "mine-style1.png"))
        assert np.array_equal(again, made["mine-style1.png"]) == same
    assert run([*asked, str(tmp_path / "mean")]) == 0
    assert (tmp_path / "mean" / "mine.png").exists()
    assert load_trained(root).sampler.can >= {"translate", "translate_in_style"}


def test_styles_of_a_translator_without_any_are_refused(pairs: Path, tmp_path: Path) -> None:
    recipe = DRIT | {"method": {"name": "latent_translation"}, "networks": CODES, "optimiser": {}}
    dataset = {"name": "pairs", "resolution": None}
    root = tmp_path / "pairs" / "unit" / "seed0"
    spec = {"recipe": recipe, "dataset": dataset, "seed": 0, "checkpoint_every": 2}
    loop.train(root, spec, pairs, 2, root / "record-2.json")
    trained = load_trained(root)
    with pytest.raises(UserError, match=r"--styles: .* has no styles to draw: take --styles away"):
        styles_of(trained, 3, 0)
    assert styles_of(trained, None, 0) is None

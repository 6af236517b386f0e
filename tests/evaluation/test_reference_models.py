"""The models in results/reference/models: each loads by its card's lines, and makes and scores what the card says."""

import contextlib
import json
import re
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.shipped import REPOSITORY

from gantry.evaluation.by_checkpoint import picture_of
from gantry.evaluation.sample import to_uint8
from gantry.metrics.modes import mode_statistics

MODELS = REPOSITORY / "results/reference/models"
NAMES = ("bcgan-digits", "bcgan-mixture", "realnessgan-mixture")
NINE_MODES = np.array(list(product((-2.0, 0.0, 2.0), repeat=2)))  # of workflow/datasets.yaml
VARIANCE = 0.05
LARGEST = 6_000_000  # bytes, of all models


def ran(folder: Path) -> dict[str, Any]:
    """What the card's lines leave behind, with the inputs of the picture."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    as_in_picture = re.sub(r"(?m)^given\[.*\n", "", code)
    assert as_in_picture != code and len([line for line in code.splitlines() if line]) <= 10
    names: dict[str, Any] = {}
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder):
            exec(as_in_picture, names)  # noqa: S102 (of this repository)
    finally:
        sys.path.remove(str(folder))
    names["generator"] = sys.modules.pop("generator")
    return names


def test_there_are_three_small_ones() -> None:
    assert tuple(sorted(path.name for path in MODELS.iterdir() if path.is_dir())) == NAMES
    assert sum(path.stat().st_size for path in MODELS.rglob("*")) < LARGEST
    page = (MODELS / "README.md").read_text()
    assert all(f"]({name}/README.md)" in page for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_loads_its_model_which_makes_and_scores_what_the_card_says(name: str) -> None:
    folder = MODELS / name
    names, card = ran(folder), (folder / "README.md").read_text()
    told = json.loads((folder / "config.json").read_text())
    made = {}
    for source, function in told["functions"].items():
        made[source] = getattr(names["generator"], function)(names["weights"], **names["given"])
        numbers, check = made[source].double(), told["check"][function]
        found = (float(numbers.mean()), float(numbers.std()))
        assert found == pytest.approx((check["mean"], check["deviation"]), abs=1e-4)
        assert f"of `{function}` mean {check['mean']:.6f}, deviation {check['deviation']:.6f}" in card
    if name.endswith("digits"):
        images = np.empty((64, 32, 32, 3), dtype=np.uint8)
        for start, of_one in enumerate(made.values()):
            images[start :: len(made)] = to_uint8(of_one)[start :: len(made)].numpy()
        kept = np.asarray(Image.open(folder / "samples.png").convert("RGB"), dtype=float)
        assert np.abs(kept - picture_of([images])).mean() < 1
        assert kept.std() > 50, "digits on black, not grey"
        return
    for source, points in made.items():  # of 400 points; the card's are of 2,000 others
        found_modes = mode_statistics(points.numpy(), NINE_MODES, VARIANCE)
        assert found_modes.within == pytest.approx(score(card, "share_within_3_sigma", source), abs=0.08)


def score(card: str, metric: str, of: str) -> float:
    """A number of the card's table."""
    from gantry.metrics.names import label

    (value,) = re.findall(rf"\| {re.escape(label(metric, ''))} \| ([-\d.e]+) \| {of} \|", card)
    return float(value)

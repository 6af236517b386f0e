"""Two processes are told of the halves of the batches, with labels and captions, that one process is told of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.conftest import Lab
from tests.training.test_distributed import SIZE, members

from gantry.data import prepare
from gantry.methods.batch import Batch
from gantry.plan.dataset import DatasetSpec
from gantry.training import train as loop

ROWS, CAPTIONS, UNTIL = 44, 5, 6
RECIPE: dict[str, Any] = {
    "networks": {"family": "mlp", "width": 8, "depth": 2},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 8,
}


def captions(folder: Path) -> DatasetSpec:
    """Points whose five vectors say which row they are of, and which of its vectors."""
    rows = np.arange(ROWS)
    np.save(folder / "points.npy", np.stack([rows, -rows], 1).astype(np.float32))
    vectors = np.stack([np.stack([rows, np.full(ROWS, number)], 1) for number in range(CAPTIONS)], 1)
    np.save(folder / "captions.npy", vectors.astype(np.float32))
    return DatasetSpec(
        title="", source="array", path="points.npy", held_out=4, options={"vectors": "captions.npy"}
    )


def classes(folder: Path) -> DatasetSpec:
    """Points whose class is that of their row, of ten."""
    rows = np.arange(ROWS)
    np.save(folder / "points.npy", np.stack([rows, -rows], 1).astype(np.float32))
    np.save(folder / "labels.npy", rows % 10)
    return DatasetSpec(title="", source="array", path="points.npy", options={"labels": "labels.npy"})


CASES: dict[str, tuple[Callable[[Path], DatasetSpec], dict[str, Any]]] = {
    "a caption of five": (captions, {"name": "conditional"}),
    "the mean of two captions of five": (captions, {"name": "conditional", "captions": 2}),
    "classes": (classes, {"name": "conditional", "labels": "batch"}),
    "a few known classes": (classes, {"name": "semi_supervised", "known": 20}),
}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_are_told_of_halves_of_one_batch(
    case: str, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch ends inside a batch on the way; a batch of one process is the two halves, row by row, to the bit."""
    make, method = CASES[case]
    prepare(make(tmp_path), "said", tmp_path, None, tmp_path / "data")
    lab = Lab(tmp_path / "runs", tmp_path / "data/manifest.json", every=UNTIL)
    seen: list[dict[str, torch.Tensor]] = []
    draw = loop.Trainer._next_batch

    def noted(self: loop.Trainer) -> Batch:
        batch = draw(self)
        seen.append({name: tensor.clone() for name, tensor in batch.tensors().items()})
        return batch

    monkeypatch.setattr(loop.Trainer, "_next_batch", noted)

    def work(rank: int) -> None:
        torch.set_num_threads(1)
        lab.train("two", UNTIL, RECIPE | {"method": method, "processes": SIZE})
        torch.save(seen, tmp_path / f"{rank}.pt")

    assert [tools.ended(child) for child in members(tools, work)] == [0, 0]
    lab.train("one", UNTIL, RECIPE | {"method": method})
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(SIZE)]
    assert len(seen) == len(halves[0]) == len(halves[1]) >= 2 * UNTIL > 2 * ROWS // 8
    for whole, *parts in zip(seen, *halves, strict=True):
        told = {name for name in whole if "labels" in name}
        assert told and whole.keys() == parts[0].keys() == parts[1].keys()
        for name, tensor in whole.items():
            assert torch.equal(tensor, torch.cat([part[name] for part in parts])), name
        assert not torch.equal(*(part["data/x"] for part in parts)), "the control: the halves differ"
        for label in told:
            rows = whole["data/known" if "known" in label else "data/x"][:, 0]
            own = whole[label] if whole[label].dim() == 1 else whole[label][:, 0]
            assert torch.equal(own.long(), rows.long() % 10 if make is classes else rows.long())
    if make is captions:
        drawn = [torch.cat([batch[name][:, 1] for batch in seen for name in batch if "labels" in name])]
        first, second = (torch.cat([batch["labels"][:, 1] for batch in half]) for half in halves)
        assert len(drawn[0].unique()) > 2, "not the same caption for all"
        assert not torch.equal(first, second), "the halves do not draw the same places of their rows"

"""Checkpoints and states are written beside training: in order, one at a time, and errors come back."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gantry.errors import UserError
from gantry.system.signals import Stopped
from gantry.training import train as loop
from gantry.training.run import RunFolder
from gantry.training.writer import Writer, to_host

PATIENCE = 20.0


def test_training_goes_on_while_a_checkpoint_is_written(
    lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of iteration 6 is held up until iteration 10 has moved the weights; its bits are of 6."""
    expected = tools.outcome(lab.train("reference", 12))
    gone_on, held = threading.Event(), []
    save, iterate = RunFolder.save_checkpoint, loop.Trainer.iterate

    def slow(self: RunFolder, iteration: int, generators: Any, *more: Any) -> Any:
        held.append((iteration, gone_on.wait(PATIENCE), threading.current_thread().name))
        return save(self, iteration, generators, *more)

    def noted(self: loop.Trainer) -> None:
        iterate(self)
        if self.progress.iteration == 10:
            assert [checkpoint["iteration"] for checkpoint in self.progress.checkpoints] == []
            gone_on.set()

    monkeypatch.setattr(RunFolder, "save_checkpoint", slow)
    monkeypatch.setattr(loop.Trainer, "iterate", noted)
    assert tools.outcome(lab.train("beside", 12)) == expected
    assert [saved[:2] for saved in held] == [(6, True), (12, True)]
    assert all(name.startswith("gantry-writer") for _, _, name in held)


@pytest.mark.parametrize("which", ["checkpoint", "state"])
def test_a_disk_that_fills_up_ends_training_at_the_next_interval(
    which: str, lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the end of the run: the iterations in between would be done for nothing."""
    expected = tools.outcome(lab.train("reference", 60))
    lab.train("full", 6)
    run, done = lab.work("full"), []
    iterate, written = loop.Trainer.iterate, threading.Event()

    def full(file: int) -> None:
        name = str(Path(f"/proc/self/fd/{file}").readlink())
        if {"checkpoint": ".safetensors", "state": "state.bin"}[which] in name:
            written.set()
            raise OSError(errno.ENOSPC, "No space left on device")

    def noted(self: loop.Trainer) -> None:
        if self.progress.iteration == 13:  # give the writer the time that a real iteration takes
            assert written.wait(PATIENCE)
            self.writer._thread.submit(lambda: None).result()
        done.append(self.progress.iteration)
        iterate(self)

    before = run.state.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        patch.setattr(loop.Trainer, "iterate", noted)
        with pytest.raises(
            UserError, match="the disk is full: free some space and run the same command again"
        ):
            lab.train("full", 60)
    assert max(done) == 15  # the interval ends at 16
    assert run.state.read_bytes() == before and not tools.litter(run.root)
    lab.train("full", 60)
    (run.root / "record-6.json").unlink()
    assert tools.outcome(run.root) == expected


def test_a_disk_that_is_full_when_a_signal_comes_is_said(
    lab: Any, monkeypatch: pytest.MonkeyPatch, stop_at: Callable[..., None]
) -> None:
    """Not "state saved"."""

    def full(*arguments: Any) -> None:
        raise UserError("full")

    stop_at(3)
    monkeypatch.setattr(loop, "save_state", full)
    with pytest.raises(UserError, match="full"):
        lab.train("run", 6)


def test_stopped_means_written(
    lab: Any, monkeypatch: pytest.MonkeyPatch, stop_at: Callable[..., None]
) -> None:
    """However long it takes."""
    save = loop.save_state

    def slow(*arguments: Any) -> None:
        threading.Event().wait(0.3)
        save(*arguments)

    stop_at(3)
    monkeypatch.setattr(loop, "save_state", slow)
    with pytest.raises(Stopped):
        lab.train("run", 6)
    assert lab.work("run").state.exists()


def test_one_job_at_a_time_in_order() -> None:
    writer, go, order = Writer(), threading.Event(), []

    def first() -> None:
        go.wait(PATIENCE)
        order.append("first")

    writer.submit(first)
    second = threading.Thread(target=writer.submit, args=(lambda: order.append("second"),))
    second.start()
    second.join(0.1)
    assert second.is_alive() and order == []  # it waits: no second set of copies
    go.set()
    second.join(PATIENCE)
    writer.flush()
    assert order == ["first", "second"]
    writer.close()


def test_an_error_comes_back_once_and_the_next_job_is_done() -> None:
    def fail() -> None:
        raise ValueError("of the job")

    writer, done = Writer(), []
    writer.submit(fail)
    with pytest.raises(ValueError, match="of the job"):
        writer.submit(lambda: done.append("not this one"))
    writer.check()
    writer.submit(lambda: done.append("this one"))
    writer.flush()
    writer.submit(fail)
    writer.close()
    with pytest.raises(ValueError, match="of the job"):
        writer.check()
    assert done == ["this one"]


def test_copies_are_copies() -> None:
    weights = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last).requires_grad_()
    content = {"a": [weights, (1, "x")], "b": {"step": torch.ones(())}, "c": None}
    copied, arrived = to_host(content, torch.device("cpu"))
    arrived()
    with torch.no_grad():
        weights.zero_()
    content["b"]["step"] += 1
    assert torch.equal(copied["a"][0], torch.arange(24.0).reshape(1, 2, 3, 4))
    assert copied["a"][0].is_contiguous(memory_format=torch.channels_last)
    assert not copied["a"][0].requires_grad
    assert copied["a"][1] == (1, "x") and copied["b"]["step"] == 1 and copied["c"] is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device for PyTorch")
def test_copies_from_a_gpu_are_of_the_moment_and_wait_for_nobody() -> None:
    device = torch.device("cuda", 0)
    weights, counter = torch.ones(1 << 24, device=device), torch.zeros(())
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        torch.cuda._sleep(100_000_000)  # what the copies have to wait for
        weights.mul_(2)
        copied, arrived = to_host({"w": weights, "n": counter}, device)
        weights.zero_()
        counter += 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
    arrived()
    assert copied["w"].is_pinned() and copied["w"].eq(2).all() and copied["n"] == 0

"""Locks, GPU slots, damaged states, disks that are full: one clear message each."""

import errno
import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from gantry.data.residence import fitting
from gantry.errors import UserError
from gantry.training import history as records
from gantry.training import lock
from gantry.training import train as loop
from gantry.training.device import choose_device, gpu_slot
from gantry.training.history import History, LossMeter, duration, usual_rate
from gantry.training.lock import only_one
from gantry.training.run import load_generators, read_seal
from gantry.training.state import load_state, save_state


@contextmanager
def holding(tools: Any, hold: Any) -> Iterator[int]:
    """A child that has entered the context manager `hold` and stays in it; killed at the end."""
    ready, tell = os.pipe()

    def work() -> None:
        with hold as held:
            os.write(tell, f"{held}\n".encode())
            time.sleep(600)

    child = tools.fork(work)
    os.close(tell)
    try:
        with os.fdopen(ready) as stream:
            assert stream.readline()
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        tools.ended(child)


def test_a_second_trainer_is_refused_until_the_first_has_died(
    lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.3)
    run = lab.work("run")
    with (
        holding(tools, only_one(run.lock)) as child,
        pytest.raises(UserError, match=rf"seed0/work: another trainer \(process {child} on .*wait for it"),
    ):
        lab.train("run", 6)
    assert not run.state.exists()
    lab.train("run", 6)


def test_a_second_trainer_waits_for_a_first_that_is_about_to_end(
    lab: Any, tools: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lab.work("run")
    run.lock.parent.mkdir(parents=True)
    ready, tell = os.pipe()

    def work() -> None:
        with only_one(run.lock):
            os.write(tell, b"held")
            time.sleep(0.5)

    child = tools.fork(work)
    assert os.read(ready, 4) == b"held"
    lab.train("run", 6)
    assert tools.ended(child) == 0
    assert f"waiting for process {child} on " in capsys.readouterr().err
    assert run.state.exists()
    assert lock.holder(run.lock) is None


def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"lock: cannot be written: .*another `results` folder"):
        only_one(tmp_path / "file" / "lock").__enter__()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_named_with_its_file(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", 0)
    history.path.unlink()
    history.path.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"history\.csv: cannot be written: No space left.*last saved state"):
        history.add(10, 0.1, 0.2, 3.0, 16, None)


def test_a_lock_that_cannot_be_signed(tools: Any, tmp_path: Path) -> None:
    def work() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(UserError, match=r"lock: cannot be written: File too large; see to the disk"):
            only_one(tmp_path / "lock").__enter__()
        return 7

    assert tools.ended(tools.fork(work)) == 7


def test_a_full_disk_keeps_the_state_that_was(lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tools.outcome(lab.train("reference", 12))
    lab.train("full", 6)
    run = lab.work("full")
    before = run.state.read_bytes()

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="the disk is full: free some space"):
            lab.train("full", 12)
    assert run.state.read_bytes() == before and not tools.litter(run.root)
    lab.train("full", 12)
    (run.root / "seal-6.json").unlink()
    assert tools.outcome(run.root) == expected


# ── state ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", [0, 20, 40, 90, 200, -1])
def test_a_damaged_state_is_refused_with_the_way_out(place: int, lab: Any, tools: Any) -> None:
    lab.train("run", 6)
    state = lab.work("run").state
    content = bytearray(state.read_bytes())
    content[place] ^= 0xFF
    state.write_bytes(content)
    with pytest.raises(UserError, match=r"state\.bin: (the state is damaged|not a state).*; delete it"):
        lab.train("run", 12)


def test_a_truncated_state_is_refused(tmp_path: Path) -> None:
    path, cpu = tmp_path / "state.bin", torch.device("cpu")
    save_state(path, "spec", {"x": torch.arange(3)})
    assert torch.equal(load_state(path, "spec", cpu)["x"], torch.arange(3))
    whole = path.read_bytes()
    for size in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="delete it and run the same command again"):
            load_state(path, "spec", cpu)


def test_a_state_of_another_spec_is_refused(tmp_path: Path, lab: Any, tools: Any) -> None:
    lab.train("a", 6)
    other = tools.bcgan | {"batch_size": 17}
    lab.train("b", 6, other)
    lab.work("b", other).state.write_bytes(lab.work("a").state.read_bytes())
    with pytest.raises(UserError, match=r"belongs to another spec \(\w{16}, here \w{16}\); delete it"):
        lab.train("b", 12, other)


def test_a_state_of_another_version_is_refused(lab: Any) -> None:
    lab.train("run", 6)
    run = lab.work("run")
    content = load_state(run.state, run.identity, torch.device("cpu"))
    content["game"].popitem()
    save_state(run.state, run.identity, content)
    with pytest.raises(UserError, match="saved by another version of Gantry"):
        lab.train("run", 12)


def test_deleting_the_state_restarts_to_the_same_bits(lab: Any, tools: Any) -> None:
    root = lab.train("run", 12)
    before = tools.outcome(root)
    lab.work("run").state.unlink()
    (root / "seal-12.json").unlink()
    lab.train("run", 12)
    assert tools.outcome(root) == before


def test_changed_data_start_afresh_beside_the_old_run(lab: Any, points: Path, tmp_path: Path) -> None:
    root = lab.train("run", 6)
    other = tmp_path / "other"
    other.mkdir()
    (other / "points.npy").write_bytes((points.parent / "points.npy").read_bytes())
    manifest = json.loads(points.read_text())
    for name in ("labels.npy",) if manifest["labels"] else ():
        (other / name).write_bytes((points.parent / name).read_bytes())
    (other / "manifest.json").write_text(json.dumps(manifest | {"digest": "other"}))
    lab.manifest = other / "manifest.json"
    lab.train("run", 6)
    assert len(list((root / "work").glob("*/"))) == 2
    assert read_seal(root / "seal-6.json")["data_digest"] == "other"


# ── what a user gets wrong by hand ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "0"}, "seed should be there, and be a JSON whole number"),
        ({"recipe": None}, "recipe should be there, and be a JSON mapping"),
        ({"checkpoint_every": 0}, "checkpoint_every should be there"),
        ({"recipe": {"generators": 0}}, r"(?s)recipe\.networks: Field required.*recipe\.generators: Input"),
        ({"seed": 3}, "for another seed than the spec's, 3"),
        ({"checkpoint_every": 7}, "--until: 6 is not on the grid of checkpoints .one every 7"),
    ],
)
def test_a_wrong_spec_is_named(change: dict[str, Any], message: str, lab: Any, tools: Any) -> None:
    spec = lab.spec(tools.bcgan) | change
    root = lab.root("wrong")
    with pytest.raises(UserError, match=message):
        loop.train(root, spec, lab.manifest, 6, root / "seal-6.json")
    assert not root.exists()


def test_a_seal_outside_a_run_folder_is_refused_before_training(lab: Any, tools: Any) -> None:
    with pytest.raises(UserError, match="a run's folder is called <dataset>/<recipe>/seed<number>"):
        loop.train(lab.folder, lab.spec(tools.bcgan), lab.manifest, 6, lab.folder / "seal-6.json")


def test_a_relative_folder_has_its_names(lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.root("run").mkdir(parents=True)
    monkeypatch.chdir(lab.root("run"))
    loop.train(Path(), lab.spec(tools.bcgan), lab.manifest, 6, Path("seal-6.json"))
    assert read_seal(Path("seal-6.json"))["run"] == {"dataset": "tiny", "recipe": "recipe", "seed": 0}


def test_checkpoints_missing_or_unfit(lab: Any, tools: Any) -> None:
    from gantry.plan.recipe import Recipe

    recipe = Recipe.model_validate({"workload": ""} | tools.bcgan)
    root = lab.train("run", 6)
    path = lab.work("run").checkpoint(6)
    assert len(load_generators(path, recipe, (2,))) == 2
    with pytest.raises(UserError, match="does not fit its recipe"):
        load_generators(path, recipe, (3,))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match="does not fit its recipe"):
        load_generators(path, recipe, (2,))
    with pytest.raises(UserError, match="the checkpoint is damaged"):
        load_generators(path, recipe, (2,), "0" * 64)
    path.unlink()
    with pytest.raises(UserError, match=r"missing; delete the run's work folder"):
        load_generators(path, recipe, (2,))
    (root / "seal-6.json").unlink()
    with pytest.raises(UserError, match=r"missing; delete the run's work folder"):
        lab.train("run", 6)


def test_seals_of_other_formats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seal-1.json"
    with pytest.raises(UserError, match="the seal of a training run not found"):
        read_seal(path)
    for text in ("[]", '{"format": 2}', "{"):
        path.write_text(text)
        with pytest.raises(UserError, match="delete it and run the same command again"):
            read_seal(path)


# ── devices ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def nobody_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nobody_has_chosen")
def test_jobs_get_different_gpus_and_the_dead_free_theirs(tools: Any, tmp_path: Path) -> None:
    def slot() -> Any:
        return gpu_slot("cuda", 2, tmp_path)

    with holding(tools, slot()):
        with slot() as second:
            assert second == [1] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
        with holding(tools, slot()):
            with slot() as third:  # one job too many shares a GPU
                assert third is None and os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1")
            assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with pytest.raises(RuntimeError, match="in the job"), slot() as first:
        assert first == [0]
        raise RuntimeError("in the job")
    with slot() as first:
        assert first == [0]


@pytest.mark.usefixtures("nobody_has_chosen")
def test_several_runs_share_a_gpu_up_to_its_shares(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTRY_RUNS_PER_GPU", "3")

    def slot(**options: int) -> Any:
        return gpu_slot("cuda", 2, tmp_path, **options)

    with holding(tools, slot()):  # a share of GPU 0
        with slot() as emptier:
            assert emptier == [1] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        with holding(tools, slot(shares=2)):  # two of GPU 1
            with slot(shares=2) as two:
                assert two == [0]
            for too_much in ({"shares": 3}, {"shares": 9}, {"gpus": 2}):
                with slot(**too_much) as none:
                    assert none is None and os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1", "0,1", "1,0")
            with holding(tools, slot(shares=2)), holding(tools, slot()), slot() as none:
                assert none is None  # six shares are taken
        with slot(shares=3) as whole:  # freed by its holder's death
            assert whole == [1]
        with holding(tools, slot()):
            # A workflow that knows nothing of shares takes whole GPUs, and neither one is free.
            monkeypatch.delenv("GANTRY_RUNS_PER_GPU")
            with slot() as none:
                assert none is None


@pytest.mark.usefixtures("nobody_has_chosen")
def test_a_run_over_several_gpus_takes_whole_ones(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slot(**options: int) -> Any:
        return gpu_slot("cuda", 3, tmp_path, **options)

    with holding(tools, slot()):
        with slot(gpus=2) as both:
            assert both == [1, 2] and os.environ["CUDA_VISIBLE_DEVICES"] == "1,2"
        monkeypatch.setenv("GANTRY_RUNS_PER_GPU", "4")
        with holding(tools, slot()), slot(gpus=2) as none:
            assert none is None and len(set(os.environ["CUDA_VISIBLE_DEVICES"].split(","))) == 2
        with slot(gpus=2) as both:
            assert both == [1, 2]
    with pytest.raises(UserError, match="takes 4 GPUs and this machine has 3; set processes: 3"):
        slot(gpus=4).__enter__()


def test_data_leave_room_for_the_other_runs_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 of 80 GB free: 15 GB of data lie on the GPU, unless they are more than half of a share."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40 << 30, 80 << 30))
    device = torch.device("cuda")
    assert fitting(15 << 30, device) == "device" and fitting(21 << 30, device) != "device"
    monkeypatch.setenv("GANTRY_RUNS_PER_GPU", "4")
    assert fitting(9 << 30, device) == "device" and fitting(15 << 30, device) != "device"


@pytest.mark.usefixtures("nobody_has_chosen")
def test_whoever_has_chosen_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cpu", "cuda"):
        with gpu_slot(name, 0, tmp_path / "slots") as slot:
            assert slot is None and "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with gpu_slot("cuda", 2, tmp_path / "slots") as slot:
        assert slot is None and os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert not list(tmp_path.glob("slots/*.lock"))


def test_a_gpu_samples_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring has no recipe's step that would say so, and cuDNN rounds unless it is told not to."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=False, allow_tf32=True):
        assert cudnn.conv.fp32_precision == "tf32"
        assert choose_device("cuda") == torch.device("cuda", 0)
        assert cudnn.conv.fp32_precision != "tf32" and not cudnn.allow_tf32


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"--config scale=quick.*--config device=cpu"):
        choose_device("cuda")


# ── history ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_meter_means_over_each_players_updates() -> None:
    meter = LossMeter(torch.device("cpu"))
    for loss_d, losses_g in ((1.0, (2.0, 4.0)), (3.0, (6.0, 8.0))):
        meter.add(0, torch.tensor(loss_d))
        for loss in losses_g:
            meter.add(1, torch.tensor(loss))
        meter.end_iteration()
    assert meter.read() == (2.0, 5.0, 2, True)
    assert meter.read() == (0.0, 0.0, 0, True)


def test_history_forgets_what_the_state_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    row = "{},0.5,0.25,10,160,"
    lines = [
        ",".join(records.COLUMNS),
        row.format(10),
        "\0\0\0",
        row.format("x"),
        row.format(20),
        row.format(30),
        "40,0",
    ]
    path.write_text("\n".join(lines))
    History(path, 20).add(25, 1 / 3, float("nan"), 2.0, 16, 1 << 20)
    assert path.read_text().splitlines() == [
        lines[0], row.format(10), row.format(20), "25,0.333333333,nan,2,32,1048576"
    ]  # fmt: skip


def test_a_pause_does_not_make_an_iteration_slow(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", 0)
    assert usual_rate(history.path, 0) is None
    for iteration, rate in ((100, 20.0), (200, 50.0), (300, 0.01), (400, 49.0), (500, 51.0)):
        history.add(iteration, 1.0, 1.0, rate, 16, None)
    assert usual_rate(history.path, 500) == 49.0
    assert usual_rate(history.path, 300) == 20.0  # of what the state knows


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "0:04"), (3599.6, "1:00:00"), (4000, "1:06:40"), (90061, "1 d 1:01:01"), (86400, "1 d 0:00:00")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text

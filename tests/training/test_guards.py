"""Locks, damaged states, disks that are full: one clear message each."""

import errno
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.games import method_of
from tests.training.holding import holding

import gantry
from gantry.errors import UserError
from gantry.methods.checkpoint import load_sampler
from gantry.plan.recipe import Recipe
from gantry.runs.record import read_record
from gantry.system import lock
from gantry.system.lock import exclusive_lock
from gantry.system.version import code_digest
from gantry.training import train as loop
from gantry.training.history import History
from gantry.training.state import load_state, save_state


def test_a_second_trainer_is_refused_until_the_first_has_died(
    lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.3)
    run = lab.work("run")
    with (
        holding(tools, exclusive_lock(run.lock)) as child,
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
        with exclusive_lock(run.lock):
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
        exclusive_lock(tmp_path / "file" / "lock").__enter__()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_named_with_its_file(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", 0)
    history.path.unlink()
    history.path.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"history\.csv: cannot be written: No space left.*last saved state"):
        history.add(10, [0.1, 0.2], 3.0, 16, None)


def test_a_lock_that_cannot_be_signed(tools: Any, tmp_path: Path) -> None:
    def work() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(
            UserError, match=r"lock: cannot be written: File too large; the file system refuses"
        ):
            exclusive_lock(tmp_path / "lock").__enter__()
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
    (run.root / "record-6.json").unlink()
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
    content["method"].popitem()
    save_state(run.state, run.identity, content)
    with pytest.raises(UserError, match="saved by another version of Gantry"):
        lab.train("run", 12)


def test_deleting_the_state_restarts_to_the_same_bits(lab: Any, tools: Any) -> None:
    root = lab.train("run", 12)
    before = tools.outcome(root)
    lab.work("run").state.unlink()
    (root / "record-12.json").unlink()
    lab.train("run", 12)
    assert tools.outcome(root) == before


def copy_of(points: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a prepared set; its manifest."""
    shutil.copytree(points.parent, folder)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(points.read_text()) | changes))
    return manifest


def test_changed_data_start_afresh_beside_the_old_run(lab: Any, points: Path, tmp_path: Path) -> None:
    root = lab.train("run", 6)
    samples = np.load(points.parent / "points.npy") * 2
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    lab.manifest = copy_of(points, tmp_path / "other", digest=digest)
    np.save(tmp_path / "other/points.npy", samples)
    lab.train("run", 6)
    assert len(list((root / "work").glob("*/"))) == 2
    assert read_record(root / "record-6.json")["data_digest"] == digest


@pytest.mark.parametrize("file", ["points.npy", "labels.npy"])
def test_a_flipped_bit_in_the_data_is_never_trained_on(
    lab: Any, points: Path, tmp_path: Path, file: str
) -> None:
    """With the time kept; nothing is written, so that the repaired data start from the beginning."""
    lab.manifest = copy_of(points, tmp_path / "other")
    path = tmp_path / "other" / file
    content, facts = bytearray(path.read_bytes()), path.stat()
    content[-3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(UserError, match=rf"{file}: its bytes are not those that were prepared"):
        lab.train("run", 12)
    assert not list(lab.root("run").rglob("*.safetensors")) and not list(lab.root("run").rglob("state.bin"))
    assert not list(lab.root("run").rglob("record-*.json"))
    lab.manifest = points
    assert read_record(lab.train("run", 12) / "record-12.json")["status"] == "complete"


def test_the_record_names_the_code_that_was_imported(tmp_path: Path) -> None:
    """A checkout may change while a run trains: the digest is that of the files as they were imported."""
    package = Path(gantry.__file__).parent
    shutil.copytree(package, tmp_path / "gantry", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import pathlib, torch, gantry; from gantry.training.provenance import provenance\n"
        f"assert gantry.__file__.startswith({str(tmp_path)!r}), gantry.__file__\n"
        "(pathlib.Path(gantry.__file__).parent / 'errors.py').write_text('# another')\n"
        "print(provenance(torch.device('cpu'))['code_digest'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.strip() == code_digest(), done.stderr


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
        loop.train(root, spec, lab.manifest, 6, root / "record-6.json")
    assert not root.exists()


def test_a_record_outside_a_run_folder_is_refused_before_training(lab: Any, tools: Any) -> None:
    with pytest.raises(UserError, match="a run's folder is called <dataset>/<recipe>/seed<number>"):
        loop.train(lab.folder, lab.spec(tools.bcgan), lab.manifest, 6, lab.folder / "record-6.json")


def test_a_relative_folder_has_its_names(lab: Any, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.root("run").mkdir(parents=True)
    monkeypatch.chdir(lab.root("run"))
    loop.train(Path(), lab.spec(tools.bcgan), lab.manifest, 6, Path("record-6.json"))
    assert read_record(Path("record-6.json"))["run"] == {"dataset": "tiny", "recipe": "recipe", "seed": 0}


def test_checkpoints_missing_or_unfit(lab: Any, tools: Any) -> None:
    recipe = Recipe.model_validate({"workload": ""} | tools.bcgan)
    points, volumes = (method_of(recipe, (size,)) for size in (2, 3))
    root = lab.train("run", 6)
    path = lab.work("run").checkpoint(6)
    assert load_sampler(points, path).sources == ("G1", "G2")
    with pytest.raises(UserError, match="does not fit its recipe"):
        load_sampler(volumes, path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match="does not fit its recipe"):
        load_sampler(points, path)
    with pytest.raises(UserError, match="the checkpoint is damaged"):
        load_sampler(points, path, "0" * 64)
    path.unlink()
    with pytest.raises(UserError, match=r"missing; delete the run's work folder"):
        load_sampler(points, path)
    (root / "record-6.json").unlink()
    with pytest.raises(UserError, match=r"missing; delete the run's work folder"):
        lab.train("run", 6)


def test_records_of_other_formats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "record-1.json"
    with pytest.raises(UserError, match="the record of a training run not found"):
        read_record(path)
    for text in ("[]", '{"format": 2}', "{"):
        path.write_text(text)
        with pytest.raises(UserError, match="delete it and run the same command again"):
            read_record(path)

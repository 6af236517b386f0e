"""Preparing: damaged images, a kill in the middle, a full disk, two at once; and opening the result."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from gantry.data import open_prepared, writing
from gantry.data.rows import Rows
from gantry.errors import UserError


def damage(folder: Path) -> list[str]:
    """Truncate one image, replace another by text, empty a third; return their names."""
    files = sorted(p for p in folder.rglob("*.*"))
    files[1].write_bytes(files[1].read_bytes()[:-300])
    files[4].write_text("this is no image")
    files[7].write_bytes(b"")
    return [str(files[i].relative_to(folder)) for i in (1, 4, 7)]


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_images_stop_with_the_list_of_offenders(prepared, image_folder, tmp_path, workers):
    offenders = damage(image_folder)
    with pytest.raises(UserError, match=r"3 of its 10 images.*cannot be read") as caught:
        prepared("folder", path="images", resolution=32, workers=workers)
    assert all(name in str(caught.value) for name in offenders)
    assert "on_bad_image: skip" in str(caught.value) and not (tmp_path / "out/manifest.json").exists()


def test_after_the_offenders_are_replaced_the_same_command_succeeds(prepared, image_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "whole")
    damage(image_folder)
    with pytest.raises(UserError):
        prepared("folder", path="images", resolution=32)
    shutil.copytree(tmp_path / "whole", image_folder, dirs_exist_ok=True)
    again = prepared("folder", path="images", resolution=32)
    assert again.digest == prepared("folder", path="whole", resolution=32, out="reference").digest


@pytest.mark.parametrize("workers", [1, 2])
def test_skipped_images_are_named_and_leave_no_gap(prepared, image_folder, workers, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 2)
    whole = prepared("folder", path="images", resolution=32)
    offenders = damage(image_folder)
    got = prepared(
        "folder", path="images", resolution=32, on_bad_image="skip", workers=workers, out=f"skip{workers}"
    )
    assert [entry["file"] for entry in got.manifest["skipped"]] == offenders
    assert all(entry["reason"] for entry in got.manifest["skipped"])
    assert np.array_equal(got.samples, np.delete(whole.samples, (1, 4, 7), axis=0))
    assert got.manifest["count"] == 7 and got.manifest["source_count"] == 10


def test_no_readable_image_at_all(prepared, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.jpg").write_text("x")
    with pytest.raises(UserError, match=r"none of its 1 images can be read.*\n?.*a\.jpg"):
        prepared("folder", path="bad", resolution=32, on_bad_image="skip")


def test_the_digest_is_that_of_the_stored_bytes(prepared, image_folder):
    import hashlib

    got = prepared("folder", path="images", resolution=32)
    assert got.digest == hashlib.sha256(np.array(got.samples).tobytes()).hexdigest()


PREPARE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from gantry.data import prepare, writing
    from gantry.plan.dataset import DatasetSpec
    if __name__ == "__main__":
        writing.SAVE_EVERY_SECONDS = 0.02
        writing.CHUNK = 32
        spec = DatasetSpec(title="t", source="array", path="rows.npy", subset_seed=3, fraction=0.9)
        prepare(spec, "thing", Path("."), 64, Path("out"), workers=int(sys.argv[1]))
""")


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_preparations_go_on_and_give_the_same_bits(prepared, tmp_path, workers, monkeypatch):
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (2000, 24, 24, 3), dtype=np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "run.py").write_text(PREPARE)
    command = [sys.executable, "run.py", str(workers)]
    progress = tmp_path / ".out.partial/progress.json"
    seen = []
    for _ in range(3 - workers):
        process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
        before = progress.read_bytes() if progress.exists() else b""
        while process.poll() is None and (not progress.exists() or progress.read_bytes() == before):
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if progress.exists():
            seen.append(json.loads(progress.read_text())["done"])
    assert seen and seen == sorted(set(seen)) and 0 < seen[-1] < 1800
    subprocess.run(command, cwd=tmp_path, check=True)
    resumed = open_prepared(tmp_path / "out/manifest.json")
    monkeypatch.setattr(writing, "CHUNK", 32)
    keys = {"title": "t", "path": "rows.npy", "subset_seed": 3, "fraction": 0.9}
    straight = prepared("array", resolution=64, out="straight", **keys)
    assert resumed.manifest == straight.manifest and np.array_equal(resumed.samples, straight.samples)
    assert not (tmp_path / ".out.partial").exists()


def test_progress_of_another_source_is_not_gone_on_from(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 4)
    monkeypatch.setattr(writing, "SAVE_EVERY_SECONDS", 0)
    rows = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    with monkeypatch.context() as patch:
        patch.setattr(Rows, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepared("array", path="rows.npy", resolution=8)
    assert (tmp_path / ".out.partial/progress.json").exists()
    np.save(tmp_path / "rows.npy", rows[::-1].copy())
    assert np.array_equal(prepared("array", path="rows.npy", resolution=8).samples, rows[::-1])


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_not_enough_room_is_said_before_anything_starts(prepared, image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(UserError, match=r"needs 0\.0 GB and the disk has 0\.0 GB left: free some space"):
        prepared("folder", path="images", resolution=32)
    assert not (tmp_path / "out").exists() and not list(tmp_path.rglob("images.npy"))


def test_a_disk_that_fills_up(tmp_path):
    rows = np.zeros((2000, 24, 24, 3), np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "run.py").write_text(PREPARE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

    process = subprocess.run(
        [sys.executable, "run.py", "2"],
        cwd=tmp_path,
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert "UserError: .out.partial/images.npy: cannot be written" in process.stderr
    assert "the file system refuses a file of this size" in process.stderr


def test_two_preparations_of_one_set(prepared, image_folder, tmp_path):
    with writing.partial_folder(tmp_path / "out"), pytest.raises(UserError, match="another process"):
        prepared("folder", path="images", resolution=32)


def test_opening_what_is_truncated_missing_or_something_else(prepared, tmp_path):
    prepared("digits", resolution=32)
    file = tmp_path / "out/images.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with pytest.raises(UserError, match=r"images\.npy: truncated"):
        open_prepared(tmp_path / "out/manifest.json")
    np.save(file, np.zeros((5, 32, 32, 3), np.uint8))
    with pytest.raises(UserError, match=r"images\.npy: holds \(5, 32, 32, 3\).*manifest says \(1797"):
        open_prepared(tmp_path / "out/manifest.json")
    file.unlink()
    with pytest.raises(UserError, match=r"images\.npy: missing"):
        open_prepared(tmp_path / "out/manifest.json")
    file.write_bytes(whole)
    (tmp_path / "out/labels.npy").unlink()
    with pytest.raises(UserError, match=r"labels\.npy: missing"):
        open_prepared(tmp_path / "out/manifest.json")
    (tmp_path / "out/manifest.json").write_text("{}")
    with pytest.raises(UserError, match="not the manifest of a prepared set"):
        open_prepared(tmp_path / "out/manifest.json")


def test_a_fraction_is_counted_exactly(prepared, tmp_path):
    """29 of 100, although 0.29 × 100 falls short of it by a rounding error; at least one."""
    np.save(tmp_path / "rows.npy", np.arange(100 * 12, dtype=np.uint8).reshape(100, 2, 2, 3))
    for fraction, count in ((0.29, 29), (0.57, 57), (0.299, 29), (0.001, 1), (1.0, 100)):
        made = prepared("array", path="rows.npy", resolution=2, fraction=fraction, out=f"of-{fraction}")
        assert len(made) == count


def test_nothing_of_an_earlier_set_stays_beside_a_new_one(prepared, image_folder, tmp_path):
    prepared("folder", path="images", resolution=16)
    out = tmp_path / "out"
    stale = [out / "labels.npy", out / "points.npy", out / "inputs.npy", out / "held_out" / "images.npy"]
    (out / "held_out").mkdir(exist_ok=True)
    for path in stale:
        path.write_bytes(b"of another set")
    (out / "manifest.json").unlink()
    prepared("folder", path="images", resolution=16)
    assert [path for path in stale if path.exists() and path.read_bytes() == b"of another set"] == []


def test_an_array_is_on_the_disk_before_it_has_its_name(prepared, image_folder, monkeypatch):
    """After a power cut, a manifest whose array is empty would be the worst of all."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def flushed(file):
        done.append(("flush", str(Path(f"/proc/self/fd/{file}").readlink())))
        fsync(file)

    def renamed(self, target):
        done.append(("rename", str(self)))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    prepared("folder", path="images", resolution=16)
    (array,) = {path for what, path in done if what == "rename" and path.endswith("images.npy")}
    header_written = [place for place, call in enumerate(done) if call == ("flush", array)]
    assert header_written and header_written[-1] < done.index(("rename", array))

"""Sockets and locks lie where their paths are short enough and nobody else may write."""

import os
import tempfile
from pathlib import Path

import pytest

from gantry.errors import UserError
from gantry.system.forkserver import client
from gantry.system.forkserver.socket import address
from gantry.system.gpus import SCHEDULERS_JOBS, gpu_slot
from gantry.system.temporary import LONGEST_SOCKET, private_folder, short_folder


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="short-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_long_temporary_folder_gives_way_to_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert short_folder() in (Path("/tmp"), Path("/var/tmp"))
    assert len(os.fsencode(address())) <= LONGEST_SOCKET


def test_a_short_one_is_taken(temporary: Path) -> None:
    assert short_folder() == temporary
    assert address().parent == temporary / f"gantry-forkserver-{os.getuid()}"
    assert address().parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o701])
def test_a_folder_that_others_may_write_is_not_used(
    temporary: Path, mode: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = private_folder("gantry-forkserver")
    folder.chmod(mode)
    with pytest.raises(PermissionError, match=rf"open to others \(mode {mode:o}\).*chmod 700"):
        address()
    assert client.run(["train"]) is None, "the caller does it itself"
    assert f"{folder} is open to others" in capsys.readouterr().err
    private_folder("gantry-gpu-slots").chmod(mode)
    for name in ("CUDA_VISIBLE_DEVICES", *SCHEDULERS_JOBS):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"gantry-gpu-slots.*open to others"):
        gpu_slot("cuda", 2).__enter__()


def test_a_link_is_not_followed(temporary: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (temporary / f"gantry-forkserver-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        address()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_somebody_else_is_not_used(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = private_folder("gantry-forkserver")
    uid = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: uid)
    folder.rename(folder.with_name(f"gantry-forkserver-{uid}"))
    with pytest.raises(PermissionError, match="belongs to somebody else; set TMPDIR"):
        address()

"""Files are whole or absent, and equal values give equal digests."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry import files
from gantry.errors import UserError
from gantry.files import (
    canonical_json,
    digest_of,
    read_json,
    sha256_of_file,
    write_bytes,
    write_json,
    write_text,
    write_with,
    writing,
)
from gantry.system import disk

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def leftovers(folder: Path) -> list[str]:
    """What lies in a folder besides what was asked for."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@given(value=st.dictionaries(st.text(), VALUES))
def test_the_order_of_keys_is_no_difference(value: dict[str, Any]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(backwards)
    assert digest_of(value) == digest_of(backwards)
    assert json.loads(canonical_json(value)) == value


def test_another_value_is_another_digest() -> None:
    digests = {digest_of(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}, {"a": "1"}, {}, None)}
    assert len(digests) == 7
    assert digest_of({"λ": 0.1}) == digest_of({"λ": 0.10})
    # Known from elsewhere: printf '{"a":1}' | sha256sum
    assert digest_of({"a": 1}) == "015abd7f5cc57a2d"


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_writing_makes_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c.json"
    write_json(path, {"z": 1, "ä": [2]})
    assert path.read_text(encoding="utf-8") == '{\n  "z": 1,\n  "ä": [\n    2\n  ]\n}\n'
    assert leftovers(path.parent) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("mine")])
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises((UserError, ValueError)), writing(path) as stream:
        stream.write(b"half of the n")
        raise error
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == []


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    child = os.fork()
    if child == 0:
        with writing(path) as stream:
            stream.write(b"new")
            stream.flush()
            os._exit(0)  # as SIGKILL would: nothing is cleaned up
    os.waitpid(child, 0)
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == []


def test_what_a_killed_library_leaves_goes_with_the_next_write(tmp_path: Path) -> None:
    """A living writer's file stays, and so does one that only looks similar."""
    path = tmp_path / "picture.png"
    child = os.fork()
    if child == 0:
        write_with(path, lambda temporary: os._exit(temporary.write_bytes(b"half") * 0))
    os.waitpid(child, 0)
    assert len(leftovers(tmp_path)) == 1
    similar = ".picture.png.part"
    (tmp_path / similar).touch()
    with writing(path) as stream:
        stream.write(b"first")
        alive = [leftover for leftover in leftovers(tmp_path) if leftover != similar]
        assert len(alive) == 1, "the killed one's is there still"
        write_with(path, lambda temporary: temporary.write_bytes(b"second"))
        assert set(leftovers(tmp_path)) == {similar, *alive}
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EROFS, "choose another `results` folder"),
        (errno.EACCES, "choose another `results` folder"),
        (errno.EIO, "check the folder"),
    ],
)
@pytest.mark.parametrize("way", ["bytes", "library"])
def test_an_obstacle_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str, way: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError) as caught:
        if way == "bytes":
            write_bytes(path, b"new")
        else:
            write_with(path, lambda temporary: temporary.write_bytes(b"new"))
    assert str(caught.value).startswith(f"{path}: cannot be written: {os.strerror(number)}; ")
    assert remedy in str(caught.value)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


class LibraryError(Exception):
    """What a library raises that wraps the system's errors in its own."""


@pytest.mark.parametrize("error", [OSError("12 requested and 4 written"), LibraryError("I/O error")])
def test_a_library_that_does_not_say_why_is_asked_about_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """NumPy and safetensors hide the system's error number: a disk without space speaks for itself."""

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise error

    for module in (disk, files):
        monkeypatch.setattr(module, "free_bytes", lambda folder: 0)
    with pytest.raises(UserError, match="the disk is full: free some space"):
        write_with(tmp_path / "file.bin", fail)
    assert leftovers(tmp_path) == []
    for module in (disk, files):
        monkeypatch.setattr(module, "free_bytes", lambda folder: 1 << 40)
    expected = UserError if isinstance(error, OSError) else LibraryError
    with pytest.raises(expected):
        write_with(tmp_path / "file.bin", fail)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / "results/record.json", "{}")


def test_a_library_writes_through_a_neighbour_of_the_same_suffix(tmp_path: Path) -> None:
    seen: list[Path] = []

    def save(temporary: Path) -> None:
        seen.append(temporary)
        temporary.write_bytes(b"content")

    path = tmp_path / "deep/picture.png"
    write_with(path, save)
    assert path.read_bytes() == b"content"
    assert seen[0].name == "picture.png"
    assert seen[0] != path
    assert leftovers(path.parent) == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[1, 2"])
def test_a_json_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_json(path, "the record")
    assert str(caught.value).startswith(f"{path}: the record cannot be read")
    assert "delete it and run the same command again" in str(caught.value)


def test_a_json_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"record\.json: the record not found"):
        read_json(tmp_path / "record.json", "the record")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600), (0o027, 0o640)])
def test_permissions_are_what_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    """Whatever a library makes of its own file: a group that shares results can go on with them."""

    def save(temporary: Path) -> None:
        temporary.unlink()
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))

    before = os.umask(umask)
    try:
        write_text(tmp_path / "ours", "x")
        write_with(tmp_path / "library", save)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "library")] == [mode, mode]


@pytest.mark.parametrize("way", ["bytes", "library"])
def test_file_and_folder_are_on_the_disk_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The bytes before the name, and the name, which the folder holds, at the end."""
    path, done = tmp_path / "file.bin", []
    fsync, replace = os.fsync, Path.replace

    def flushed(file: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(file).st_mode)
        done.append("folder" if is_folder else f"{os.fstat(file).st_size} bytes")
        fsync(file)

    def renamed(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    if way == "bytes":
        write_bytes(path, b"12345")
    else:
        write_with(path, lambda temporary: temporary.write_bytes(b"12345"))
    assert done == ["5 bytes", "rename", "folder"]

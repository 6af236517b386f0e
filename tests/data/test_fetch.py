"""Fetching, from a server on this machine: resume, checksum, hosts that fail."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.servers import LocalServer

from gantry.data import fetch as fetching
from gantry.data.fetch import Download, fetch
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

CONTENT = bytes(range(256)) * 20_000
SPEC = DatasetSpec(
    title="CIFAR-10", source="cifar10", path="cifar", looks_for=("a.bin",), acquisition="By hand."
)


class Server(LocalServer):
    """Serves CONTENT at any path; `behaviour` makes it fail, `ranges` keeps what was asked for."""

    behaviour = "well"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[int] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.server.ranges.append(first)
        if self.server.behaviour == "absent":
            self.send_error(404)
            return
        if first >= len(CONTENT):
            self.send_error(416)
            return
        without_ranges = self.server.behaviour == "without ranges"
        body = CONTENT if without_ranges else CONTENT[first:]
        self.send_response(200 if without_ranges else 206)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.server.behaviour == "breaks off" else body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    with Server() as running:
        url = f"http://127.0.0.1:{running.server_port}/a.bin"
        download = Download(url, "a.bin", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
        monkeypatch.setitem(fetching.DOWNLOADS, "cifar10", download)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_fetched_once_and_whole(server, tmp_path):
    assert fetch(SPEC, "cifar10", tmp_path) == tmp_path / "cifar/a.bin"
    assert (tmp_path / "cifar/a.bin").read_bytes() == CONTENT
    fetch(SPEC, "cifar10", tmp_path)
    assert server.ranges == [0] and [p.name for p in (tmp_path / "cifar").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("behaviour", ["well", "without ranges"])
def test_a_broken_download_goes_on(server, tmp_path, behaviour):
    server.behaviour = "breaks off"
    with pytest.raises(UserError, match="3 MB are here: run the same command again"):
        fetch(SPEC, "cifar10", tmp_path)
    assert not (tmp_path / "cifar/a.bin").exists()
    server.behaviour = behaviour
    fetch(SPEC, "cifar10", tmp_path)
    assert (tmp_path / "cifar/a.bin").read_bytes() == CONTENT and server.ranges == [0, len(CONTENT) // 2]


def test_killed_between_the_last_byte_and_the_check(server, tmp_path):
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar/.a.bin.part").write_bytes(CONTENT)
    fetch(SPEC, "cifar10", tmp_path)
    assert (tmp_path / "cifar/a.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_deleted(server, tmp_path):
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar/.a.bin.part").write_bytes(b"something else")
    with pytest.raises(UserError, match=r"the checksum of what came is .*it is deleted"):
        fetch(SPEC, "cifar10", tmp_path)
    assert list((tmp_path / "cifar").iterdir()) == []


def test_a_host_that_has_no_such_file_or_is_down(server, tmp_path):
    server.behaviour = "absent"
    with pytest.raises(UserError, match=r"(?s)a\.bin: data set cifar10: Not Found.*By hand\."):
        fetch(SPEC, "cifar10", tmp_path)
    server.server_close()
    server.shutdown()
    with pytest.raises(UserError, match=r"(?s)a\.bin: data set cifar10: .*refused.*By hand\."):
        fetch(SPEC, "cifar10", tmp_path)


def test_what_cannot_be_downloaded_says_how_to_get_it(tmp_path, repository: Path):
    import yaml

    entries = yaml.safe_load((repository / "workflow/datasets.yaml").read_text())
    spec = DatasetSpec.model_validate(entries["celeba"])
    with pytest.raises(
        UserError, match=r"(?s)celeba \(CelebA\) cannot be downloaded.*img_align_celeba\.zip \(1\.4 GB"
    ):
        fetch(spec, "celeba", tmp_path)


def test_no_room_and_no_right_to_write(server, tmp_path, monkeypatch):
    import shutil

    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))
        with pytest.raises(UserError, match=r"downloading a\.bin.* needs 0\.0 GB"):
            fetch(SPEC, "cifar10", tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        fetch(SPEC, "cifar10", tmp_path / "file")

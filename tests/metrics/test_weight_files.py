"""The Inception's weights: found, downloaded once from a server on this machine, checked, and said to be missing."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.servers import LocalServer

from gantry.cli import run
from gantry.errors import UserError
from gantry.metrics import weight_files
from gantry.metrics.names import FEATURE_NETWORKS
from gantry.metrics.weight_files import WeightsFile, find_inception, missing_weights

CONTENT = b"the weights" * 1000


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT from where it is asked for, and counts."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Range"])
        first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.send_response(206)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        self.wfile.write(CONTENT[first:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """What the server was asked for; its file takes the place of both published ones, and all caches are empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.asked.clear()
    with LocalServer(("127.0.0.1", 0), Handler) as server:
        digest = hashlib.sha256(CONTENT).hexdigest()
        file = WeightsFile("w.pth", f"http://127.0.0.1:{server.server_port}/w.pth", digest, (), 96)
        files = {"torchscript": file, "state_dict": file}
        monkeypatch.setattr(weight_files, "published_files", lambda: files)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Handler.asked
        server.shutdown()


def test_fetch_gets_them_once_and_says_where_they_are(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "cache/gantry/w.pth"
    assert missing_weights("inception", None).startswith(
        "the weights of feature network inception are not here"
    )
    assert run(["fetch", "inception"]) == 0
    assert place.read_bytes() == CONTENT
    assert f"{place}: downloaded, its SHA-256 is the published one" in capsys.readouterr().out
    assert missing_weights("inception", None) == ""
    assert run(["fetch", "inception"]) == 0
    assert f"{place}: there already, its SHA-256 is the published one" in capsys.readouterr().out
    assert asked == ["bytes=0-"]


def test_a_download_that_was_cut_goes_on(asked: list[str], tmp_path: Path) -> None:
    part = tmp_path / "cache/gantry/.w.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:500])
    assert find_inception(None, ("state_dict",), "inception").read_bytes() == CONTENT
    assert asked == ["bytes=500-"] and not part.exists()


def test_other_bytes_are_refused_and_deleted(asked: list[str], tmp_path: Path) -> None:
    part = tmp_path / "cache/gantry/.w.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"other" * 100)
    with pytest.raises(UserError, match=r"the checksum of what came is .*it is deleted"):
        find_inception(None, ("state_dict",), "inception")
    assert list(part.parent.iterdir()) == []


def test_a_cached_file_that_is_another_is_refused(asked: list[str], tmp_path: Path) -> None:
    place = tmp_path / "cache/gantry/w.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half of")
    with pytest.raises(
        UserError, match=r"w\.pth: SHA-256 is .*another file of this name, or one that is cut off"
    ):
        find_inception(None, ("state_dict",), "inception")
    assert asked == []


def test_without_a_network_it_says_where_to_get_them(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    assert run(["fetch", "inception"]) == 2
    said = capsys.readouterr().err
    assert "no route to host" in said and "put w.pth or w.pth into " in said and "Traceback" not in said


def test_a_path_that_is_configured_is_not_searched_for(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights for feature network"):
        find_inception(tmp_path / "absent.pt", ("state_dict",), "inception")
    assert "absent.pt is not there" in missing_weights("inception", tmp_path / "absent.pt")
    (tmp_path / "mine.npz").touch()
    assert missing_weights("inception-768", tmp_path / "mine.npz") == ""
    assert asked == []


@pytest.mark.parametrize("network", FEATURE_NETWORKS)
def test_every_network_can_be_asked_for(
    network: str, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that are no download say where theirs come from."""
    code = run(["fetch", network])
    said = capsys.readouterr()
    assert code == (0 if network.startswith("inception") else 2)
    assert "SHA-256" in said.out or "nothing to fetch" in said.err or "uv pip install" in said.err

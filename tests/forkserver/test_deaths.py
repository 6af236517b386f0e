"""Nobody's death harms anybody else: of a caller, a job, or the server."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from tests.forkserver.conftest import ask_apart, ended, needs_proc, servers, wait_for

from gantry.system import forkserver
from gantry.system.forkserver import client, server
from gantry.system.signals import EXIT_CONTINUE


def test_the_job_of_a_killed_caller_stops_in_good_order(place: Path, tmp_path: Path) -> None:
    caller = ask_apart(["wait", str(tmp_path)])
    wait_for((tmp_path / "ready").exists)
    os.kill(caller, signal.SIGKILL)
    assert ended(caller) == -signal.SIGKILL
    wait_for((tmp_path / "told").exists)
    wait_for(lambda: (tmp_path / "told").read_text() == "SIGTERM")
    assert forkserver.run(["tell", "4"]) == 4 and len(servers(place)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_server_frees_its_place_at_once(place: Path, tmp_path: Path) -> None:
    """Its caller is told to run again, its job stops in good order, and meanwhile another server starts."""
    caller = ask_apart(["wait", str(tmp_path), "5"], tmp_path / "out")
    job = int(wait_for(lambda: (tmp_path / "ready").exists() and (tmp_path / "ready").read_text()))
    (process,) = servers(place)
    os.kill(process, signal.SIGKILL)
    assert ended(caller) == EXIT_CONTINUE
    assert "the forkserver ended; run the same command again" in (tmp_path / "out").read_text()
    wait_for(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == "SIGTERM")
    assert forkserver.run(["tell", "4"]) == 4
    assert len(servers(place)) == 2
    os.kill(job, 0)  # it is still at work: the new server did not wait for it


@needs_proc
def test_callers_that_break_off_leave_nothing_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.2)
    assert forkserver.run(["tell", "0"]) == 0
    (process,) = servers(place)

    def files() -> int:
        return len(list(Path(f"/proc/{process}/fd").iterdir()))

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(place / "socket"))
        return connection

    def request(arguments: list[str]) -> bytes:
        return json.dumps({"arguments": arguments, "folder": "/", "environment": {}}).encode()

    payload = request(["tell", "0"])
    before = files()
    with connect():
        pass
    for head, body in ((len(payload), payload[:5]), (3, b"{ }"), (1 << 40, b""), (2, b"{]"), (4, b"null")):
        with connect() as connection:
            socket.send_fds(connection, [head.to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(body)
    with connect() as connection:  # asks, and has gone before it is answered
        socket.send_fds(connection, [len(payload).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(payload)
    with connect():  # says nothing, and stays
        assert forkserver.run(["tell", "4"]) == 4
    assert servers(place) == [process]
    # At most as many: an earlier caller may still have been on its way out when they were counted.
    wait_for(lambda: files() <= before)


@needs_proc
def test_jobs_and_server_collect_no_files(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = []
    for _ in range(3):
        assert forkserver.run(["files"]) == 0
        counts.append(capfd.readouterr().out)
    assert len(set(counts)) == 1


def test_a_server_that_cannot_fork_lets_the_caller_do_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = server.Server.serve

    def serve_without_fork(self: server.Server) -> None:
        def fork() -> int:
            raise BlockingIOError("Resource temporarily unavailable")

        os.fork = fork  # in the server's process only
        serve(self)

    monkeypatch.setattr(server.Server, "serve", serve_without_fork)
    assert [forkserver.run(["tell", "0"]) for _ in range(2)] == [None, None]
    assert len(servers(place)) == 1


def test_a_job_that_dies_before_it_begins_is_done_by_the_caller(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(number: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(server, "die_with_parent", die)
    assert forkserver.run(["tell", "0"]) is None
    assert len(servers(place)) == 1


def test_no_server_means_that_the_caller_does_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        def __init__(self, path: Path) -> None:
            pass

        def poll(self) -> int:
            return 1

    monkeypatch.setattr(client, "_start", Failed)
    assert forkserver.run(["tell", "0"]) is None

    def forbidden() -> Path:
        raise PermissionError("belongs to somebody else")

    monkeypatch.setattr(client, "address", forbidden)
    assert forkserver.run(["tell", "0"]) is None

"""One server for all callers, for as long as they come."""

import fcntl
import os
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from tests.forkserver.conftest import ask_apart, ended, servers, wait_for

import gantry
from gantry.system import forkserver
from gantry.system.forkserver import server
from gantry.system.forkserver.socket import address
from gantry.system.signals import EXIT_CONTINUE


def test_callers_at_once_start_one_server_and_run_side_by_side(place: Path, tmp_path: Path) -> None:
    folders = [tmp_path / str(index) for index in range(4)]
    for folder in folders:
        folder.mkdir()
    callers = [ask_apart(["wait", str(folder)]) for folder in folders]
    for folder in folders:
        wait_for((folder / "ready").exists)
    for caller in callers:
        os.kill(caller, signal.SIGTERM)
    assert [ended(caller) for caller in callers] == [EXIT_CONTINUE] * 4
    assert len(servers(place)) == 1


def test_an_idle_server_ends_and_the_next_caller_starts_another(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.1)
    caller = ask_apart(["wait", str(tmp_path)])
    wait_for((tmp_path / "ready").exists)
    before = servers(place)  # on a busy machine one may have left before its first caller came
    time.sleep(0.5)
    assert (place / "socket").exists()  # at work, not idle
    assert servers(place) == before
    os.kill(caller, signal.SIGTERM)
    assert ended(caller) == EXIT_CONTINUE
    wait_for(lambda: not (place / "socket").exists())
    assert forkserver.run(["tell", "3"]) == 3
    assert len(servers(place)) > len(before)


def test_a_server_that_is_leaving_is_waited_for(place: Path) -> None:
    """It holds the lock and listens no more: the caller starts another as soon as it has gone."""
    lock = (place / "socket.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    timer = threading.Timer(0.5, lock.close)
    timer.start()
    assert forkserver.run(["tell", "3"]) == 3
    timer.join()
    assert len(servers(place)) == 1


def test_a_socket_left_by_a_killed_server_is_no_obstacle(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "socket"))
    assert forkserver.run(["tell", "3"]) == 3


def test_the_address_changes_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gantry"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(gantry, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = address()
    assert address() == first and first.parent.stat().st_mode & 0o777 == 0o700
    (package / "new.py").touch()
    os.utime(package / "new.py", (1 << 33, 1 << 33))
    assert address() != first

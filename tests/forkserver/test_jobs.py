"""A job in the forkserver is the job itself: folder, environment, files, exit code, signals."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.forkserver.conftest import ask_apart, ended, forked, servers, wait_for

from gantry.system import forkserver
from gantry.system.forkserver import client
from gantry.system.signals import EXIT_CONTINUE, WATCHED


def test_the_job_has_the_callers_folder_environment_and_files(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert forkserver.run(["tell", "0"]) == 0  # the server starts here, and keeps nothing of here
    capfd.readouterr()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONLY_NOW", "ä\udc80")
    monkeypatch.delenv("HOME", raising=False)
    assert forkserver.run(["tell", "7"]) == 7
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert told["folder"] == str(tmp_path) and told["environment"] == dict(os.environ)
    assert err == "to stderr\n" and len(servers(place)) == 1


def test_the_job_has_the_callers_umask_priority_and_temporary_folder(place: Path, tmp_path: Path) -> None:
    """Those of another caller, that is, than the one that started the server."""
    assert forkserver.run(["tell", "0"]) == 0

    def work() -> int:
        os.umask(0o027)
        os.nice(3)
        os.environ["TMPDIR"] = str(tmp_path)
        return forkserver.run(["tell", "0"]) or 0

    nice = os.getpriority(os.PRIO_PROCESS, 0)
    assert ended(forked(work, tmp_path / "out")) == 0
    told = json.loads(next(line for line in (tmp_path / "out").read_text().splitlines() if line[0] == "{"))
    assert (told["umask"], told["temporary"], told["priority"]) == (0o027, str(tmp_path), min(nice + 3, 19))
    assert len(servers(place)) == 1


def test_the_job_prints_in_the_callers_encoding(place: Path, tmp_path: Path) -> None:
    """Into a pipe, which is none of the server's files."""
    assert forkserver.run(["tell", "0"]) == 0
    reader, writer = os.pipe()

    def work() -> int:
        os.dup2(writer, 1)
        sys.stdout = open(1, "w", encoding="latin-1", closefd=False)  # noqa: SIM115
        return forkserver.run(["say", "é ↓"]) or 0

    child = forked(work, tmp_path / "out")
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    assert ended(child) == 0 and said == "é ".encode("latin-1") + b"v\n"


def test_standard_input_is_the_callers(place: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the caller")

    def work() -> int:
        os.dup2(os.open(tmp_path / "in", os.O_RDONLY), 0)
        return forkserver.run(["read"]) or 0

    assert ended(forked(work, tmp_path / "out")) == 0
    assert (tmp_path / "out").read_text() == "FROM THE CALLER\n"


def test_every_end_has_its_exit_code(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codes = [forkserver.run([name]) for name in ("argparse", "defect", "die")]
    assert codes == [2, 1, 128 + signal.SIGKILL]
    assert "RuntimeError: a defect" in capfd.readouterr().err
    assert forkserver.run(["tell", "75"]) == EXIT_CONTINUE
    assert len(servers(place)) == 1


def test_a_reader_that_has_gone_ends_the_job_and_not_the_server(place: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    def work() -> int:
        os.dup2(writer, 1)
        return forkserver.run(["tell", "0"]) or 0

    assert ended(forked(work)) == 0
    os.close(writer)
    assert forkserver.run(["tell", "4"]) == 4 and len(servers(place)) == 1
    assert (place / "socket").exists()


@pytest.mark.parametrize("number", WATCHED)
def test_signals_are_passed_on(number: signal.Signals, place: Path, tmp_path: Path) -> None:
    caller = ask_apart(["wait", str(tmp_path)])
    wait_for((tmp_path / "ready").exists)
    os.kill(caller, number)
    assert ended(caller) == EXIT_CONTINUE
    assert (tmp_path / "told").read_text() == number.name


def test_signals_before_the_job_is_known_are_kept_for_it() -> None:
    relay = client.Relay()
    relay(signal.SIGTERM, None)
    job = forked(lambda: time.sleep(60) or 0)
    relay.pass_on_to(job)
    assert ended(job) == -signal.SIGTERM
    relay(signal.SIGTERM, None)  # it has gone: nothing to tell, no error


def test_signals_without_a_job_are_the_callers_own(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(connection: socket.socket, arguments: list[str]) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise ConnectionResetError

    monkeypatch.setattr(client, "_submit", fails)
    assert ended(ask_apart(["tell", "0"])) == -signal.SIGTERM


def test_handlers_are_put_back(place: Path) -> None:
    before = [signal.getsignal(number) for number in WATCHED]
    assert forkserver.run(["tell", "0"]) == 0
    assert [signal.getsignal(number) for number in WATCHED] == before

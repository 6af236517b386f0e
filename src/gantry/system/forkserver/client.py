"""The caller's side: hand a command to the server, pass signals on to its job, come back with its exit code."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from gantry.system.forkserver.socket import address, claimed
from gantry.system.signals import EXIT_CONTINUE, handled_by

START_SECONDS = 180.0  # importing everything takes that long on a machine with much else to do


def run(arguments: list[str]) -> int | None:
    """Have the server run the command; return its exit code, or None if the caller must do it itself."""
    try:
        path = address()
    except OSError as error:
        print(f"gantry: {error}; meanwhile each job starts by itself, which is slower", file=sys.stderr)
        return None
    try:
        connection = _connect(path)
    except OSError:
        return None
    with connection, _relay() as relay:
        try:
            answers = _submit(connection, arguments)
            relay.pass_on_to(_answer(answers, "job"))
            connection.settimeout(None)
        except (OSError, ValueError):
            return None
        try:
            return _answer(answers, "end")
        except (OSError, ValueError):
            print("gantry: the forkserver ended; run the same command again", file=sys.stderr)
            return EXIT_CONTINUE


def _answer(answers: IO[str], word: str) -> int:
    """Read a line `word` and a number; ValueError if it is another, or none."""
    found, _, number = answers.readline().partition(" ")
    if found != word:
        raise ValueError(f"{found!r} in place of {word!r}")
    return int(number)


def _submit(connection: socket.socket, arguments: list[str]) -> IO[str]:
    """Send a request; return the stream of answers: 'job' and its process, then 'end' and its exit code."""
    os.umask(umask := os.umask(0o077))  # there is no other way to ask for it
    request = {
        "arguments": arguments,
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "encoding": sys.stdout.encoding if sys.stdout else None,
        "umask": umask,
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [],
    }
    payload = json.dumps(request).encode()
    socket.send_fds(connection, [len(payload).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(payload)
    connection.settimeout(START_SECONDS)
    return connection.makefile("r")


class Relay:
    """Handler of signals that are meant for the job; keeps them until the job's process is known."""

    def __init__(self) -> None:
        self.job: int | None = None
        self.kept: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.job is None:
            self.kept.append(number)
        else:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.job, number)

    def pass_on_to(self, job: int) -> None:
        """Send `job` what was kept, and from now on every signal."""
        self.job = job
        for number in self.kept:
            self(number, None)


@contextlib.contextmanager
def _relay() -> Iterator[Relay]:
    """Relay signals inside; afterwards, if there has been no job, they are this process's own."""
    relay = Relay()
    try:
        with handled_by(relay):
            yield relay
    finally:
        if relay.job is None:
            for kept in relay.kept:
                os.kill(os.getpid(), kept)


def _connect(path: Path) -> socket.socket:
    """Connect to the server at `path`, starting it if there is none; OSError if that fails."""
    server: subprocess.Popen[bytes] | None = None
    give_up = time.monotonic() + START_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            connection.close()
        ended = None if server is None else server.poll()
        if ended or time.monotonic() > give_up:
            raise ConnectionError(f"no server at {path}")
        # A server that gave way to another ends with 0; that other one may have ended since, idle or killed.
        if (server is None or ended == 0) and _is_free(path):
            server = _start(path)
        time.sleep(0.05)


def _is_free(path: Path) -> bool:
    with claimed(path) as lock:
        return lock is not None


def _start(path: Path) -> subprocess.Popen[bytes]:
    # One thread for the libraries' pools: a fork copies only the thread that calls it.
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GANTRY_FORKSERVER="0")
    return subprocess.Popen(
        [sys.executable, "-m", "gantry.system.forkserver", str(path)],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

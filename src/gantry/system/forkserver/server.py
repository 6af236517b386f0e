"""The server's side: a single-threaded process that forks a child for every request."""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

from gantry.system.forkserver.socket import claimed
from gantry.system.orphans import die_with_parent
from gantry.system.terminal import reopen

IDLE_SECONDS = 30.0
RECEIVE_SECONDS = 5.0  # for a caller to say what it wants; nobody else is served meanwhile
# Runs one command of the command line and returns its exit code.
Run = Callable[[list[str]], int]


def serve_at(path: Path, load: Callable[[], Run]) -> None:
    """Listen at `path` until idle; leave at once if another server is there, or on its way."""
    with claimed(path) as lock:
        if lock is None:
            return
        run = load()
        path.unlink(missing_ok=True)  # left by a server that was killed
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        try:
            Server(listener, lock, run).serve()
        finally:
            path.unlink(missing_ok=True)


class Server:
    """Forks a child for every request and reports its exit code; single-threaded throughout."""

    def __init__(self, listener: socket.socket, lock: IO[str], run: Run) -> None:
        self.listener = listener
        self.lock = lock
        self.run = run
        self.callers: dict[int, socket.socket] = {}
        self.busy_at = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer until nobody has asked for a while."""
        while self.callers or time.monotonic() - self.busy_at < IDLE_SECONDS:
            for key, _ in self.selector.select(timeout=0.05 if self.callers else 1.0):
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._caller_has_gone(key.data)
            self._reap()

    def _accept(self) -> None:
        files: list[int] = []
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        try:
            connection.settimeout(RECEIVE_SECONDS)
            head, files, _, _ = socket.recv_fds(connection, 8, 3)
            with connection.makefile("rb") as stream:
                request = json.loads(stream.read(int.from_bytes(head, "big")))
            connection.settimeout(None)
            server = os.getpid()
            child = os.fork()
            if child == 0:
                self._become(request, files, connection, server)
        except (OSError, ValueError, MemoryError, OverflowError):
            connection.close()  # the caller does the job itself
            return
        finally:
            for file in files:
                os.close(file)
        self.callers[child] = connection
        self.busy_at = time.monotonic()
        self.selector.register(connection, selectors.EVENT_READ, data=child)

    def _become(
        self, request: dict[str, Any], files: list[int], connection: socket.socket, server: int
    ) -> NoReturn:
        """Be the job: take over the caller's files, folder and environment, run the command, exit."""
        code = 1
        try:
            die_with_parent(signal.SIGTERM)
            if os.getppid() != server:
                raise ConnectionAbortedError("the server has died")
            # From here on the caller knows that its job is being done, and does not do it itself.
            connection.sendall(f"job {os.getpid()}\n".encode())
            # The lock too: a job that outlives a killed server must not keep the next one from starting.
            self.selector.close()
            self.lock.close()
            for own in (self.listener, connection, *self.callers.values()):
                own.close()
            for target, file in enumerate(files):
                os.dup2(file, target)
                os.close(file)
            _be_like_the_caller(request)
            code = self.run(request["arguments"])
        except SystemExit as end:  # argparse's
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)

    def _caller_has_gone(self, child: int) -> None:
        """The caller was killed: its job stops in good order, as if it had been told to."""
        connection = self.callers[child]
        with contextlib.suppress(ConnectionError):  # gone before it had read its child's number
            if connection.recv(1):
                return
        self.selector.unregister(connection)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    def _reap(self) -> None:
        while self.callers:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            connection = self.callers.pop(child, None)
            if connection is None:  # not a job: something that a library started
                continue
            with contextlib.suppress(KeyError):
                self.selector.unregister(connection)
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                connection.sendall(f"end {code if code >= 0 else 128 - code}\n".encode())
            connection.close()
            self.busy_at = time.monotonic()


def _be_like_the_caller(request: dict[str, Any]) -> None:
    """Take over what a process has of its own: folder, environment, encoding, umask, priority, processors."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # to be found again by the caller's TMPDIR
    time.tzset()
    os.umask(request["umask"])
    reopen(request["encoding"])
    with contextlib.suppress(OSError):  # only root may go before others
        os.setpriority(os.PRIO_PROCESS, 0, request["priority"])
    if request["processors"]:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, request["processors"])

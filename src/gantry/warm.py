"""A process with everything imported, which forks one child a job: short jobs start in milliseconds.

Importing PyTorch and building its first optimiser cost 4 to 8 seconds of a core, as much as a whole job of
the quick scale trains. With GANTRY_WARM=1 in the environment the command line hands its verb to this
server: the child gets the caller's arguments, environment, folder and open files, and the caller gets its
exit code and passes its signals on. Nothing else differs: a job gives the same bits either way.

The server belongs to one user, one interpreter and one version of the source; it starts with the first job
and ends when it has had none for a while. If it cannot be reached, the caller does the job itself.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gantry
from gantry.training.signals import EXIT_CONTINUE

PRELOADED = (
    "torch._dynamo",  # what the first optimiser would import
    "gantry.training.train",
    "gantry.evaluation.features",
    "gantry.evaluation.images",
    "gantry.evaluation.points",
    "gantry.plan",
    "gantry.report.make",
)
IDLE_SECONDS = 30.0
START_SECONDS = 60.0
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGURG)


def address() -> Path:
    """The socket of this user's server for this interpreter and this source."""
    source = Path(gantry.__file__).parent
    newest = max(path.stat().st_mtime_ns for path in source.rglob("*.py"))
    key = hashlib.sha256(f"{sys.executable}\0{source}\0{newest}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"gantry-warm-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder / key


# ── the caller's side ─────────────────────────────────────────────────────────────────────────────────


def ask(arguments: list[str]) -> int | None:
    """Have the server run the verb; return its exit code, or None if the caller must do it itself."""
    try:
        connection = _connect(address())
    except OSError:
        return None
    with connection:
        request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        payload = json.dumps(request).encode()
        try:
            socket.send_fds(connection, [len(payload).to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(payload)
            answers = connection.makefile("r")
            child = int(answers.readline())
        except (OSError, ValueError):
            return None
        before = {
            number: signal.signal(number, lambda number, _: os.kill(child, number)) for number in FORWARDED
        }
        try:
            code = answers.readline()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if not code:
        print("gantry: the warm process ended; run the same command again", file=sys.stderr)
        return EXIT_CONTINUE
    return int(code)


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
        if server is None:
            server = _start(path)
        if server.poll() not in (None, 0) or time.monotonic() > give_up:
            raise ConnectionError(f"no server at {path}")
        time.sleep(0.05)


def _start(path: Path) -> subprocess.Popen[bytes]:
    # One thread for the libraries' pools: a fork copies only the thread that calls it.
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GANTRY_WARM="0")
    return subprocess.Popen(
        [sys.executable, "-m", "gantry.warm", str(path)],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


# ── the server's side ─────────────────────────────────────────────────────────────────────────────────


class Server:
    """Forks a child for every request and reports its exit code; single-threaded throughout."""

    def __init__(self, listener: socket.socket, run: Callable[[list[str]], int]) -> None:
        self.listener = listener
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
        connection, _ = self.listener.accept()
        try:
            head, files, _, _ = socket.recv_fds(connection, 8, 3)
            with connection.makefile("rb") as stream:
                request = json.loads(stream.read(int.from_bytes(head, "big")))
        except (OSError, ValueError):
            connection.close()
            return
        child = os.fork()
        if child == 0:
            self._become(request, files, connection)
        for file in files:
            os.close(file)
        self.callers[child] = connection
        self.busy_at = time.monotonic()
        with contextlib.suppress(OSError):
            connection.sendall(f"{child}\n".encode())
        self.selector.register(connection, selectors.EVENT_READ, data=child)

    def _become(self, request: dict[str, object], files: list[int], connection: socket.socket) -> None:
        """Be the job: take over the caller's files, folder and environment, run the verb, exit."""
        code = 1
        try:
            die_with_parent(signal.SIGTERM)
            self.listener.close()
            connection.close()
            for other in self.callers.values():
                other.close()
            for target, file in enumerate(files):
                os.dup2(file, target)
                os.close(file)
            os.chdir(str(request["folder"]))
            os.environ.clear()
            os.environ.update(request["environment"])  # type: ignore[call-overload]
            code = self.run(list(request["arguments"]))  # type: ignore[call-overload]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _caller_has_gone(self, child: int) -> None:
        """The caller was killed: its job stops in good order, as if it had been told to."""
        connection = self.callers[child]
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
            connection = self.callers.pop(child)
            with contextlib.suppress(KeyError):
                self.selector.unregister(connection)
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                connection.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
            connection.close()
            self.busy_at = time.monotonic()


def die_with_parent(number: int) -> None:
    """Ask Linux to send this process signal `number` when its parent dies; elsewhere nothing happens."""
    set_parent_death_signal = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_parent_death_signal, number)


def main() -> None:
    """Listen at the given path; leave at once if another server is there, or on its way."""
    path = Path(sys.argv[1])
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        for module in PRELOADED:
            importlib.import_module(module)
        from gantry.cli import run

        path.unlink(missing_ok=True)  # left by a server that was killed
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        try:
            Server(listener, run).serve()
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

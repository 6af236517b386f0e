"""A process with everything imported, which forks one child a job: short jobs start in milliseconds.

Importing PyTorch and building its first optimiser cost 4 to 8 seconds of a core, as much as a whole job of
the quick scale trains. With GANTRY_WARM=1 in the environment the command line hands its verb to this
server: the child gets the caller's arguments, environment, folder and open files, and the caller gets its
exit code and passes its signals on. Priority, limits and umask are the server's. Nothing else differs: a
job gives the same bits either way.

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
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

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
RECEIVE_SECONDS = 5.0  # for a caller to say what it wants; nobody else is served meanwhile
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
            print("gantry: the warm process ended; run the same command again", file=sys.stderr)
            return EXIT_CONTINUE


def _answer(answers: IO[str], word: str) -> int:
    """Read a line `word` and a number; ValueError if it is another, or none."""
    found, _, number = answers.readline().partition(" ")
    if found != word:
        raise ValueError(f"{found!r} in place of {word!r}")
    return int(number)


def _submit(connection: socket.socket, arguments: list[str]) -> IO[str]:
    """Send a request; return the stream of answers: 'job' and its process, then 'end' and its exit code."""
    request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
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
    before = {number: signal.signal(number, relay) for number in FORWARDED}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
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
        if (server is None or ended == 0) and not _taken(path):
            server = _start(path)
        time.sleep(0.05)


def _taken(path: Path) -> bool:
    """Whether a server is at work at `path`, on its way there, or about to leave."""
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


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

    def __init__(self, listener: socket.socket, lock: IO[str], run: Callable[[list[str]], int]) -> None:
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
        """Be the job: take over the caller's files, folder and environment, run the verb, exit."""
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
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environment"])
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


def die_with_parent(number: int) -> None:
    """Ask Linux to send this process signal `number` when its parent dies; elsewhere nothing happens."""
    set_parent_death_signal = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_parent_death_signal, number)


def main() -> None:
    """Be the server at the path that the command line gives."""
    serve_at(Path(sys.argv[1]), _loaded)


def _loaded() -> Callable[[list[str]], int]:
    """Import everything; return the function that runs a verb."""
    for module in PRELOADED:
        importlib.import_module(module)
    from gantry.cli import run

    return run


def serve_at(path: Path, load: Callable[[], Callable[[list[str]], int]]) -> None:
    """Listen at `path` until idle; leave at once if another server is there, or on its way."""
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
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


if __name__ == "__main__":
    main()

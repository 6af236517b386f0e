"""What the tests of the forkserver share: servers forked from this process, which has everything imported."""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry.system import forkserver
from gantry.system.forkserver import client, server
from gantry.system.signals import EXIT_CONTINUE, WATCHED
from gantry.system.terminal import forgive

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks at /proc")
FELL_BACK = 99


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true value of `condition`."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def forked(work: Callable[[], int], out: Path | str = os.devnull) -> int:
    """Run `work` in a child with `out` for its output; its result is the exit code."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for file in (1, 2):
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND), file)
        # pytest has put its own objects here.
        sys.stdout, sys.stderr = (os.fdopen(file, "w", closefd=False) for file in (1, 2))
        code = work()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Job:
    """What the server of these tests runs in place of the command line."""

    def __call__(self, arguments: list[str]) -> int:
        return getattr(self, arguments[0])(*arguments[1:])

    def tell(self, code: str) -> int:
        os.umask(umask := os.umask(0))
        told = {"folder": str(Path.cwd()), "environment": dict(os.environ), "umask": umask}
        told["temporary"] = tempfile.gettempdir()
        told["priority"] = os.getpriority(os.PRIO_PROCESS, 0)
        print(json.dumps(told))
        print("to stderr", file=sys.stderr)
        return int(code)

    def say(self, text: str) -> int:
        forgive()
        print(text)
        return 0

    def read(self) -> int:
        print(os.read(0, 100).decode().upper())
        return 0

    def argparse(self) -> int:
        raise SystemExit(2)

    def defect(self) -> int:
        raise RuntimeError("a defect")

    def die(self) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def files(self) -> int:
        print(len(list(Path("/proc/self/fd").iterdir())))
        return 0

    def wait(self, folder: str, patience: str = "0") -> int:
        """Tell that it runs, wait for a signal, tell which, end `patience` seconds later with 75."""
        told: list[int] = []
        for number in WATCHED:
            signal.signal(number, lambda number, _: told.append(number))
        Path(folder, "ready").write_text(str(os.getpid()))
        wait_for(lambda: told)
        Path(folder, "told").write_text(signal.Signals(told[0]).name)
        time.sleep(float(patience))
        return EXIT_CONTINUE


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path for a socket, which servers of this test use; the folder gets a file for each of them."""
    folder = Path(tempfile.mkdtemp(prefix="fork-"))
    monkeypatch.setattr(client, "address", lambda: folder / "socket")
    monkeypatch.setattr(server, "IDLE_SECONDS", 20.0)
    monkeypatch.setattr(client, "START_SECONDS", 60.0)
    start_with(monkeypatch, Job())
    mine = os.getpid()
    yield folder
    assert os.getpid() == mine
    for process in servers(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
    shutil.rmtree(folder)


def start_with(monkeypatch: pytest.MonkeyPatch, run: Callable[[list[str]], int]) -> None:
    """Let callers start forked servers that run `run`."""

    class Started:
        def __init__(self, path: Path) -> None:
            self.code: int | None = None
            self.child = forked(lambda: self.serve(path))

        def serve(self, path: Path) -> int:
            def load() -> Callable[[list[str]], int]:
                (path.parent / f"server-{os.getpid()}").touch()
                return run

            server.serve_at(path, load)
            return 0

        def poll(self) -> int | None:
            if self.code is None:
                child, status = os.waitpid(self.child, os.WNOHANG)
                self.code = os.waitstatus_to_exitcode(status) if child else None
            return self.code

    monkeypatch.setattr(client, "_start", Started)


def servers(folder: Path) -> list[int]:
    """The processes that became servers."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("server-*")]


def ask_apart(arguments: list[str], out: Path | str = os.devnull) -> int:
    """A caller in a process of its own; its number."""

    def work() -> int:
        code = forkserver.run(arguments)
        return FELL_BACK if code is None else code

    return forked(work, out)

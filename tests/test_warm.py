"""The warm process: a job in it is the job itself, and nobody's death harms anybody else.

Servers are forked from this process, which has everything imported; one test starts a real one.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry import warm
from gantry.training.signals import EXIT_CONTINUE

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
        print(json.dumps({"folder": str(Path.cwd()), "environment": dict(os.environ)}))
        print("to stderr", file=sys.stderr)
        return int(code)

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
        for number in warm.FORWARDED:
            signal.signal(number, lambda number, _: told.append(number))
        Path(folder, "ready").write_text(str(os.getpid()))
        wait_for(lambda: told)
        Path(folder, "told").write_text(signal.Signals(told[0]).name)
        time.sleep(float(patience))
        return EXIT_CONTINUE


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path for a socket, which servers of this test use; the folder gets a file for each of them."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    monkeypatch.setattr(warm, "address", lambda: folder / "socket")
    monkeypatch.setattr(warm, "IDLE_SECONDS", 20.0)
    monkeypatch.setattr(warm, "START_SECONDS", 60.0)
    start_with(monkeypatch, Job())
    mine = os.getpid()
    yield folder
    assert os.getpid() == mine
    for server in servers(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(server, 0)
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

            warm.serve_at(path, load)
            return 0

        def poll(self) -> int | None:
            if self.code is None:
                child, status = os.waitpid(self.child, os.WNOHANG)
                self.code = os.waitstatus_to_exitcode(status) if child else None
            return self.code

    monkeypatch.setattr(warm, "_start", Started)


def servers(folder: Path) -> list[int]:
    """The processes that became servers."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("server-*")]


def ask_apart(arguments: list[str], out: Path | str = os.devnull) -> int:
    """A caller in a process of its own; its number."""

    def work() -> int:
        code = warm.ask(arguments)
        return FELL_BACK if code is None else code

    return forked(work, out)


# ── what passes through ───────────────────────────────────────────────────────────────────────────────


def test_the_job_has_the_callers_folder_environment_and_files(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert warm.ask(["tell", "0"]) == 0  # the server starts here, and keeps nothing of here
    capfd.readouterr()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONLY_NOW", "ä\udc80")
    monkeypatch.delenv("HOME", raising=False)
    assert warm.ask(["tell", "7"]) == 7
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert told["folder"] == str(tmp_path) and told["environment"] == dict(os.environ)
    assert err == "to stderr\n" and len(servers(place)) == 1


def test_standard_input_is_the_callers(place: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the caller")

    def work() -> int:
        os.dup2(os.open(tmp_path / "in", os.O_RDONLY), 0)
        return warm.ask(["read"]) or 0

    assert ended(forked(work, tmp_path / "out")) == 0
    assert (tmp_path / "out").read_text() == "FROM THE CALLER\n"


def test_every_end_has_its_exit_code(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codes = [warm.ask([name]) for name in ("argparse", "defect", "die")]
    assert codes == [2, 1, 128 + signal.SIGKILL]
    assert "RuntimeError: a defect" in capfd.readouterr().err
    assert warm.ask(["tell", "75"]) == EXIT_CONTINUE
    assert len(servers(place)) == 1


def test_a_reader_that_has_gone_ends_the_job_and_not_the_server(place: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    def work() -> int:
        os.dup2(writer, 1)
        return warm.ask(["tell", "0"]) or 0

    assert ended(forked(work)) == 0
    os.close(writer)
    assert warm.ask(["tell", "4"]) == 4 and len(servers(place)) == 1
    assert (place / "socket").exists()


@pytest.mark.parametrize("number", warm.FORWARDED)
def test_signals_are_passed_on(number: signal.Signals, place: Path, tmp_path: Path) -> None:
    caller = ask_apart(["wait", str(tmp_path)])
    wait_for((tmp_path / "ready").exists)
    os.kill(caller, number)
    assert ended(caller) == EXIT_CONTINUE
    assert (tmp_path / "told").read_text() == number.name


def test_signals_before_the_job_is_known_are_kept_for_it() -> None:
    relay = warm.Relay()
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

    monkeypatch.setattr(warm, "_submit", fails)
    assert ended(ask_apart(["tell", "0"])) == -signal.SIGTERM


def test_handlers_are_put_back(place: Path) -> None:
    before = [signal.getsignal(number) for number in warm.FORWARDED]
    assert warm.ask(["tell", "0"]) == 0
    assert [signal.getsignal(number) for number in warm.FORWARDED] == before


# ── deaths ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_job_of_a_killed_caller_stops_in_good_order(place: Path, tmp_path: Path) -> None:
    caller = ask_apart(["wait", str(tmp_path)])
    wait_for((tmp_path / "ready").exists)
    os.kill(caller, signal.SIGKILL)
    assert ended(caller) == -signal.SIGKILL
    wait_for((tmp_path / "told").exists)
    wait_for(lambda: (tmp_path / "told").read_text() == "SIGTERM")
    assert warm.ask(["tell", "4"]) == 4 and len(servers(place)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_server_frees_its_place_at_once(place: Path, tmp_path: Path) -> None:
    """Its caller is told to run again, its job stops in good order, and meanwhile another server starts."""
    caller = ask_apart(["wait", str(tmp_path), "5"], tmp_path / "out")
    job = int(wait_for(lambda: (tmp_path / "ready").exists() and (tmp_path / "ready").read_text()))
    (server,) = servers(place)
    os.kill(server, signal.SIGKILL)
    assert ended(caller) == EXIT_CONTINUE
    assert "the warm process ended; run the same command again" in (tmp_path / "out").read_text()
    wait_for(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == "SIGTERM")
    assert warm.ask(["tell", "4"]) == 4
    assert len(servers(place)) == 2
    os.kill(job, 0)  # it is still at work: the new server did not wait for it


@needs_proc
def test_callers_that_break_off_leave_nothing_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "RECEIVE_SECONDS", 0.2)
    assert warm.ask(["tell", "0"]) == 0
    (server,) = servers(place)

    def files() -> int:
        return len(list(Path(f"/proc/{server}/fd").iterdir()))

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
        assert warm.ask(["tell", "4"]) == 4
    assert servers(place) == [server]
    # At most as many: an earlier caller may still have been on its way out when they were counted.
    wait_for(lambda: files() <= before)


@needs_proc
def test_jobs_and_server_collect_no_files(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = []
    for _ in range(3):
        assert warm.ask(["files"]) == 0
        counts.append(capfd.readouterr().out)
    assert len(set(counts)) == 1


def test_a_server_that_cannot_fork_lets_the_caller_do_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = warm.Server.serve

    def serve_without_fork(self: warm.Server) -> None:
        def fork() -> int:
            raise BlockingIOError("Resource temporarily unavailable")

        os.fork = fork  # in the server's process only
        serve(self)

    monkeypatch.setattr(warm.Server, "serve", serve_without_fork)
    assert [warm.ask(["tell", "0"]) for _ in range(2)] == [None, None]
    assert len(servers(place)) == 1


def test_a_job_that_dies_before_it_begins_is_done_by_the_caller(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(number: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(warm, "die_with_parent", die)
    assert warm.ask(["tell", "0"]) is None
    assert len(servers(place)) == 1


def test_no_server_means_that_the_caller_does_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        def __init__(self, path: Path) -> None:
            pass

        def poll(self) -> int:
            return 1

    monkeypatch.setattr(warm, "_start", Failed)
    assert warm.ask(["tell", "0"]) is None

    def forbidden() -> Path:
        raise PermissionError("belongs to somebody else")

    monkeypatch.setattr(warm, "address", forbidden)
    assert warm.ask(["tell", "0"]) is None


# ── one server, for a while ───────────────────────────────────────────────────────────────────────────


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
    monkeypatch.setattr(warm, "IDLE_SECONDS", 0.1)
    caller = ask_apart(["wait", str(tmp_path)])
    wait_for((tmp_path / "ready").exists)
    time.sleep(0.5)
    assert (place / "socket").exists()  # at work, not idle
    os.kill(caller, signal.SIGTERM)
    assert ended(caller) == EXIT_CONTINUE
    wait_for(lambda: not (place / "socket").exists())
    assert warm.ask(["tell", "3"]) == 3
    assert len(servers(place)) == 2


def test_a_server_that_is_leaving_is_waited_for(place: Path) -> None:
    """It holds the lock and listens no more: the caller starts another as soon as it has gone."""
    lock = (place / "socket.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    timer = threading.Timer(0.5, lock.close)
    timer.start()
    assert warm.ask(["tell", "3"]) == 3
    timer.join()
    assert len(servers(place)) == 1


def test_a_socket_left_by_a_killed_server_is_no_obstacle(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "socket"))
    assert warm.ask(["tell", "3"]) == 3


def test_the_address_changes_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gantry"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(warm.gantry, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = warm.address()
    assert warm.address() == first and first.parent.stat().st_mode & 0o777 == 0o700
    (package / "new.py").touch()
    os.utime(package / "new.py", (1 << 33, 1 << 33))
    assert warm.address() != first


# ── the real thing ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def training(tmp_path: Path) -> Callable[[str, int], list[str]]:
    """`training("warm", 60)`: the arguments that train a tiny run of that name to iteration 60."""
    from gantry.data import prepare
    from gantry.plan.dataset import DatasetSpec

    options = {"count": 400, "seed": 0, "side": 3, "spacing": 2.0, "variance": 0.05}
    spec = DatasetSpec(title="points", source="gaussian_grid", options=options)
    prepare(spec, "points", tmp_path, None, tmp_path / "data")
    networks = {"family": "mlp", "width": 16, "maxout_units": 16, "maxout_pieces": 2}
    recipe = {"networks": networks, "objective": {"name": "realness", "outcomes": 5}, "batch_size": 16}
    told = json.dumps({"recipe": recipe, "dataset": {}, "seed": 0, "checkpoint_every": 6})

    def arguments(name: str, until: int) -> list[str]:
        seal = tmp_path / name / "set/recipe/seed0" / f"seal-{until}.json"
        data = str(tmp_path / "data" / "manifest.json")
        return ["train", "--spec", told, "--data", data, "--until", str(until), "--seal", str(seal)]

    return arguments


def checkpoints(folder: Path, until: int) -> list[dict[str, Any]]:
    return json.loads((folder / f"set/recipe/seed0/seal-{until}.json").read_text())["checkpoints"]


def test_a_warm_job_gives_the_bits_of_a_cold_one(
    place: Path, tmp_path: Path, training: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gantry.cli import run

    start_with(monkeypatch, run)
    assert [warm.ask(training(name, 12)) for name in ("warm", "again")] == [0, 0]
    assert ended(forked(lambda: run(training("cold", 12)))) == 0
    cold = checkpoints(tmp_path / "cold", 12)
    assert [entry["iteration"] for entry in cold] == [6, 12]
    assert checkpoints(tmp_path / "warm", 12) == cold == checkpoints(tmp_path / "again", 12)
    assert warm.ask(["train", "--until", "0"]) == 2
    assert warm.ask([*training("warm", 12)[:-2], "--seal", str(tmp_path / "seal-12.json")]) == 2


@needs_proc
def test_the_command_line_by_way_of_a_server(tmp_path: Path, training: Callable[..., list[str]]) -> None:
    """Real processes: a first call starts the server, SIGTERM ends it with 75, a second one goes on."""
    from gantry.cli import run

    temporary = tempfile.mkdtemp(prefix="warm-")
    environment = os.environ | {"GANTRY_WARM": "1", "TMPDIR": temporary}

    def gantry(arguments: list[str]) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "gantry.cli", *arguments]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def of_this_test() -> list[int]:
        mine = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if each.read_bytes().split(b"\0")[1:3] == [b"-m", b"gantry.warm"] and (
                    f"{temporary}/".encode() in each.read_bytes()
                ):
                    mine.append(int(each.parent.name))
        return mine

    try:
        first = gantry(training("warm", 6_000_000))
        state = wait_for(lambda: first.poll() or list(tmp_path.glob("warm/**/state.bin")), 900)[0]
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate(timeout=600)
        assert first.returncode == EXIT_CONTINUE
        assert "gantry: SIGTERM: state saved at iteration" in err
        done = max(int(each.stem) for each in state.parent.parent.glob("checkpoints/*"))
        assert len(of_this_test()) == 1
        second = gantry(training("warm", done + 12))
        second.communicate(timeout=600)
        assert second.returncode == 0
    finally:
        for server in of_this_test():
            os.kill(server, signal.SIGTERM)
        shutil.rmtree(temporary)
    assert ended(forked(lambda: run(training("cold", done + 12)))) == 0
    assert checkpoints(tmp_path / "warm", done + 12) == checkpoints(tmp_path / "cold", done + 12)

"""Starts the processes of a run on this machine, passes signals on to them, and says how they ended.

    python -m gantry.training.launch FOLDER

is one of them: FOLDER holds the job, and gets how it ended.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from gantry.errors import UserError
from gantry.training.signals import WATCHED, Stopped

# What the others get to end by themselves once one has ended, in seconds.
PATIENCE = 20.0
LOOK_EVERY = 0.05


def launch(processes: int, job: dict[str, Any]) -> None:
    """Have `processes` processes train together; `job` holds the arguments of `train`, as JSON.

    Raises what ended them: UserError, Stopped, or RuntimeError with the traceback of a defect.
    """
    with tempfile.TemporaryDirectory(prefix="gantry-team-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job))
        supervise([sys.executable, "-m", "gantry.training.launch", name], processes, folder)
        endings = [_ending(folder, rank) for rank in range(processes)]
    # One that was told why it ended knows better than one that lost the others.
    for kind in ("user", "stopped", "defect"):
        for rank, ending in enumerate(endings):
            if ending["kind"] == kind:
                raise ERRORS[kind](
                    ending["message"] if kind != "defect" else f"process {rank}: {ending['message']}"
                )


ERRORS: dict[str, type[Exception]] = {"user": UserError, "stopped": Stopped, "defect": RuntimeError}


def supervise(command: Sequence[str], processes: int, folder: Path) -> None:
    """Run `command` so many times, with torchrun's environment variables, until all have ended.

    Signals that ask to stop go to all. Where one ends badly the others get a moment, then SIGKILL. What all
    but the first print goes to FOLDER/printed-<rank>.
    """
    environment = os.environ | {
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    if sys.platform == "linux":
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")  # they are all here
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in WATCHED}
    try:
        with ExitStack() as files:
            for rank in range(processes):
                own = environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                printed = files.enter_context((folder / f"printed-{rank}").open("wb")) if rank else None
                children.append(subprocess.Popen(command, env=own, stdout=printed, stderr=printed))
            _wait(children)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> None:
    give_up: float | None = None
    while None in (codes := [child.poll() for child in children]):
        if give_up is None and any(codes):
            give_up = time.monotonic() + PATIENCE
        if give_up is not None and time.monotonic() > give_up:
            return
        time.sleep(LOOK_EVERY)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ending(folder: Path, rank: int) -> dict[str, str]:
    """How a process says that it ended; one that was killed says nothing."""
    path = folder / f"ended-{rank}.json"
    if path.exists():
        ending: dict[str, str] = json.loads(path.read_text())
        return ending
    printed = folder / f"printed-{rank}"
    said = printed.read_text(errors="replace").strip() if printed.exists() else ""
    return {"kind": "defect", "message": f"ended without a word (killed?). {said}".strip()}


def main() -> None:
    """Be one of the processes."""
    from gantry.training.train import train
    from gantry.warm import die_with_parent

    die_with_parent(signal.SIGTERM)
    folder, rank = Path(sys.argv[1]), os.environ["RANK"]
    job: dict[str, Any] = json.loads((folder / "job.json").read_text())
    job |= {name: Path(job[name]) for name in ("root", "manifest", "seal")}
    ending = {"kind": "done", "message": ""}
    try:
        train(**job)
    except UserError as error:
        ending = {"kind": "user", "message": str(error)}
    except Stopped as stopped:
        ending = {"kind": "stopped", "message": str(stopped)}
    except Exception:
        ending = {"kind": "defect", "message": traceback.format_exc()}
    (folder / f"ended-{rank}.json").write_text(json.dumps(ending))
    # Without the interpreter's own ending, which may wait for the others.
    sys.stderr.flush()
    os._exit(0 if ending["kind"] == "done" else 1)


if __name__ == "__main__":
    main()

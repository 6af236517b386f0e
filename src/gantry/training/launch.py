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
from gantry.system.orphans import die_with_parent
from gantry.system.signals import Stopped, handled_by

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
        told, codes = supervise([sys.executable, "-m", "gantry.training.launch", name], processes, folder)
        endings = [_ending(folder, rank) for rank in range(processes)]
    # One that was told why it ended knows better than one that lost the others.
    for kind, error in ((USER, UserError), (STOPPED, Stopped)):
        for ending in endings:
            if ending["kind"] == kind:
                raise error(ending["message"])
    killed = [(rank, -code) for rank, code in enumerate(codes) if code is not None and code < 0]
    if killed and told is not None:
        raise Stopped(f"{told}: training had not begun")
    for rank, number in killed:
        raise UserError(
            f"process {rank} of {processes} was killed by {signal.Signals(number).name}, perhaps for want of "
            "memory; run the same command again: it goes on from the last saved state"
        )
    for rank in sorted(range(processes), key=lambda rank: not codes[rank]):  # who ended badly first
        if endings[rank]["kind"] == DEFECT:
            raise RuntimeError(f"process {rank}: {endings[rank]['message']}")


DONE, USER, STOPPED, DEFECT = "done", "user", "stopped", "defect"


def supervise(command: Sequence[str], processes: int, folder: Path) -> tuple[str | None, list[int | None]]:
    """Run `command` so many times, with torchrun's environment variables, until all have ended.

    Signals that ask to stop go to all. Where one ends badly the others get a moment, then SIGKILL. What all
    but the first print goes to FOLDER/printed-<rank>. Returns the name of the last such signal, and the exit
    codes as they were when the first of them ended badly, or all had ended.
    """
    environment = os.environ | {
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    if sys.platform == "linux":
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")  # they are all here
    children: list[subprocess.Popen[bytes]] = []
    told: str | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal told
        told = signal.Signals(number).name
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    with handled_by(pass_on):
        try:
            with ExitStack() as files:
                for rank in range(processes):
                    own = environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                    printed = files.enter_context((folder / f"printed-{rank}").open("wb")) if rank else None
                    children.append(subprocess.Popen(command, env=own, stdout=printed, stderr=printed))
                codes = _wait(children)
                return told, codes
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()
                child.wait()


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> list[int | None]:
    first: list[int | None] | None = None
    give_up = float("inf")
    while None in (codes := [child.poll() for child in children]) and time.monotonic() < give_up:
        if first is None and any(codes):
            first, give_up = codes, time.monotonic() + PATIENCE
        time.sleep(LOOK_EVERY)
    return first or codes


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
    return {"kind": DEFECT, "message": f"ended without a word. {said}".strip()}


def main() -> None:
    """Be one of the processes."""
    from gantry.training.train import train

    die_with_parent(signal.SIGTERM)
    folder, rank = Path(sys.argv[1]), os.environ["RANK"]
    job: dict[str, Any] = json.loads((folder / "job.json").read_text())
    job |= {name: Path(job[name]) for name in ("root", "manifest", "record")}
    ending = {"kind": DONE, "message": ""}
    try:
        train(**job)
    except UserError as error:
        ending = {"kind": USER, "message": str(error)}
    except Stopped as stopped:
        ending = {"kind": STOPPED, "message": str(stopped)}
    except Exception:
        ending = {"kind": DEFECT, "message": traceback.format_exc()}
    (folder / f"ended-{rank}.json").write_text(json.dumps(ending))
    # Without the interpreter's own ending, which may wait for the others.
    sys.stderr.flush()
    os._exit(0 if ending["kind"] == DONE else 1)


if __name__ == "__main__":
    main()

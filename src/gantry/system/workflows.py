"""Which Snakemakes are at work in a folder: so that one that was killed leaves no lock that anybody must know of.

Snakemake locks the files of a workflow and takes the locks away when it ends; after SIGKILL they stay, and the same
command is refused. Here each Snakemake notes that it is at work. The next one sees that the last has died, and has
Snakemake itself take its locks away, if no other is alive that could hold some.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gantry.system.orphans import identity, is_alive

PLACE = Path(".gantry.lock")
EMPTY_WORKFLOW = "rule all:\n    input: []\n"


def begin(unlock: Callable[[], None], place: Path = PLACE) -> None:
    """Note in `place` that this Snakemake is at work; call `unlock` if another has died there and none is alive.

    One on another machine counts as alive: nobody can know. A folder that is read only is left as it is.
    """
    with contextlib.suppress(OSError), _edited(place) as stream:
        others = [line for line in stream.read().splitlines() if line and line != _signature()]
        dead = [line for line in others if not _is_alive(line)]
        if dead and len(dead) == len(others):
            unlock()
            others = []
        _replace(stream, [*others, _signature()])


def end(place: Path = PLACE) -> None:
    """Note that this Snakemake has ended."""
    if place.exists():
        with contextlib.suppress(OSError), _edited(place) as stream:
            others = [line for line in stream.read().splitlines() if line and line != _signature()]
            _replace(stream, others)


def equip(variables: Mapping[str, str], device: str, *, is_main: bool, is_remote: bool) -> None:
    """Set what the jobs of this Snakemake find in their environment: `variables`, the steps, and the forkserver.

    The steps are those of this installation, whether or not its environment is activated. Short jobs on a CPU share
    one process that has imported everything; GANTRY_FORKSERVER=0 turns it off. On a cluster it would be the process
    of another job.
    """
    os.environ.update(variables)
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    former = os.environ.get("GANTRY_WARM")
    if former is not None and is_main:
        print("gantry: GANTRY_WARM is called GANTRY_FORKSERVER now", file=sys.stderr)
    wanted = former or ("1" if device == "cpu" else "0")
    wanted = os.environ.get("GANTRY_FORKSERVER", wanted)
    os.environ["GANTRY_FORKSERVER"] = "0" if is_remote else wanted


def unlock_folder() -> None:
    """Have Snakemake take away all locks in the working directory: `snakemake --unlock`, with an empty workflow."""
    with tempfile.TemporaryDirectory() as folder:
        workflow = Path(folder, "Snakefile")
        workflow.write_text(EMPTY_WORKFLOW)
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--unlock",
            "--cores",
            "1",
            "--snakefile",
            str(workflow),
        ]
        done = subprocess.run(
            [*command, "--directory", str(Path.cwd()), "--workflow-profile", "none"],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        print(f"gantry: snakemake --unlock failed: {done.stderr.strip()}", file=sys.stderr)


@contextmanager
def _edited(place: Path) -> Iterator[IO[str]]:
    """`place`, opened for reading and writing by this process alone."""
    with place.open("a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        yield stream


def _replace(stream: IO[str], lines: list[str]) -> None:
    stream.seek(0)
    stream.truncate()
    stream.writelines(f"{line}\n" for line in lines)
    stream.flush()


def _signature() -> str:
    return f"{socket.gethostname()} {identity(os.getpid())}"


def _is_alive(line: str) -> bool:
    host, _, process = line.partition(" ")
    number = process.partition(":")[0]
    if host != socket.gethostname() or not number.isdecimal():
        return True
    return is_alive(process)

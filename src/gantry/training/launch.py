"""Has torchrun start the processes of a run on this machine, and says how they ended.

    python -m gantry.training.launch FOLDER

is one of them: FOLDER holds the job, and gets how it ended.
"""

import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from gantry.errors import UserError
from gantry.system.orphans import die_with_parent
from gantry.system.signals import WATCHED, Stopped, handled_by

# What torchrun runs, with the folder as its argument.
MEMBER = ("--module", "gantry.training.launch")
# What the others get to save and end once one has ended or all are told to, in seconds, unless the user says so.
PATIENCE = 120
DONE, USER, STOPPED, DEFECT = "done", "user", "stopped", "defect"


def launch(processes: int, job: dict[str, Any]) -> None:
    """Have `processes` processes train together; `job` holds the arguments of `train`, as JSON.

    Raises what ended them: UserError, Stopped, or RuntimeError with the traceback of a defect.
    """
    with tempfile.TemporaryDirectory(prefix="gantry-run-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job))
        told, failed = _torchrun(processes, folder)
        endings = [_ending(folder, rank) for rank in range(processes)]
    # One that was told why it ended knows better than one that lost the others.
    for kind, error in ((USER, UserError), (STOPPED, Stopped)):
        for ending in endings:
            if ending["kind"] == kind:
                raise error(ending["message"])
    first = next(iter(failed.values()), 0)
    if told is None and first == -signal.SIGTERM:
        told = "SIGTERM"
    if told is not None:
        raise Stopped(f"{told}: training had not begun")
    for rank, code in failed.items():
        if code < 0 and code != -signal.SIGTERM:  # which torchrun sends to the others
            raise UserError(
                f"process {rank} of {processes} was killed by {signal.Signals(-code).name}, perhaps for want of "
                "memory; run the same command again: it goes on from the last saved state"
            )
    for rank in (*failed, *range(processes)):  # who ended badly first
        if endings[rank]["kind"] == DEFECT:
            raise RuntimeError(f"process {rank}: {endings[rank]['message']}")


def _torchrun(processes: int, folder: Path) -> tuple[str | None, dict[int, int]]:
    """Run the processes until all have ended; signals that ask to stop go to all.

    What all but the first print goes to files in FOLDER/printed. Return the name of such a signal, and the exit
    codes of those that ended badly, the first of them and who went with it: the others were made to end.
    """
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(PATIENCE))
    os.environ.setdefault("LOGLEVEL", "CRITICAL")  # torchrun's own words; ours follow
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as it would, with a warning; each sets its threads itself
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # they are all here
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    def too_early(number: int, frame: FrameType | None) -> None:
        raise SignalException("before the processes began", signal.Signals(number))

    options = {
        "nproc-per-node": str(processes),
        "local-addr": "127.0.0.1",
        "signals-to-handle": ",".join(number.name for number in WATCHED),
        "log-dir": str(folder / "printed"),
        "redirects": ",".join(f"{rank}:3" for rank in range(1, processes)),
    }
    told = [f"--{name}={value}" for name, value in options.items()]
    with handled_by(too_early):
        try:
            run(parse_args(["--standalone", *told, *MEMBER, str(folder)]))
        except SignalException as stop:
            return stop.sigval.name, {}
        except ChildFailedError as error:
            first = min(failure.timestamp for failure in error.failures.values())
            together = {
                rank: failure for rank, failure in error.failures.items() if failure.timestamp <= first + 1
            }
            return None, {rank: failure.exitcode for rank, failure in together.items()}
    return None, {}


def _ending(folder: Path, rank: int) -> dict[str, str]:
    """How a process says that it ended; one that was killed says nothing."""
    path = folder / f"ended-{rank}.json"
    if path.exists():
        ending: dict[str, str] = json.loads(path.read_text())
        return ending
    printed = sorted((folder / "printed").glob(f"*/*/{rank}/std*.log"))
    said = " ".join(log.read_text(errors="replace").strip() for log in printed)
    return {"kind": DEFECT, "message": f"ended without a word. {said}".strip()}


def job_in(folder: Path) -> dict[str, Any]:
    """Return what `launch` was told: the arguments of `train`, whose files are paths again."""
    job: dict[str, Any] = json.loads((folder / "job.json").read_text())
    files = ("root", "manifest", "record", "weights")
    return job | {name: Path(job[name]) for name in files if job.get(name) is not None}


def main() -> None:
    """Be one of the processes."""
    from gantry.training.train import train

    die_with_parent(signal.SIGTERM)
    folder, rank = Path(sys.argv[1]), os.environ["RANK"]
    job = job_in(folder)
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

"""Which GPUs, or which share of one, a job takes: those that no other job of this user on this machine holds."""

import os
import random
import re
import select
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from gantry.errors import UserError
from gantry.system.lock import open_locked, try_lock
from gantry.system.temporary import private_folder

VISIBLE = "CUDA_VISIBLE_DEVICES"
# A scheduler may give each of its jobs other cards under the same numbers: each job counts its own.
SCHEDULERS_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
COUNT_SECONDS = 120.0
# Of NVIDIA's driver, of AMD's, and of Windows' in its subsystem for Linux.
DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/kfd", "/dev/dxg")


@contextmanager
def gpu_slot(
    name: str,
    count: int | None = None,
    folder: Path | None = None,
    *,
    shares: int = 1,
    gpus: int = 1,
    runs_per_gpu: int = 1,
) -> Iterator[list[str] | None]:
    """Hold GPUs that this process may use and make them the only visible ones; None where there is no choice.

    There is none on a CPU, without GPUs, and where a scheduler or a user has made exactly as many visible as are
    needed. CUDA_VISIBLE_DEVICES says which there are, by number or UUID; without it all `count`, which are counted
    if not given. Each is divided into `runs_per_gpu` shares. Held are `shares` of the emptiest GPU, or as many whole
    ones as `gpus` says. Snakemake counts and does not name them, so each job takes lock files of `folder` that are
    free; a holder that dies frees them. Must be entered before CUDA is initialised. Raises UserError if fewer than
    `gpus` are visible, or if they cannot be counted.
    """
    chosen = os.environ.get(VISIBLE)
    cards = [] if name == "cpu" else visible_gpus(chosen, count, gpus)
    if not cards or (chosen is not None and len(cards) == gpus):
        yield None
        return
    if len(cards) < gpus:
        raise UserError(
            f"processes: {gpus} takes {gpus} GPUs and {len(cards)} can be used here; set processes: {len(cards)}"
        )
    try:
        folder = folder or private_folder("gantry-gpu-slots")
    except OSError as error:
        raise UserError(f"the GPUs that are free cannot be told: {error}") from error
    job = next(
        (f"{variable}-{os.environ[variable]}" for variable in SCHEDULERS_JOBS if variable in os.environ), ""
    )
    folder = folder / re.sub(r"[^\w.-]", "_", job)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        wanted = runs_per_gpu if gpus > 1 else min(shares, runs_per_gpu)
        taken = _take(folder, cards, wanted, gpus, runs_per_gpu, held)
        # More jobs than fit: the user asked for it (--resources gpu=N above what there is): at random, then.
        with _only_visible(taken or random.sample(cards, gpus), chosen):
            yield taken


def visible_gpus(chosen: str | None, count: int | None = None, enough: int = 0) -> list[str]:
    """Return the names by which CUDA_VISIBLE_DEVICES=`chosen` knows the GPUs that this process may use.

    As CUDA reads it: numbers and UUIDs (GPU-…, MIG-…), up to the first that is neither. `count` is how many PyTorch
    sees; None has them counted, unless `chosen` names no more than `enough`.
    """
    if chosen is None:
        return [str(index) for index in range(_count() if count is None else count)]
    names = []
    for entry in chosen.split(","):
        name = entry.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", name):
            break
        names.append(name)
    if len(names) <= enough:
        return names
    return names[: _count() if count is None else count]


def is_one_seen() -> bool:
    """Whether anything on this machine speaks for a GPU: without PyTorch, and without waking a driver.

    Where nothing does, there is none; where something does, PyTorch may still find none that it can use.
    """
    if os.environ.get(VISIBLE, "0").strip() in ("", "-1"):
        return False
    return any(Path(place).exists() for place in DRIVERS) or shutil.which("nvidia-smi") is not None


def _count() -> int:
    """Ask PyTorch how many GPUs there are, in a child: where NVML is lacking, asking initialises CUDA."""
    import torch

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(torch.cuda.device_count()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answered = select.select([stream], [], [], COUNT_SECONDS)[0]
        if not answered:
            os.kill(child, signal.SIGKILL)
        said = stream.read() if answered else ""
    os.waitpid(child, 0)
    if not said.isdecimal():
        raise UserError(
            "the GPUs of this machine cannot be counted: the driver gave no answer; see what nvidia-smi says, or "
            f"name those to use: {VISIBLE}=0,1"
        )
    return int(said)


def _take(
    folder: Path, cards: Sequence[str], shares: int, gpus: int, runs_per_gpu: int, held: ExitStack
) -> list[str] | None:
    """Leave in `held` the locks of `shares` of `gpus` GPUs, the emptiest; their names, or None."""
    with (folder / "choosing.lock").open("a") as choosing:
        while not try_lock(choosing):  # two that take several locks each must not meet halfway
            time.sleep(0.01)
        free = {card: _free_locks(folder, card, shares, runs_per_gpu) for card in cards}
        wanted = 1 if shares == runs_per_gpu else 1 + shares
        fitting = [card for card, locks in free.items() if len(locks) >= wanted]
        chosen = sorted(fitting, key=lambda card: -len(free[card]))[:gpus]
        enough = len(chosen) == gpus
        for card, locks in free.items():
            for place, lock in enumerate(locks):
                if enough and card in chosen and place < wanted:
                    held.enter_context(lock)
                else:
                    lock.close()
    return [card for card in cards if card in chosen] if enough else None


def _free_locks(folder: Path, card: str, shares: int, runs_per_gpu: int) -> list[IO[str]]:
    """The GPU's own lock, exclusive for who takes all of it, and one for each share that is free."""
    card = re.sub(r"[^\w.-]", "_", card)  # the name of a MIG slice has slashes
    whole = shares == runs_per_gpu
    own = open_locked(folder / f"{card}.lock", shared=not whole)
    if own is None or whole:
        return [] if own is None else [own]
    found = (open_locked(folder / f"{card}-share{share}.lock") for share in range(runs_per_gpu))
    return [own, *(lock for lock in found if lock is not None)]


@contextmanager
def _only_visible(cards: Sequence[str], before: str | None) -> Iterator[None]:
    os.environ[VISIBLE] = ",".join(cards)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before

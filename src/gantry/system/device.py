"""Where to train: the CPU, or GPUs, or a share of one, that no other job of ours on this machine holds."""

import ctypes
import fcntl
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import torch

from gantry.errors import UserError
from gantry.sharing import runs_per_gpu


def choose_device(name: str, threads: int = 1, deterministic: bool = False) -> torch.device:
    """Return the device called `name` ('cpu' or 'cuda'), set up for training and for sampling.

    cuDNN, which rounds convolutions to TF32 unless told not to, is told; a step whose recipe wants that says
    so. `threads` counts on the CPU only. `deterministic` asks CUDA for the same bits in every run; the CPU
    gives them anyway for a fixed number of threads. Raises UserError if there is no GPU.
    """
    if name == "cpu":
        torch.set_num_threads(threads)
        # Values near zero would slow a CPU's arithmetic a hundredfold and mean nothing to training.
        torch.set_flush_denormal(True)
        _keep_freed_memory()
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            "a GPU is asked for and PyTorch sees none; choose a smaller scale (--config scale=quick), or insist "
            "on the CPU (--config device=cpu, by hand --device cpu), which takes months at paper scale"
        )
    torch.backends.cudnn.allow_tf32 = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    else:
        torch.backends.cudnn.benchmark = True
    return torch.device("cuda", torch.cuda.current_device())


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step instead of giving it back to the system.

    Every step frees and takes the same gradients; returning their pages cost 15 to 25 % where it was
    measured. Elsewhere than in glibc nothing happens.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # from malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((mmap_threshold, 1 << 30), (trim_threshold, 1 << 30), (top_pad, 64 << 20)):
        mallopt(parameter, value)


@contextmanager
def gpu_slot(
    name: str, count: int | None = None, folder: Path | None = None, *, shares: int = 1, gpus: int = 1
) -> Iterator[list[int] | None]:
    """Hold GPUs of this machine and make them the only visible ones; None where others have chosen.

    Each of the `count` GPUs is divided into `runs_per_gpu()` shares. Held are `shares` of the emptiest GPU, or
    as many whole ones as `gpus` says. Snakemake counts and does not name them, so each job takes lock files of
    `folder` that are free; a holder that dies frees them. A cluster or a user that has set
    CUDA_VISIBLE_DEVICES has chosen already. Must be entered before CUDA is initialised. Raises UserError if
    the machine has fewer than `gpus`.
    """
    if name == "cpu" or "CUDA_VISIBLE_DEVICES" in os.environ or "SLURM_JOB_ID" in os.environ:
        yield None
        return
    count = torch.cuda.device_count() if count is None else count
    if count == 0:
        yield None
        return
    if count < gpus:
        raise UserError(
            f"processes: {gpus} takes {gpus} GPUs and this machine has {count}; set processes: {count}"
        )
    folder = folder or Path(tempfile.gettempdir()) / f"gantry-gpu-slots-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        chosen = _take(folder, count, runs_per_gpu() if gpus > 1 else min(shares, runs_per_gpu()), gpus, held)
        # More jobs than fit: the user asked for it (--resources gpu=N above what there is): at random, then.
        with _only_visible(chosen or random.sample(range(count), gpus)):
            yield chosen


def _take(folder: Path, count: int, shares: int, gpus: int, held: ExitStack) -> list[int] | None:
    """Leave in `held` the locks of `shares` of `gpus` GPUs, the emptiest; their numbers, or None."""
    with (folder / "choosing.lock").open("a") as choosing:
        fcntl.flock(choosing, fcntl.LOCK_EX)  # two that take several locks each must not meet halfway
        free = {index: _free_locks(folder, index, shares) for index in range(count)}
        wanted = 1 if shares == runs_per_gpu() else 1 + shares
        fitting = [index for index, locks in free.items() if len(locks) >= wanted]
        chosen = sorted(fitting, key=lambda index: -len(free[index]))[:gpus]
        enough = len(chosen) == gpus
        for index, locks in free.items():
            for place, lock in enumerate(locks):
                if enough and index in chosen and place < wanted:
                    held.enter_context(lock)
                else:
                    lock.close()
    return sorted(chosen) if enough else None


def _free_locks(folder: Path, index: int, shares: int) -> list[IO[str]]:
    """The GPU's own lock, exclusive for who takes all of it, and one for each share that is free."""
    whole = shares == runs_per_gpu()
    own = _locked(folder / f"{index}.lock", fcntl.LOCK_EX if whole else fcntl.LOCK_SH)
    if own is None or whole:
        return [] if own is None else [own]
    names = (f"{index}-{share}.lock" for share in range(runs_per_gpu()))
    found = (_locked(folder / name, fcntl.LOCK_EX) for name in names)
    return [own, *(each for each in found if each is not None)]


def _locked(path: Path, kind: int) -> IO[str] | None:
    """The file, open and locked; None if somebody else holds it. To close it is to free it."""
    stream = path.open("a")
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return None
    return stream


@contextmanager
def _only_visible(indices: Sequence[int]) -> Iterator[None]:
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, indices))
    try:
        yield
    finally:
        del os.environ["CUDA_VISIBLE_DEVICES"]

"""Where to train: the CPU, or a GPU that no other job of ours on this machine holds."""

import ctypes
import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from gantry.errors import UserError


def choose_device(name: str, threads: int = 1, deterministic: bool = False) -> torch.device:
    """Return the device called `name` ('cpu' or 'cuda'), set up for training.

    `threads` counts on the CPU only. `deterministic` asks CUDA for the same bits in every run; the CPU
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
            "this scale trains on a GPU and PyTorch sees none; choose a smaller scale (--config scale=quick), "
            "or insist on the CPU (--config device=cpu), which takes months at paper scale"
        )
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
def gpu_slot(name: str, count: int | None = None, folder: Path | None = None) -> Iterator[int | None]:
    """Hold one of this machine's GPUs and make it the only visible one; None where others have chosen.

    Snakemake counts GPUs and does not name them, so each job takes the first free lock file of `folder`.
    A cluster or a user that has set CUDA_VISIBLE_DEVICES has chosen already. Must be entered before CUDA
    is initialised. A holder that dies frees its slot.
    """
    if name == "cpu" or "CUDA_VISIBLE_DEVICES" in os.environ or "SLURM_JOB_ID" in os.environ:
        yield None
        return
    count = torch.cuda.device_count() if count is None else count
    folder = folder or Path(tempfile.gettempdir()) / f"gantry-gpu-slots-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for index in range(count):
        with (folder / f"{index}.lock").open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            with _only_visible(index):
                yield index
            return
    if count == 0:
        yield None
        return
    # More jobs than GPUs: the user asked for it (--resources gpu=N above the number of GPUs): share one.
    with _only_visible(random.randrange(count)):
        yield None


@contextmanager
def _only_visible(index: int) -> Iterator[None]:
    os.environ["CUDA_VISIBLE_DEVICES"] = str(index)
    try:
        yield
    finally:
        del os.environ["CUDA_VISIBLE_DEVICES"]

"""The device to compute on, set up: precision, threads, determinism."""

import ctypes
import os

import torch

from gantry.errors import UserError


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
        # It would fill what is about to be overwritten, a kernel for each tensor: bits differ by nothing.
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
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

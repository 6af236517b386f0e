"""What a machine can do at most: its matrix products and its copies, as PyTorch runs them. See gpu.py."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from timing import turn

PRECISIONS = ("fp32", "tf32", "bf16")
TURNS = 3


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Let float32 products and convolutions run in float32 proper for fp32, else in TF32."""
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    yield


def product_rate(size: int, precision: str, seconds: float, device: torch.device) -> float:
    """FLOP/s of PyTorch's product of two square matrices: the peak that steps are held against."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    with products_in(precision):
        return 2 * size**3 / min(turn(lambda: a @ b, seconds, device) for _ in range(TURNS))


def copy_rate(seconds: float, device: torch.device) -> float:
    """Bytes/s of a copy within memory, read and write counted."""
    source = torch.randn(1 << (28 if device.type == "cuda" else 22), device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(turn(lambda: target.copy_(source), seconds, device) for _ in range(TURNS))


def machine(
    device: torch.device, precisions: tuple[str, ...], seconds: float, *, quick: bool
) -> dict[str, Any]:
    """What the machine is, and the most that it does."""
    from gantry.training.provenance import device_name

    on_gpu = device.type == "cuda"
    size = 8192 if on_gpu else 512
    return {
        "device": device_name(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "mps": "CUDA_MPS_PIPE_DIRECTORY" in os.environ or Path("/tmp/nvidia-mps").exists(),
        "quick": quick,
        "peak_flops": {each: product_rate(size, each, seconds, device) for each in precisions},
        "copy_bytes_per_second": copy_rate(seconds, device),
    }

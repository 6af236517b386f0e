"""The clock of the benchmarks of training: what a call takes, once the device has done it."""

import time
from collections.abc import Callable

import torch


def synchronised(device: torch.device) -> float:
    """The time, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def turn(step: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Seconds a call, over about `seconds`."""
    step()
    start = synchronised(device)
    calls = 0
    while time.perf_counter() - start < seconds:
        step()
        calls += 1
    return (synchronised(device) - start) / calls

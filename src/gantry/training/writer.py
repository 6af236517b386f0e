"""Files written beside training: the loop hands over a copy and goes on, one thread writes copies in order."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor


class Writer:
    """At most one job is under way; to hand over the next is to wait for it.

    What a job raises (a full disk, say) is raised by the next call of any method but `close`, in the thread
    that calls. The disk thus has at most one set of copies in memory, and files appear in the order of jobs.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gantry-writer")
        self._job: Future[None] | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Have `job` done once the one before is; raise what that one raised."""
        self.flush()
        self._job = self._thread.submit(job)

    def check(self) -> None:
        """Raise what the last job raised, if it has ended; wait for nothing."""
        if self._job is not None and self._job.done():
            self.flush()

    def flush(self) -> None:
        """Wait until everything is written; raise what the last job raised, once."""
        job, self._job = self._job, None
        if job is not None:
            job.result()

    def close(self) -> None:
        """Wait for the job under way, and end the thread; for the way out, so it raises nothing."""
        self._thread.shutdown(wait=True)


def to_host(content: Any, device: torch.device) -> tuple[Any, Callable[[], None]]:
    """Return `content` with copies of its tensors on the host, and what waits until they are whole.

    `content` is made of dicts, lists, tuples, tensors and plain values. From a GPU the copies go to pinned
    memory, after the kernels that were launched before; neither host nor later kernels wait for the former.
    What is done to the tensors afterwards does not reach the copies.
    """
    copied = _copied(content, _pinned if device.type == "cuda" else Tensor.clone)
    if device.type != "cuda":
        return copied, lambda: None
    sent = torch.cuda.Event()
    sent.record(torch.cuda.current_stream(device))
    return copied, sent.synchronize


def _pinned(value: Tensor) -> Tensor:
    if value.device.type == "cpu":
        return value.clone()
    return torch.empty_like(value, device="cpu", pin_memory=True).copy_(value, non_blocking=True)


def _copied(value: Any, copy: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return copy(value.detach())
    if isinstance(value, dict):
        return {key: _copied(part, copy) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(part, copy) for part in value)
    return value

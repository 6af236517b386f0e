"""Several networks at once on a GPU: each on a stream of its own, where the switch `streams` asks for it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from gantry.system.switches import is_on


class Streams(Protocol):
    """What running side by side asks of a device."""

    def current(self) -> Any:
        """Return the stream on which work is put now."""

    def side(self, number: int) -> Any:
        """Return a stream beside it, always the same one for a number."""

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        """Put work on a stream, until the end of the block."""


class CudaStreams:
    """The streams of a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def current(self) -> torch.cuda.Stream:
        return torch.cuda.current_stream(self.device)

    def side(self, number: int) -> torch.cuda.Stream:
        return _side(self.device, number)

    def on(self, stream: torch.cuda.Stream) -> AbstractContextManager[Any]:
        return torch.cuda.stream(stream)


@cache
def _side(device: torch.device, number: int) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def side_by_side(calls: Sequence[Callable[[], list[Tensor]]], device: torch.device) -> list[Tensor]:
    """Return what the calls return, in order; on a GPU, with the switch, each runs on a stream of its own."""
    if len(calls) > 1 and device.type == "cuda" and is_on("streams"):
        made = forked_and_joined(calls, CudaStreams(device))
    else:
        made = [call() for call in calls]
    return [result for part in made for result in part]


def forked_and_joined(calls: Sequence[Callable[[], list[Tensor]]], streams: Streams) -> list[list[Tensor]]:
    """Return what the calls return, each on a stream of its own, behind all that the current one has been given.

    The current one waits for all. Autograd runs the gradient of a call on the call's stream, and joins them too.
    """
    main = streams.current()
    own = [streams.side(number) for number in range(len(calls))]
    made = []
    for stream, call in zip(own, calls, strict=True):
        stream.wait_stream(main)
        with streams.on(stream):
            made.append(call())
    for stream, results in zip(own, made, strict=True):
        main.wait_stream(stream)
        for result in results:
            if result.is_cuda:
                result.record_stream(main)  # whose work must be done before the memory is used again
    return made

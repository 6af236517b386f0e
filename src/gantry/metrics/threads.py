"""Work shared out to the processor's cores: one worker a core, each of them computing on its own core alone.

Many small products, one a worker, keep every core busy; one product shared by all cores waits at its end for the
slowest, and waits longest where other programs hold a core.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of as many workers as torch has threads; inside a worker torch has one."""
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        # Torch keeps the last number that any thread asked for, and would give it to later threads.
        torch.set_num_threads(count)

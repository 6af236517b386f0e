"""Ways of running a step that are turned on by name; each leaves the results what they are, but for rounding.

A switch is a key of config.yaml and an option of `gantry train`; the processes of a run inherit it as a variable of
the environment.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

SWITCHES = {
    "compile": "networks through torch.compile where that goes",
    "whole_iterations": "on a GPU an iteration is one CUDA graph, which draws anchors and noise itself",
    "streams": "on a GPU each of several generators runs on a stream of its own",
    "fused_oadam": "optimistic Adam through PyTorch's fused Adam, in half of the kernels",
}


def variable(name: str) -> str:
    """Return the environment's variable of a switch."""
    return f"GANTRY_{name.upper()}"


def is_on(name: str) -> bool:
    """Whether the environment asks for it."""
    return os.environ.get(variable(name)) == "1"


@contextmanager
def turned_on(names: Iterable[str]) -> Iterator[None]:
    """Have this process, and those that it starts, train with these switches until the end of the block."""
    before = {name: os.environ.get(variable(name)) for name in names}
    os.environ.update(dict.fromkeys(map(variable, before), "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[variable(name)]
            else:
                os.environ[variable(name)] = value


def wanted(told: object) -> list[str]:
    """Return the switches that a configuration, or a command's options, ask for."""
    return [name for name in SWITCHES if getattr(told, name)]

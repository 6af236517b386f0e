"""Networks through `torch.compile`: fewer, larger kernels, where no gradient of a gradient is asked for.

A switch (`compile: true`, `gantry train --compile`, GANTRY_COMPILE=1), because the same network is computed in
another order of additions: losses agree within rounding, not to the bit. What is compiled is each network's forward
pass and its gradient, in place; names of weights, states and checkpoints stay what they are.
"""

from collections.abc import Iterator

from torch import nn

from gantry.methods import Method

BACKEND = "inductor"


def networks_of(method: Method) -> Iterator[nn.Module]:
    """Yield the networks that a method's phases train, once each; terms are left as they are."""
    seen = set()
    for phase in method.phases:
        for name in phase.trains:
            if name.endswith("_terms"):
                continue
            found = method.get_submodule(name)
            for network in found if isinstance(found, nn.ModuleList) else (found,):
                if id(network) not in seen and any(True for _ in network.parameters()):
                    seen.add(id(network))
                    yield network


def compile_networks(method: Method) -> None:
    """Have every network compiled when it is first called."""
    for network in networks_of(method):
        network.compile(backend=BACKEND, fullgraph=True)


def take_back(method: Method) -> None:
    """Have every network run kernel by kernel again."""
    for network in networks_of(method):
        network._compiled_call_impl = None

"""What a loss may move of what was made before it."""

from torch import Tensor


def attenuated(made: Tensor, share: float) -> Tensor:
    """Return `made` itself, of whose gradient `share` passes on to what made it."""
    return made.detach() + share * (made - made.detach())

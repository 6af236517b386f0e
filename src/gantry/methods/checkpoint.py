"""From a checkpoint to what can be asked of it."""

from pathlib import Path

from torch import nn

from gantry.errors import UserError
from gantry.files import sha256_of_file
from gantry.methods.base import Method
from gantry.methods.sampler import Sampler


def load_sampler(method: Method, path: Path, sha256: str | None = None) -> Sampler:
    """Put a checkpoint's weights into `method`; return its sampler, in eval mode on the method's device.

    Raises UserError if the file is missing, is damaged (where `sha256` is given), or does not fit the recipe.
    """
    if not path.exists():
        raise UserError(
            f"{path}: the checkpoint is missing; delete the run's work folder and its records, and run the same "
            "command again"
        )
    if sha256 is not None and sha256_of_file(path) != sha256:
        raise UserError(
            f"{path}: the checkpoint is damaged (its sha256 differs from the record's); delete the run's work "
            "folder and its records, and run the same command again"
        )
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    kept = method.kept
    try:
        weights = load_file(path)
        held = {name.partition(".")[0] for name in weights}
        if lacking := method.may_lack - held:
            kept = nn.ModuleDict({name: part for name, part in kept.named_children() if name not in lacking})
        kept.load_state_dict(weights)
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path}: the checkpoint does not fit its recipe: {error}") from error
    return method.sampler(kept.eval().requires_grad_(False))

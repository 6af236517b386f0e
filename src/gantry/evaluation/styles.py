"""Truncated and mixed styles of a trained model, for methods that have styles."""

import numpy as np
import torch

from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import WHITE, Array, Trained, inputs
from gantry.evaluation.sample import samples_of, to_uint8
from gantry.plan.blocks.sampling import LARGEST_PSI


def truncate(trained: Trained, psi: float, cutoff: int | None) -> None:
    """Have samples drawn near the mean of w from now on. UserError where there is no w, or ψ is out of range."""
    if "truncate" not in trained.sampler.can:
        raise UserError(
            f"--psi: {trained.path} has no w that could be drawn towards its mean: leave --psi and --cutoff away "
            "(networks.family stylegan has one)"
        )
    if not 0 <= psi <= LARGEST_PSI:
        raise UserError(f"--psi: {psi:g} is not from 0 (one image) to {LARGEST_PSI:g}; 1 changes nothing")
    trained.sampler.truncate(psi, cutoff)


def layers_of(text: str) -> range:
    """Return the layers that "4:8" means; UserError for anything else."""
    first, colon, last = text.partition(":")
    if not colon or not first.isdecimal() or not last.isdecimal() or int(first) >= int(last):
        raise UserError(
            f"--mix: {text} is no range of layers: give the first one and the one after the last, 0:4"
        )
    return range(int(first), int(last))


@torch.inference_mode()
def mixing_grid(
    trained: Trained, source: str, count: int, seed: int, layers: range, device: torch.device
) -> dict[str, Array]:
    """Return rows of `count` + 1 images: above and at the left the sources, which the others mix.

    An image has the styles of the source above in `layers`, and those of the source at the left in all others; noise
    is the left one's.
    """
    if "mix" not in trained.sampler.can:
        raise UserError(
            f"--mix: {trained.path} has no styles to mix: leave --mix away (networks.family stylegan has them)"
        )
    drawn = inputs(trained, 2 * count, seed)
    left = {name: value[:count].to(device) for name, value in drawn.items()}
    above = {name: value[count:].to(device) for name, value in drawn.items()}
    shown = [samples_of(trained.sampler, source, latents, device) for latents in (left, above)]
    blank = np.full_like(shown[0][:1], WHITE)
    rows = {"sources": np.concatenate([blank, shown[1]])}
    for number in range(count):
        same = {
            name: value[number : number + 1].expand(count, *value.shape[1:]) for name, value in left.items()
        }
        mixed = trained.sampler.mix(source, same, above["z"], layers)
        rows[f"mixed {number}"] = np.concatenate(
            [shown[0][number : number + 1], to_uint8(mixed).cpu().numpy()]
        )
    return rows

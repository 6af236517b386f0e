"""`gantry encode`, `reconstruct`, `invert`: the latents of pictures of one's own, and what is made of them again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.data.batches import as_input
from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import Trained
from gantry.evaluation.by_checkpoint import write as write_samples
from gantry.evaluation.sample import BATCH, to_uint8
from gantry.evaluation.translating import read, write
from gantry.files import write_with
from gantry.methods.sampler import Sampler

Images = NDArray[np.uint8]
STARTS = 64  # latents among which an inversion looks for its start
ENCODERS = "methods joint, vaegan and latent_regressor have one"


@dataclass(frozen=True)
class Rebuilt:
    """Pictures beside what a model makes of them: float (N, C, H, W) in [−1, 1], and their latents, if any."""

    real: Tensor
    made: Tensor
    codes: Tensor | None = None

    @property
    def error(self) -> float:
        """Root mean square difference, over pictures and numbers."""
        return float((self.made - self.real).square().mean().sqrt())

    @property
    def ratio(self) -> float | None:
        """The error as a share of that with other pictures' reconstructions; None for a single picture."""
        if len(self.real) < 2:
            return None
        return self.error / float((self.made.roll(1, 0) - self.real).square().mean().sqrt())

    def words(self) -> str:
        """Return how close they are, for people."""
        share = "" if self.ratio is None else f", {self.ratio:.2f} of that with the pictures exchanged"
        return f"{len(self.real)} images; root mean square error {self.error:.4f} (grey levels on [−1, 1]){share}"


def pictures(trained: Trained, paths: list[Path]) -> tuple[list[str], Tensor]:
    """Return names and float images (N, 3, R, R) at the model's size; UserError for a model of points."""
    if trained.resolution is None:
        raise UserError(f"{trained.path}: a model of points, and these are pictures: give a run on images")
    names, images = read(paths, trained.resolution)
    if not names:
        raise UserError(f"{', '.join(map(str, paths))}: no images here; give image files, or folders of them")
    return names, as_input(torch.from_numpy(images))


@torch.inference_mode()
def encode(trained: Trained, images: Tensor) -> Tensor:
    """Return the codes (N, Z) that the model's encoder reads in images."""
    if "encode" not in trained.sampler.can:
        raise UserError(
            f"{trained.path}: method {trained.recipe.method.name} has no encoder ({ENCODERS}); gantry invert "
            "searches for latents without one"
        )
    parts = images.split(BATCH)
    return torch.cat(
        [trained.sampler.encode(part.to(trained.sampler.device)).float().cpu() for part in parts]
    )


@torch.inference_mode()
def reconstruct(trained: Trained, images: Tensor) -> Rebuilt:
    """Return images beside their reconstructions."""
    if "reconstruct" not in trained.sampler.can:
        raise UserError(
            f"{trained.path}: method {trained.recipe.method.name} has no encoder, so it reconstructs nothing "
            f"({ENCODERS}); gantry invert searches for latents without one"
        )
    sampler = trained.sampler
    made = [sampler.reconstruct(part.to(sampler.device)).float().cpu() for part in images.split(BATCH)]
    return Rebuilt(images, torch.cat(made))


def invert(trained: Trained, source: str, images: Tensor, steps: int, rate: float, seed: int) -> Rebuilt:
    """Search the latents whose samples come closest to images, in squared differences of pixels, by Adam.

    A search starts from whichever of the mean latent and 63 draws is the closest. Other inputs, such as noise maps,
    are drawn once and stay.
    """
    sampler = trained.sampler
    drawn = sampler.inputs(source, range(STARTS), torch.Generator().manual_seed(seed))
    if "z" not in drawn:
        raise UserError(
            f"{trained.path}: its samples start from no latents, but from images: nothing to invert"
        )
    if "labels" in drawn:
        raise UserError(
            f"{trained.path}: its samples are asked for classes, and gantry invert knows of none: give a run of a "
            "method without labels"
        )
    parts = [
        _inverted(sampler, source, part.to(sampler.device), drawn, steps, rate)
        for part in images.split(BATCH)
    ]
    codes = torch.cat([codes for codes, _ in parts])
    return Rebuilt(images, torch.cat([made for _, made in parts]), codes)


def _inverted(
    sampler: Sampler, source: str, images: Tensor, drawn: Mapping[str, Tensor], steps: int, rate: float
) -> tuple[Tensor, Tensor]:
    starts = {name: value.to(images.device) for name, value in drawn.items()}
    starts["z"][0] = 0  # the mean latent, of both distributions
    beside = {
        name: value[:1].expand(len(images), *value.shape[1:]) for name, value in starts.items() if name != "z"
    }
    with torch.no_grad():
        made = sampler.sample(source, starts).float()
        z = starts["z"][torch.cdist(images.flatten(1), made.flatten(1)).argmin(1)].clone()
    z.requires_grad_(True)
    optimiser = torch.optim.Adam([z], lr=rate)
    best, least = z.detach().clone(), torch.full((len(images),), torch.inf, device=images.device)
    for step in range(steps + 1):
        errors = (sampler.sample(source, {"z": z, **beside}).float() - images).square().flatten(1).sum(1)
        better = errors.detach() < least
        best[better], least[better] = z.detach()[better], errors.detach()[better]
        if step < steps:
            optimiser.zero_grad(set_to_none=True)
            errors.sum().backward()
            optimiser.step()
    with torch.no_grad():
        return best.cpu(), sampler.sample(source, {"z": best, **beside}).float().cpu()


def write_codes(codes: Tensor, out: Path) -> None:
    """Write codes (N, Z) as float32 to an .npy file."""
    if out.suffix != ".npy":
        raise UserError(f"{out}: codes are written to .npy: give a name that ends so")
    write_with(out, lambda path: np.save(path, codes.numpy(), allow_pickle=False))


def write_rebuilt(rebuilt: Rebuilt, names: list[str], out: Path) -> None:
    """Write a grid (.png) with pictures above and what was made of them below, or a folder of the latter."""
    made = to_uint8(rebuilt.made).numpy()
    if out.suffix in (".png", ".npy"):
        write_samples({"real": to_uint8(rebuilt.real).numpy(), "made": made}, out, in_rows=True)
    else:
        write(made, names, out)

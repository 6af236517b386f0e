"""A trained model at hand: samples, ways between two latents, generators side by side; from one file alone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torchvision.utils import make_grid

from gantry.data.shape import DataShape
from gantry.errors import UserError, suggestion
from gantry.evaluation.sample import samples_of
from gantry.files import write_with
from gantry.methods import Sampler, build_method
from gantry.methods.checkpoint import load_sampler
from gantry.methods.latents import Truncation
from gantry.plan.recipe import Recipe
from gantry.runs.record import read_record

Array = NDArray[Any]
Inputs = Mapping[str, Tensor]
WHITE = 255


@dataclass(frozen=True)
class Trained:
    """A checkpoint, ready to be asked, with what the file's header says of it."""

    path: Path
    iteration: int
    recipe: Recipe
    resolution: int | None
    data: DataShape
    sampler: Sampler
    kept: nn.Module
    spec: dict[str, Any]
    run: Path | None = None
    """The run's folder; None for a file that was given alone."""


def load_trained(source: Path, iteration: int | None = None, device: str | torch.device = "cpu") -> Trained:
    """Load a checkpoint: a safetensors file, or a run's folder, of which the last one (or `iteration`'s).

    The file's header holds the spec, so nothing beside it is needed. Raises UserError for anything else.
    """
    run, path, sha256 = _checkpoint_of(source, iteration) if source.is_dir() else (None, source, None)
    header = _header(path)
    resolution = header["spec"]["dataset"]["resolution"]
    try:
        recipe = Recipe.of_spec(header["spec"])
    except ValidationError as error:
        raise UserError(f"{path}: its recipe is none of this version of Gantry: {error}") from None
    sample = (2,) if resolution is None else (3, resolution, resolution)
    data = DataShape.from_json(header["data"]) if "data" in header else DataShape(sample)
    method = build_method(recipe, data).to(device)
    sampler = load_sampler(method, path, sha256)
    spec = header["spec"]
    return Trained(path, header["iteration"], recipe, resolution, data, sampler, method.kept, spec, run)


def _checkpoint_of(folder: Path, iteration: int | None) -> tuple[Path, Path, str]:
    """The run's folder, the checkpoint that its records list last, or the one of `iteration`, and its SHA-256.

    `folder` is a run's, or `seed<k>` above it where that holds one run alone.
    """
    found = sorted(folder.glob("record-*.json")) or sorted(folder.glob("*/record-*.json"))
    runs = sorted({path.parent for path in found})
    if len(runs) > 1:
        listed = ", ".join(map(str, runs))
        raise UserError(f"{folder}: holds runs of {len(runs)} recipes; give the folder of one: {listed}")
    entries = {entry["iteration"]: entry for path in found for entry in read_record(path)["checkpoints"]}
    if not entries:
        raise UserError(
            f"{folder}: no recorded checkpoints here; give the folder of a finished run "
            "(…/runs/<dataset>/<recipe>/seed<k>/<digest>) or a .safetensors file"
        )
    if iteration is not None and iteration not in entries:
        known = ", ".join(map(str, sorted(entries)))
        raise UserError(f"{folder}: no checkpoint at iteration {iteration}; there are {known}")
    entry = entries[max(entries) if iteration is None else iteration]
    return runs[0], runs[0] / entry["file"], entry["sha256"]


def _header(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get("gantry_checkpoint")
    except FileNotFoundError:
        raise UserError(f"{path}: not found; give a run's folder or a .safetensors file") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a safetensors file, or damaged: {error}") from None
    try:
        header: dict[str, Any] = json.loads(text or "")
        header["iteration"], header["spec"]["recipe"], header["spec"]["dataset"]["resolution"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a checkpoint of Gantry: its header has no spec") from None
    return header


def chosen(trained: Trained, name: str | None) -> tuple[str, ...]:
    """Return the source of this name ("G2"), or all of them; UserError for a name that is none."""
    if name is None:
        return trained.sampler.sources
    if name not in trained.sampler.sources:
        known = ", ".join(trained.sampler.sources)
        raise UserError(f"--generator: {trained.path} has no {name}; it has {known}")
    return (name,)


def inputs(trained: Trained, count: int, seed: int) -> Inputs:
    """Return the inputs of `count` samples: the same for the same seed, on every device."""
    sampler, randomness = trained.sampler, torch.Generator().manual_seed(seed)
    return sampler.inputs(sampler.sources[0], range(count), randomness)


def of_classes(trained: Trained, given: Inputs, wanted: str) -> Inputs:
    """Return the inputs with these classes, in turn: names or numbers with commas between. UserError for others."""
    numbers = _classes(trained, given, wanted)
    count = len(given["labels"])
    return {**given, "labels": torch.tensor([numbers[row % len(numbers)] for row in range(count)])}


def way_between_classes(trained: Trained, steps: int, seed: int, wanted: str) -> Inputs:
    """Return inputs of one z and shares of two classes, from all of the first to all of the second."""
    given = inputs(trained, 1, seed)
    numbers = _classes(trained, given, wanted)
    if len(numbers) != 2:
        raise UserError(f"--class {wanted}: with --interpolate there are two, such as --class 3,5")
    ends = torch.eye(trained.data.classes)[numbers]
    t = torch.linspace(0, 1, steps)[:, None]
    return {"z": given["z"].expand(steps, -1), "labels": (1 - t) * ends[0] + t * ends[1]}


def _classes(trained: Trained, given: Inputs, wanted: str) -> list[int]:
    """The numbers of classes that are named by name or number."""
    if "labels" not in given or not trained.data.classes:
        raise UserError(f"--class: the generator of {trained.path} is not told classes: leave it out")
    names = list(trained.data.label_names) or [str(number) for number in range(trained.data.classes)]
    found = []
    for word in map(str.strip, wanted.split(",")):
        if word in names:
            found.append(names.index(word))
        elif word.isdigit() and int(word) < trained.data.classes:
            found.append(int(word))
        else:
            near = suggestion(word, names)
            raise UserError(f"--class {word}: no class of {trained.path}{near}; there are {', '.join(names)}")
    return found


def asked_classes(trained: Trained, given: Inputs) -> Array | None:
    """Return the classes (N,) that samples of these inputs are asked to be; None where they are asked for none."""
    labels = given.get("labels")
    if not trained.data.classes or labels is None or labels.dim() != 1:
        return None
    return labels.numpy()


def truncated(trained: Trained, given: Inputs, truncation: Truncation, seed: int) -> Inputs:
    """Return the inputs with normal latents that are narrowed so, in place of theirs."""
    latent = trained.recipe.latent
    if "z" not in given or latent.distribution != "normal":
        raise UserError(
            f"--truncation: the samples of {trained.path} start from no normal latents: leave it out"
        )
    if not truncation.at > 0:
        raise UserError(f"--truncation {truncation.at}: should be above 0, such as 0.5")
    z = truncation.draw(latent, len(given["z"]), torch.Generator().manual_seed(seed))
    return {**given, "z": z}


def way_between(trained: Trained, steps: int, seed: int) -> Inputs:
    """Return inputs whose latents (steps, dimension) go from one draw to another, both ends included.

    Normal latents go along the great circle, where their lengths stay typical; others straight. All else is
    the first draw's. UserError for a method that starts from no latents.
    """
    drawn = inputs(trained, 2, seed)
    if "z" not in drawn:
        raise UserError(
            f"--interpolate: the samples of {trained.path} start from no latents, but from images"
        )
    z = way_between_latents(drawn["z"], trained.recipe.latent.distribution != "normal", steps)
    return {name: value[:1].expand(steps, *value.shape[1:]) for name, value in drawn.items()} | {"z": z}


def way_between_latents(ends: Tensor, straight: bool, steps: int) -> Tensor:
    """Return (steps, dimension) latents from ends[0] to ends[1], straight or along the great circle."""
    start, end = ends.double()
    t = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
    if straight:
        return ((1 - t) * start + t * end).float()
    cosine = (start @ end / (start.norm() * end.norm())).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle < 1e-6:
        return ((1 - t) * start + t * end).float()
    return ((torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)).float()


def side_by_side(
    trained: Trained, sources: Iterable[str], given: Inputs, device: str | torch.device = "cpu"
) -> dict[str, Array]:
    """Return what each source makes of the same inputs: uint8 (N, H, W, 3) images or float32 (N, 2) points."""
    return {source: samples_of(trained.sampler, source, given, torch.device(device)) for source in sources}


def mixture(
    trained: Trained, sources: Sequence[str], given: Inputs, device: str | torch.device = "cpu"
) -> Array:
    """Return the equal mixture: each source makes its share of the samples, in turn over the whole."""
    count = len(next(iter(given.values())))
    parts = [
        samples_of(
            trained.sampler,
            source,
            {name: value[start :: len(sources)] for name, value in given.items()},
            torch.device(device),
        )
        for start, source in enumerate(sources)
        if start < count
    ]
    whole = np.empty((count, *parts[0].shape[1:]), dtype=parts[0].dtype)
    for start, part in enumerate(parts):
        whole[start :: len(sources)] = part
    return whole


def write(made: dict[str, Array], out: Path, in_rows: bool, labels: Array | None = None) -> None:
    """Write samples by the suffix of `out`: a grid (.png), an array (.npy), or a folder of PNG files.

    An .npz holds the samples and, where they are asked for classes, these as `labels`.

    Several generators' become (generators, N, …) in an array, squares side by side in a grid (rows below each
    other where `in_rows`), and files that end in the generator's name in a folder.
    """
    first = next(iter(made.values()))
    if out.suffix == ".npy":
        stacked = np.stack(list(made.values())) if len(made) > 1 else first
        write_with(out, lambda path: np.save(path, stacked, allow_pickle=False))
    elif out.suffix == ".npz":
        if len(made) > 1:
            raise UserError(f"--out: {out}: one table of labels is of one generator: write several to .npy")
        held = {"images" if first.ndim == 4 else "points": first} | (
            {} if labels is None else {"labels": labels}
        )
        write_with(out, lambda path: np.savez(path, allow_pickle=False, **held))
    elif out.suffix not in ("", ".png") and not out.is_dir():
        raise UserError(f"--out: {out}: write to .png, .npy, .npz or a folder (a name without a suffix)")
    elif first.ndim != 4:
        raise UserError(f"--out: {out}: these samples are points: write them to .npy")
    elif out.suffix == ".png":
        write_with(out, lambda path: Image.fromarray(picture_of(made.values(), in_rows)).save(path))
    else:
        for name, images in made.items():
            for number, image in enumerate(images):
                ending = f"-{name}" if len(made) > 1 else ""
                place, picture = out / f"{number:05d}{ending}.png", Image.fromarray(image)
                write_with(place, picture.save)


def picture_of(sources: Iterable[Array], in_rows: bool = False) -> Array:
    """Squares of tiles next to each other, or one row of tiles below the other: uint8 (H, W, 3)."""
    blocks = []
    for images in sources:
        tiles = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        across = len(tiles) if in_rows else int(np.ceil(len(tiles) ** 0.5))
        grid = make_grid(tiles, nrow=across, padding=max(1, images.shape[1] // 24), pad_value=WHITE)
        blocks.append(grid.permute(1, 2, 0).numpy())
    if in_rows:
        return np.concatenate(blocks)
    gap = np.full((blocks[0].shape[0], blocks[0].shape[0] // 24 + 1, 3), WHITE, dtype=np.uint8)
    return np.concatenate([part for block in blocks for part in (block, gap)][:-1], axis=1)

"""Pictures of one's own into latents, and back."""

import argparse
from collections.abc import Callable
from typing import Any

from gantry.commands.common import Command, Commands, command, path, positive
from gantry.errors import UserError


def add(commands: Commands) -> None:
    """Make the commands known to the parser."""
    _of_pictures(
        commands,
        "encode",
        _encode,
        "latents of your own pictures, by a trained encoder",
        "array .npy of the latents",
    )
    _of_pictures(
        commands,
        "reconstruct",
        _reconstruct,
        "your own pictures through a trained encoder and its generator",
        "grid .png with the pictures above, or a folder",
    )
    invert = _of_pictures(
        commands,
        "invert",
        _invert,
        "latents whose samples come close to your own pictures, searched for in any generator",
        "grid .png with the pictures above, or a folder",
    )
    invert.add_argument("--codes", type=path, help="array .npy for the latents that were found")
    invert.add_argument("--generator", help="G1, G2, …; without it the first")
    invert.add_argument("--steps", type=positive, default=200, help="of Adam")
    invert.add_argument("--rate", type=float, default=0.05, help="its learning rate")
    invert.add_argument("--seed", type=int, default=0, help="of the latents that searches may start from")


def _of_pictures(commands: Commands, name: str, function: Command, about: str, out: str) -> Any:
    added = command(commands, name, function, about)
    added.add_argument("source", type=path, help="a run's folder (…/seed0) or a checkpoint (.safetensors)")
    added.add_argument("images", type=path, nargs="+", help="image files, or folders of them")
    added.add_argument("--out", type=path, required=True, help=out)
    added.add_argument(
        "--iteration", type=positive, help="checkpoint of a run; its last one if none is given"
    )
    added.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return added


def _encode(options: argparse.Namespace) -> None:
    if options.out.suffix != ".npy":
        raise UserError(f"--out: {options.out}: latents are an array: give a name that ends in .npy")

    def work(model: Any, trained: Any, names: list[str], images: Any) -> str:
        codes = model.encode(trained, images)
        model.write_codes(codes, options.out)
        return f"latents of {len(codes)} images, {codes.shape[1]} numbers each"

    _run(options, work)


def _reconstruct(options: argparse.Namespace) -> None:
    def work(model: Any, trained: Any, names: list[str], images: Any) -> str:
        rebuilt = model.reconstruct(trained, images)
        model.write_rebuilt(rebuilt, names, options.out)
        return str(rebuilt.words())

    _run(options, work)


def _invert(options: argparse.Namespace) -> None:
    if options.codes is not None and options.codes.suffix != ".npy":
        raise UserError(f"--codes: {options.codes}: latents are an array: give a name that ends in .npy")
    if not options.rate > 0:
        raise UserError(f"--rate: {options.rate:g} is not above 0")

    def work(model: Any, trained: Any, names: list[str], images: Any) -> str:
        from gantry.evaluation.by_checkpoint import chosen

        source, *_ = chosen(trained, options.generator)
        found = model.invert(trained, source, images, options.steps, options.rate, options.seed)
        model.write_rebuilt(found, names, options.out)
        if options.codes is not None:
            model.write_codes(found.codes, options.codes)
        return str(found.words())

    _run(options, work)


def _run(options: argparse.Namespace, work: Callable[[Any, Any, list[str], Any], str]) -> None:
    """Load the model and the pictures, let `work` do its part, and say what came of it."""
    if not options.source.exists():  # before PyTorch is imported, which takes seconds
        raise UserError(f"{options.source}: not found; give a run's folder or a .safetensors file")
    import torch

    from gantry.evaluation import encoding
    from gantry.evaluation.by_checkpoint import load_trained
    from gantry.system.device import choose_device

    device = choose_device(options.device, torch.get_num_threads())
    trained = load_trained(options.source, options.iteration, device)
    names, images = encoding.pictures(trained, options.images)
    said = work(encoding, trained, names, images)
    print(f"{options.out}: {said}; {trained.path}, iteration {trained.iteration:,}")

"""Translating pictures of one's own."""

import argparse

from gantry.commands.common import Commands, command, path, positive
from gantry.errors import UserError


def add(commands: Commands) -> None:
    """Make the command known to the parser."""
    add = command(
        commands, "translate", _translate, "translations of your own pictures, by a trained translator"
    )
    add.add_argument("source", type=path, help="a run's folder (…/seed0) or a checkpoint (.safetensors)")
    add.add_argument("images", type=path, nargs="+", help="image files, or folders of them")
    add.add_argument("--to", help="domain to translate to: a or b; not needed where there is one direction")
    add.add_argument("--styles", type=positive, help="so many styles of each image, if it draws styles")
    add.add_argument("--seed", type=int, default=0, help="of the styles; the same for each image")
    add.add_argument("--out", type=path, required=True, help="folder for the PNG files")
    add.add_argument("--iteration", type=positive, help="checkpoint of a run; its last one if none is given")
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def _translate(options: argparse.Namespace) -> None:
    if not options.source.exists():  # before PyTorch is imported, which takes seconds
        raise UserError(f"{options.source}: not found; give a run's folder or a .safetensors file")
    import torch

    from gantry.evaluation import translating
    from gantry.evaluation.by_checkpoint import load_trained
    from gantry.system.device import choose_device

    device = choose_device(options.device, torch.get_num_threads())
    trained = load_trained(options.source, options.iteration, device)
    source = translating.source_of(trained, options.to)
    names, images = translating.read(options.images, translating.side_of(trained))
    styles = translating.styles_of(trained, options.styles, options.seed)
    if styles is None:
        translating.write(translating.translate(trained, source, images, device), names, options.out)
    else:
        for number, style in enumerate(styles, 1):
            made = translating.translate(trained, source, images, device, style)
            translating.write(made, [f"{name}-style{number}" for name in names], options.out)
    count = len(names) * (1 if styles is None else len(styles))
    print(f"{options.out}: {count} images, {source}, of {trained.path}, iteration {trained.iteration:,}")

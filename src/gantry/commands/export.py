"""Giving a trained model away."""

import argparse

from gantry.commands.common import Commands, command, path, positive


def add(commands: Commands) -> None:
    """Make the command known to the parser."""
    add = command(
        commands,
        "export",
        _export,
        "a trained model as a folder to give away: safetensors, plain PyTorch, card",
    )
    add.add_argument("source", type=path, help="a run's folder (…/seed0) or a checkpoint (.safetensors)")
    add.add_argument("--to", type=path, required=True, help="folder to write")
    add.add_argument("--iteration", type=positive, help="checkpoint of a run; its last one if none is given")
    add.add_argument("--title", help="the card's; recipe and data set if none is given")
    add.add_argument("--licence", "--license", help="of the weights, for the card: cc-by-4.0, say")
    add.add_argument("--data-licence", "--data-license", help="of the data, for the card")


def _export(options: argparse.Namespace) -> None:
    from gantry.export.make import export

    trained = export(
        options.source, options.to, options.iteration, options.licence, options.data_licence, options.title
    )
    print(f"{options.to}: {trained.path}, iteration {trained.iteration:,}; see README.md there")

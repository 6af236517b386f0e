"""One's own images: a small experiment about them, written to a folder of one's own."""

import argparse
from pathlib import Path

from gantry.commands.common import Commands, command, path, positive
from gantry.errors import UserError
from gantry.metrics.names import check_network

# What a machine trains in minutes (a CPU) or an hour or two (a GPU).
SIZES = {"cpu": 32, "cuda": 64}
ITERATIONS = {"cpu": 2000, "cuda": 50000}
WIDTHS = {"cpu": 8, "cuda": None}
FEATURES = {"cpu": "embedded", "cuda": "inception"}


def add(commands: Commands) -> None:
    """Make the command known to the parser."""
    add = command(commands, "new", _new, "write a small experiment on your own images, and say how it is run")
    add.add_argument(
        "folder", type=path, help="where to write it; the last part of its name becomes its name"
    )
    add.add_argument(
        "--images",
        type=path,
        required=True,
        help="a folder of images, however deep, a zip, or an array (.npy)",
    )
    add.add_argument("--title", help="what tables call the images (default: the name of their folder)")
    add.add_argument(
        "--recipe",
        nargs="+",
        default=("realnessgan", "bcgan"),
        metavar="NAME",
        help="recipes of workflow/experiments (default: realnessgan bcgan)",
    )
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add.add_argument(
        "--size", type=int, choices=(32, 64, 128, 256), help="pixels a side (default: 32; GPU: 64)"
    )
    add.add_argument("--iterations", type=positive, help="of training (default: 2,000; GPU: 50,000)")
    add.add_argument("--width", type=positive, help="of the networks (default: 8; GPU: the recipe's own)")
    add.add_argument("--features", help="feature network of the scores (default: embedded; GPU: inception)")


def _new(options: argparse.Namespace) -> None:
    from gantry.plan.own import Request, write_own

    device = options.device
    features = options.features or FEATURES[device]
    check_network(features)
    if options.folder.is_file():
        raise UserError(f"{options.folder}: a file; name a folder that is new or has no experiment in it")
    request = Request(
        folder=options.folder,
        images=options.images,
        count=_count(options.images),
        title=options.title or options.images.resolve().stem,
        recipes=tuple(dict.fromkeys(options.recipe)),
        size=options.size or SIZES[device],
        iterations=options.iterations or ITERATIONS[device],
        width=options.width or WIDTHS[device],
        device=device,
        features=features,
    )
    print(write_own(request))


def _count(images: Path) -> int:
    """How many images lie there; UserError if there is none."""
    if not images.exists():  # before anything is imported
        raise UserError(f"--images: {images}: no such file or folder")
    if images.suffix in (".npy", ".npz"):
        from gantry.evaluation.image_sets import ImageArray, open_set

        found = open_set(images)
        if not isinstance(found, ImageArray):
            raise UserError(f"--images: {images}: statistics, no images")
        return len(found)
    from gantry.data.listing import list_images

    return len(list_images(images, f"--images: {images}").files)

"""Using a trained model."""

import argparse
from dataclasses import replace

from gantry.commands.common import Commands, command, path, positive
from gantry.errors import Diverged, UserError

SUFFIXES = (".png", ".npy", ".npz", "")  # grid, array, array and classes, folder


def add(commands: Commands) -> None:
    """Make the command known to the parser."""
    add = command(
        commands, "sample", _sample, "samples of a trained model, from its run or one safetensors file"
    )
    add.add_argument("source", type=path, help="a run's folder (…/seed0) or a checkpoint (.safetensors)")
    add.add_argument("--count", type=positive, default=64, help="samples, or steps of a way between two")
    add.add_argument("--seed", type=int, default=0, help="of the latents")
    add.add_argument(
        "--out",
        type=path,
        required=True,
        help="grid .png, array .npy, .npz with the classes asked for, or a folder of images",
    )
    add.add_argument("--generator", help="G1, G2, …; without it all of them in equal shares")
    add.add_argument("--iteration", type=positive, help="checkpoint of a run; its last one if none is given")
    add.add_argument("--interpolate", action="store_true", help="go from one latent to another")
    add.add_argument("--side-by-side", action="store_true", help="the same latents through every generator")
    add.add_argument(
        "--class",
        dest="classes",
        metavar="NAME,…",
        help="of these classes, by name or number, in turn; with --interpolate the way from one to another",
    )
    add.add_argument(
        "--truncation",
        type=float,
        help="draw latents anew beyond ± this: 0.5 fewer kinds of samples, and clearer",
    )
    add.add_argument(
        "--scaled", action="store_true", help="with --truncation: cut at ±2, then multiply by it"
    )
    add.add_argument("--psi", type=float, help="draw w towards its mean: 0 one image, 1 no change, 0.7 usual")
    add.add_argument(
        "--cutoff", type=positive, help="layers that --psi is for, counted from the smallest; all"
    )
    add.add_argument(
        "--mix", metavar="FROM:TO", help="a grid of --count by --count: these layers' styles mixed in"
    )
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def _sample(options: argparse.Namespace) -> None:
    # Before PyTorch is imported, which takes seconds.
    if options.out.suffix not in SUFFIXES and not options.out.is_dir():
        raise UserError(
            f"--out: {options.out}: {options.out.suffix} is none of the formats: give a name that ends in .png (a "
            "grid), .npy (an array), .npz (with classes), or one without a suffix (a folder of PNG files)"
        )
    if not options.source.exists():
        raise UserError(f"{options.source}: not found; give a run's folder or a .safetensors file")
    import torch

    from gantry.evaluation import by_checkpoint as model
    from gantry.evaluation import styles
    from gantry.methods.latents import Truncation
    from gantry.system.device import choose_device

    if not -(2**63) <= options.seed < 2**63:
        raise UserError(f"--seed: {options.seed} does not fit into 64 bits")
    device = choose_device(options.device, torch.get_num_threads())
    trained = model.load_trained(options.source, options.iteration, device)
    sources = model.chosen(trained, options.generator)
    if options.psi is not None or options.cutoff is not None:
        styles.truncate(trained, 1.0 if options.psi is None else options.psi, options.cutoff)
    if options.mix is not None:
        layers = styles.layers_of(options.mix)
        made = styles.mixing_grid(trained, sources[0], options.count, options.seed, layers, device)
        model.write(made, options.out, in_rows=True)
        print(f"{options.out}: styles of layers {options.mix} mixed, of {trained.path}")
        return
    if options.interpolate and options.classes is not None:
        inputs = model.way_between_classes(trained, options.count, options.seed, options.classes)
    else:
        draw = model.way_between if options.interpolate else model.inputs
        inputs = draw(trained, options.count, options.seed)
        if options.classes is not None:
            inputs = model.of_classes(trained, inputs, options.classes)
    if options.scaled and options.truncation is None:
        raise UserError("--scaled: there is no --truncation to scale by: add --truncation 0.5, say")
    if options.truncation is not None:
        if options.interpolate:
            raise UserError("--truncation goes without --interpolate: take one away")
        truncation = Truncation(options.truncation, options.scaled)
        inputs = model.truncated(trained, inputs, truncation, options.seed)
        trained = replace(trained, sampler=trained.sampler.standing_at(truncation))
    try:
        if options.interpolate or options.side_by_side:
            made = model.side_by_side(trained, sources, inputs, device)
        else:
            made = {"mixture": model.mixture(trained, sources, inputs, device)}
    except Diverged as error:
        raise UserError(f"{trained.path}: {error}: the run diverged; take an earlier --iteration") from None
    model.write(made, options.out, options.interpolate, model.asked_classes(trained, inputs))
    print(f"{options.out}: {options.count} samples of {trained.path}, iteration {trained.iteration:,}")

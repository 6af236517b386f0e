"""Metrics for people who have only images."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from gantry.commands.common import Commands, command, configuration, load, path, positive
from gantry.errors import UserError
from gantry.metrics import check_network
from gantry.paths import expanded


def add(commands: Commands) -> None:
    """Make the commands known to the parser."""
    add = command(
        commands, "score", _score, "score one set of images against another: folders, arrays, prepared sets"
    )
    add.add_argument(
        "sets",
        nargs="+",
        metavar="SET",
        help="REAL GENERATED: each a folder, .npy or manifest.json, REAL also stored statistics (.npz, ours, "
        "pytorch-fid's or clean-fid's); with --generator: REAL; with --against: GENERATED, and key=value settings as "
        "after snakemake's --config",
    )
    add.add_argument(
        "--against", metavar="NAME", help="stored statistics of a prepared set, by its name: celeba-256"
    )
    add.add_argument(
        "--network",
        help="feature network; inception, with --against the configuration's own, if not given; or a network of your "
        "own: FILE.py:build, *.pt, *.onnx",
    )
    add.add_argument("--network-sha256", metavar="HEX", help="of a network that is TorchScript: its digest")
    add.add_argument(
        "--generator",
        metavar="RUN",
        help="in place of GENERATED: a run's folder, a checkpoint, or FILE.py:build",
    )
    add.add_argument("--count", type=positive, default=5000, help="images of --generator (default: 5000)")
    add.add_argument("--seed", type=int, default=0, help="of --generator")
    add.add_argument(
        "--like",
        type=words,
        default=(),
        help="as these would score them: clean-fid,pytorch-fid,torch-fidelity",
    )
    add.add_argument("--weights", type=path, help="its weights, where it does not find them by itself")
    add.add_argument(
        "--metrics", nargs="*", default=(), help="by name; all that the sets allow if none is given"
    )
    add.add_argument(
        "--splits", type=positive, default=10, help="parts over which the Inception Score is a mean"
    )
    add.add_argument("--intervals", action="store_true", help="95 %% intervals by bootstrap")
    add.add_argument("--json", action="store_true", help="JSON instead of a table")
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    configuration(add)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a list with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _score(options: argparse.Namespace) -> None:
    from gantry.evaluation.score_images import score_images

    def progress(which: str, done: int, total: int) -> None:
        # The line is written over, and wiped before the table.
        line = "" if done == total else f"{which}: {done}/{total}"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    told = progress if sys.stderr.isatty() else None
    real, generated, network, weights = _by_name(options) if options.against else _by_path(options)
    if options.generator:
        from gantry.evaluation.own import generated_by

        generated = generated_by(options.generator, options.count, options.seed, options.device)
    if options.like:
        from gantry.evaluation.like import score_like

        likened = score_like(options.like, real, generated, options.weights, options.device, told)
        print(json.dumps(likened.as_json(), indent=2) if options.json else likened.table())
        return
    from gantry.evaluation.own import is_own, own_network

    own = own_network(network, options.network_sha256, options.device) if is_own(network) else network
    scores = score_images(
        real,
        generated,
        own,
        weights,
        options.metrics,
        device=options.device,
        intervals=options.intervals,
        splits=options.splits,
        progress=told,
    )
    print(json.dumps(scores.as_json(), indent=2) if options.json else scores.table())


def _by_path(options: argparse.Namespace) -> tuple[Any, Any, str, Path | None]:
    """Real set, generated set, network and weights from two paths."""
    wanted = 1 if options.generator else 2
    if len(options.sets) != wanted:
        raise UserError(
            f"gantry score: {len(options.sets)} sets given; give REAL and GENERATED, or REAL --generator RUN, or "
            "--against NAME GENERATED"
        )
    real, generated = expanded(options.sets[0]), expanded(options.sets[-1])
    network, weights = options.network or "inception", options.weights
    if network == "embedded" and weights is None:
        options.settings = []
        weights = next(map(Path, load(options).feature_weights(network)))
    return real, generated, network, weights


def _by_name(options: argparse.Namespace) -> tuple[Any, Any, str, Path | None]:
    """The same from a prepared set's name, one path, and the configuration: its results, network and weights."""
    if options.generator:
        options.sets = ["", *options.sets]
    generated, *options.settings = options.sets
    plan = load(options)
    network = options.network or plan.features
    check_network(network)
    weights = options.weights or next(map(Path, plan.feature_weights(network)), None)
    from gantry.evaluation.stored import stored_of

    return (
        stored_of(Path(plan.prepared_root), options.against, network, weights),
        expanded(generated),
        network,
        weights,
    )

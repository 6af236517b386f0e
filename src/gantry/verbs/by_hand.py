"""Metrics for people who have only images."""

import argparse
import json
import sys
from pathlib import Path

from gantry.verbs.common import Verbs, verb


def add(verbs: Verbs) -> None:
    """Make the verbs known to the parser."""
    add = verb(
        verbs, "score", _score, "score one set of images against another: folders, arrays, prepared sets"
    )
    add.add_argument("real", type=Path, help="folder, .npy, manifest.json, or stored statistics (.npz)")
    add.add_argument("generated", type=Path, help="folder, .npy or manifest.json")
    add.add_argument("--network", default="inception", help="feature network")
    add.add_argument("--weights", type=Path, help="its weights, where it does not find them by itself")
    add.add_argument(
        "--metrics", nargs="*", default=(), help="by name; all that the sets allow if none is given"
    )
    add.add_argument("--intervals", action="store_true", help="95 %% intervals by bootstrap")
    add.add_argument("--json", action="store_true", help="JSON instead of a table")
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def _score(options: argparse.Namespace) -> None:
    from gantry.evaluation.by_hand import score_by_hand

    def progress(which: str, done: int, total: int) -> None:
        print(f"\r\x1b[K{which}: {done}/{total} images", end="", file=sys.stderr, flush=True)

    scores = score_by_hand(
        options.real,
        options.generated,
        options.network,
        options.weights,
        options.metrics,
        device=options.device,
        intervals=options.intervals,
        progress=progress if sys.stderr.isatty() else None,
    )
    print(json.dumps(scores.as_json(), indent=2) if options.json else scores.table())

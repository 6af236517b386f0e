"""Writes the golden file anew, and says what has changed: for a commit that names the entries and the reason.

uv run python tests/golden/renew.py            everything (minutes)
uv run python tests/golden/renew.py wgan gan   the losses of these recipes, and all digests
uv run python tests/golden/renew.py --digests  specs, orders and prepared sets alone (seconds)
uv run python tests/golden/renew.py --tables results/quick
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import measure  # beside this file, whose folder Python searches first
import torch


def flat(content: Any, key: str = "") -> dict[str, Any]:
    """Every entry by its path."""
    if not isinstance(content, dict):
        return {key: content}
    return {k: v for name, value in content.items() for k, v in flat(value, f"{key} {name}".strip()).items()}


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", help="renew the losses of these recipes alone")
    parser.add_argument("--digests", action="store_true", help="train nothing")
    parser.add_argument(
        "--tables", type=Path, help="renew the digests of the tables in this folder of results"
    )
    told = parser.parse_args()
    torch.set_num_threads(1)
    before = measure.read() if measure.GOLDEN.exists() else {}
    # That of what is not renewed stays; what is renewed elsewhere says so itself.
    everything = not (told.recipes or told.digests or told.tables)
    content = dict(before)
    if everything or "processor" not in content:
        content["processor"] = measure.processor()
    if told.tables:
        content["tables"] = measure.tables(told.tables)
    else:
        content["data"] = measure.prepared_sets()
        content["scales"] = {scale: measure.specs_and_orders(scale) for scale in measure.scales()}
        names = measure.recipe_names()
        with tempfile.TemporaryDirectory() as folder:
            bench = measure.Bench(Path(folder))
            measured = {name: bench.losses(name) for name in told.recipes or names if not told.digests}
        if measure.processor() != content["processor"]:
            measured = {name: entry | {"processor": measure.processor()} for name, entry in measured.items()}
        losses = content.get("losses", {}) | measured
        content["losses"] = {name: losses[name] for name in names if name in losses}
    measure.GOLDEN.write_text(json.dumps(content, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    old, new = flat(before), flat(content)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            print(f"{key}: {old.get(key)} → {new.get(key)}")


if __name__ == "__main__":
    main()

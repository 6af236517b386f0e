"""What Gantry computes beside the authors' code, PyTorch, and the reference implementations: a table of figures.

uv run python benchmarks/fidelity.py            everything that is at hand
uv run python benchmarks/fidelity.py points     the checks whose names say so
uv run python benchmarks/fidelity.py --long     also FID-768 of real images (minutes)

Each check gives figures with the limits between which they should lie; the exit code is 1 where one does not. The
authors' code is no part of this project: tests/fidelity/authors.py makes its step anew. The packages that metrics are
held against are those of the development group; what is not installed is said to be left out.
"""

import argparse
import sys
import types
import warnings
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
# The checks stand among the tests; some package of the environment may have installed a `tests` of its own.
tests = types.ModuleType("tests")
tests.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = tests

from tests.fidelity import mathematics, training  # noqa: E402, F401
from tests.fidelity.checks import CHECKS, LONG, Figure, Missing  # noqa: E402

import fidelity_metrics  # noqa: E402, F401


def line(name: str, figure: Figure) -> str:
    """One row of the table."""
    limits = f"≤ {figure.at_most:.3g}"
    if figure.at_least == figure.at_most:
        limits = f"= {figure.at_most:.12g}"
    elif figure.at_least:
        limits = f"{figure.at_least:.3g} to {figure.at_most:.3g}"
    shown = f"{figure.value:.12g}" if figure.at_least == figure.at_most else f"{figure.value:.3g}"
    return f"| {name} | {figure.name} | {shown} | {limits} | {'yes' if figure.right else '**no**'} |"


def main() -> int:
    """Run the checks and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="run the checks whose name has all of these words")
    parser.add_argument("--long", action="store_true", help="run the checks that take minutes, too")
    told = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = CHECKS | (LONG if told.long else {})
    chosen = {name: made for name, made in chosen.items() if all(word in name for word in told.words)}
    if not chosen:
        parser.error(f"no check has all of these words: {' '.join(told.words)}")
    print("| Check | Figure | Found | Should be | Right |\n| :-- | :-- | --: | :-- | :-- |", flush=True)
    wrong, left_out = 0, []
    for name, made in chosen.items():
        try:
            figures = list(made())
        except Missing as missing:
            left_out.append(f"{name}: {missing}")
            continue
        for figure in figures:
            print(line(name, figure), flush=True)
            wrong += not figure.right
    for each in left_out:
        print(f"\nLeft out: {each}")
    print(
        f"\n{wrong} figures are not what they should be."
        if wrong
        else "\nAll figures are what they should be."
    )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())

"""Tables and claims of runs that were trained elsewhere: `gantry table --from runs.csv`, `gantry claims --from …`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gantry.commands.common import path
from gantry.errors import UserError

if TYPE_CHECKING:
    from gantry.report.load import Loaded


def arguments(add: argparse.ArgumentParser, family: str) -> None:
    """Let a command of the workflow take runs from elsewhere in the place of a paper and its name."""
    group = add.add_argument_group("runs from elsewhere (docs/elsewhere.md)")
    group.add_argument(
        "--from",
        dest="sources",
        nargs="+",
        type=path,
        default=(),
        metavar="PATH",
        help="CSV files (run,group,seed,metric,value), exports of W&B, folders of TensorBoard's event files",
    )
    group.add_argument(
        "--runs", metavar="PATTERN", help='what a run\'s name says: "{dataset}/{group}_s{seed}"'
    )
    group.add_argument("--metrics", nargs="+", metavar="METRIC", help="these alone")
    group.add_argument(
        "--lower", nargs="+", default=(), metavar="METRIC", help="metrics of which less is better"
    )
    group.add_argument("--higher", nargs="+", default=(), metavar="METRIC", help="… of which more is better")
    group.add_argument("--title", help="what stands above it")
    if family == "table":
        group.add_argument(
            "--at", default="last", choices=("last", "best", "min", "max", "mean"), help="default: last"
        )
        group.add_argument(
            "--published", type=path, metavar="CSV", help="published numbers, to stand beside these"
        )
    else:
        group.add_argument(
            "--claim",
            action="append",
            default=[],
            metavar="TEXT",
            help='"fid: ours < baseline"; may be repeated',
        )
        group.add_argument("--claims", type=path, metavar="YAML", help="claims as an experiment has them")


def table_from(options: argparse.Namespace) -> None:
    """Write a table of the runs that `--from` names, and print it."""
    from gantry.metrics.names import others_metrics
    from gantry.report.elsewhere.make import write_table

    _not_over_sources(options, (".csv", ".md", ".tex"), [*options.sources, options.published])
    with others_metrics():
        loaded, notes = _read(options, "scores")
        write_table(loaded, options.published, options.at, options.out, notes)
    print(options.out.with_suffix(".md").read_text(encoding="utf-8"), end="")


def claims_from(options: argparse.Namespace) -> None:
    """Test claims on the runs that `--from` names, and print what came out."""
    from gantry.metrics.names import others_metrics
    from gantry.report.elsewhere.make import claim_of, read_claims, write_claims_of

    if not (options.claim or options.claims):
        raise UserError("claims --from: say what is claimed, with --claim or --claims")
    _not_over_sources(options, (".csv", ".md"), [*options.sources, options.claims])
    with others_metrics():
        loaded, notes = _read(options, "claims")
        claims = [claim_of(text, loaded) for text in options.claim]
        claims += read_claims(options.claims) if options.claims else []
        write_claims_of(loaded, claims, options.out, notes)
    print(options.out.with_suffix(".md").read_text(encoding="utf-8"), end="")


def _read(options: argparse.Namespace, kind: str) -> "tuple[Loaded, list[str]]":
    from gantry.report.elsewhere.runs import loaded_from, read_values, remarks

    shown = ", ".join(source.name or str(source) for source in options.sources)
    values = read_values(options.sources, options.runs, options.metrics)
    loaded = loaded_from(values, kind, options.title or f"Runs of {shown}", options.lower, options.higher)
    runs = sum(len(group.runs) for group in loaded.groups)
    read = f"Read from {shown}: {runs} run{'s' if runs > 1 else ''} of {len(loaded.groups)} groups."
    return loaded, [read, *(f"{said}." for said in remarks(options.sources))]


def _not_over_sources(
    options: argparse.Namespace, suffixes: Sequence[str], read: Sequence[Path | None]
) -> None:
    """Raise UserError where what is written would replace what is read."""
    inputs = {path.resolve() for path in read if path is not None}
    for suffix in suffixes:
        out = options.out.with_suffix(suffix) if suffix != ".csv" else options.out
        if out.resolve() in inputs:
            raise UserError(f"--out: {out} is one of the files that are read; give another name")

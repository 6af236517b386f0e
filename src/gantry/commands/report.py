"""Steps of the workflow that make tables, figures, claims and the page."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gantry.commands.common import Commands, command, load, of_plan, path, planned, settings, step
from gantry.commands.elsewhere import arguments, claims_from, table_from
from gantry.errors import UserError, suggestion
from gantry.runs.outputs import recorded


def add(commands: Commands) -> None:
    """Make the commands known to the parser."""
    for name, function, about in (
        ("table", _table, "one table as CSV, Markdown and LaTeX"),
        ("figure", _figure, "one figure as PNG and SVG"),
        ("claims", _claims, "the paper's statements, checked, as CSV and Markdown"),
    ):
        add = step(commands, name, function, about)
        elsewhere = name != "figure"
        add.add_argument("paper", nargs="?" if elsewhere else None)
        add.add_argument("name", nargs="?" if elsewhere else None)
        of_plan(add)
        add.add_argument(
            "--out", type=path, required=True, help="first file to write; the others lie beside it"
        )
        if elsewhere:
            arguments(add, name)

    add = step(commands, "page", _page, "everything on one page, report.html")
    of_plan(add)
    add.add_argument("--out", type=path, required=True)

    add = command(
        commands, "handbook", _handbook, "docs/methods/: each method's equations, settings, source, results"
    )
    settings(add)
    add.add_argument(
        "--paper", help="the paper whose recipes they are (default: every page there is in docs is made anew)"
    )
    add.add_argument("--out", type=path, help="the page (default: docs/methods/PAPER.md)")

    add = command(
        commands,
        "reference",
        _reference,
        "docs/configuration.md: every key, its range and default; JSON Schemas",
    )
    add.add_argument("--out", type=path, default=Path("docs/configuration.md"), help="the page")
    add.add_argument("--schemas", type=path, default=Path("docs/schemas"), help="a folder, for editors")


def _reference(options: argparse.Namespace) -> None:
    from gantry.plan.reference import write_reference

    write_reference(options.out, options.schemas)
    print(f"{options.out} and {options.schemas}: as the models have it")


def _handbook(options: argparse.Namespace) -> None:
    from gantry.plan import load_plan
    from gantry.report.handbook import pages, write_handbook

    if options.out is not None and options.paper is None:
        raise UserError("--out: of which paper? say --paper conditional, say, too")
    wanted = {options.paper: options.out} if options.paper else pages(Path("docs/methods"))
    if not wanted:
        raise UserError("docs/methods: no page of `gantry handbook` is here; say --paper conditional, say")
    for paper, given in wanted.items():
        out = given or Path("docs/methods", f"{paper}.md")
        plan = load(options, f"papers=[{paper}]")
        before = out.read_bytes() if out.is_file() else None
        whole = load_plan({"scale": "paper", "papers": [paper]}, quiet=True)
        write_handbook(plan, paper, out, whole.experiments[paper])
        if before is None:
            print(f"{out}: written")
        elif before == out.read_bytes():
            print(f"{out}: is as the recipes have it, nothing has changed")
        else:
            print(f"{out}: written over; `git diff {out}` shows what has changed")


def _table(options: argparse.Namespace) -> None:
    if _is_elsewhere(options):
        return table_from(options)
    from gantry.report.make import make_table

    with _step(options, "table") as (spec, out):
        make_table(spec, out, out.with_suffix(".md"), out.with_suffix(".tex"))


def _figure(options: argparse.Namespace) -> None:
    from gantry.report.make import make_figure

    with _step(options, "figure") as (spec, out):
        make_figure(spec, out, out.with_suffix(".svg"))


def _claims(options: argparse.Namespace) -> None:
    if _is_elsewhere(options):
        return claims_from(options)
    from gantry.report.make import make_claims

    with _step(options, "claims") as (spec, out):
        make_claims(spec, out, out.with_suffix(".md"))


def _is_elsewhere(options: argparse.Namespace) -> bool:
    """Whether runs from elsewhere are asked for; UserError for half of either, and for both at once."""
    named = [options.paper, options.name]
    if options.sources and any([*named, options.config, options.configfile, options.plan]):
        raise UserError("--from takes the place of paper, name and --config: leave these out")
    if not options.sources and not all(named):
        raise UserError("give paper and name, as the workflow does, or runs from elsewhere with --from")
    return bool(options.sources)


def _page(options: argparse.Namespace) -> None:
    from gantry.plan.report_specs import report_spec, report_specs_digest
    from gantry.report.make import make_page

    plan = planned(options)
    made = {
        f"{paper}/{name}": {Path(file).suffix[1:]: Path(file) for file in plan.files_of(paper, name)}
        for paper, name, _ in plan.outputs()
    }
    inputs = [Path(file) for file in plan.inputs_of_page()]
    with recorded([options.out], inputs, report_specs_digest(plan)):
        specs = [report_spec(plan, paper, name) for paper, name, _ in plan.outputs()]
        make_page(specs, made, options.out)


@contextmanager
def _step(options: argparse.Namespace, family: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield the spec of the output that the arguments name, and its first file; at the end record how it was made."""
    from gantry.plan.report_specs import report_spec, report_spec_digest

    plan = planned(options)
    paper, name = options.paper, options.name
    known = [f"{paper} {name}" for paper, name, output in plan.outputs() if output.family == family]
    if f"{paper} {name}" not in known:
        near = suggestion(f"{paper} {name}", known)
        raise UserError(f"{paper} {name}: no {family} of this name{near}; known: {', '.join(known)}")
    inputs = [Path(file) for file in plan.inputs_of(paper, name)]
    outputs = [options.out.with_suffix(f".{suffix}") for suffix in plan.output(paper, name).suffixes]
    with recorded(outputs, inputs, report_spec_digest(plan, paper, name)):
        yield report_spec(plan, paper, name), options.out

"""Steps of the workflow that make tables, figures, claims and the page."""

import argparse
from pathlib import Path
from typing import Any

from gantry.errors import UserError, suggestion
from gantry.verbs.common import Verbs, load, path, settings, step, verb
from gantry.verbs.elsewhere import arguments, claims_from, table_from


def add(verbs: Verbs) -> None:
    """Make the verbs known to the parser."""
    for name, function, about in (
        ("table", _table, "one table as CSV, Markdown and LaTeX"),
        ("figure", _figure, "one figure as PNG and SVG"),
        ("claims", _claims, "the paper's statements, checked, as CSV and Markdown"),
    ):
        add = step(verbs, name, function, about)
        elsewhere = name != "figure"
        add.add_argument("paper", nargs="?" if elsewhere else None)
        add.add_argument("name", nargs="?" if elsewhere else None)
        add.add_argument("--config", required=not elsewhere, help="JSON: the configuration")
        add.add_argument(
            "--out", type=path, required=True, help="first file to write; the others lie beside it"
        )
        if elsewhere:
            arguments(add, name)

    add = step(verbs, "page", _page, "everything on one page, report.html")
    add.add_argument("--config", required=True, help="JSON: the configuration")
    add.add_argument("--out", type=path, required=True)

    add = verb(
        verbs, "handbook", _handbook, "docs/methods.md: each method's equations, settings, source, results"
    )
    settings(add)
    add.add_argument("--paper", default="zoo", help="the paper whose recipes they are (default: zoo)")
    add.add_argument("--out", type=path, default=Path("docs/methods.md"), help="default: docs/methods.md")


def _handbook(options: argparse.Namespace) -> None:
    from gantry.report.handbook import write_handbook

    plan = load([*options.settings, f"papers=[{options.paper}]"])
    write_handbook(plan, options.paper, options.out)


def _table(options: argparse.Namespace) -> None:
    if _is_elsewhere(options):
        return table_from(options)
    from gantry.report.make import make_table

    out = options.out
    order = _order(options, "table")
    make_table(order, out, out.with_suffix(".md"), out.with_suffix(".tex"))


def _figure(options: argparse.Namespace) -> None:
    from gantry.report.make import make_figure

    order = _order(options, "figure")
    make_figure(order, options.out, options.out.with_suffix(".svg"))


def _claims(options: argparse.Namespace) -> None:
    if _is_elsewhere(options):
        return claims_from(options)
    from gantry.report.make import make_claims

    order = _order(options, "claims")
    make_claims(order, options.out, options.out.with_suffix(".md"))


def _is_elsewhere(options: argparse.Namespace) -> bool:
    """Whether runs from elsewhere are asked for; UserError for half of either, and for both at once."""
    named = [options.paper, options.name, options.config]
    if options.sources and any(named):
        raise UserError("--from takes the place of paper, name and --config: leave these out")
    if not options.sources and not all(named):
        raise UserError(
            "give paper, name and --config, as the workflow does, or runs from elsewhere with --from"
        )
    return bool(options.sources)


def _page(options: argparse.Namespace) -> None:
    from gantry.plan.orders import order
    from gantry.report.make import make_page

    plan = load(options.config)
    made = {
        f"{paper}/{name}": {
            suffix: Path(plan.results, paper, f"{name}.{suffix}") for suffix in output.suffixes
        }
        for paper, name, output in plan.outputs()
    }
    make_page([order(plan, paper, name) for paper, name, _ in plan.outputs()], made, options.out)


def _order(options: argparse.Namespace, family: str) -> dict[str, Any]:
    """Return the order of the output that the arguments name, which must be of this family."""
    from gantry.plan.orders import order

    plan = load(options.config)
    known = [f"{paper} {name}" for paper, name, output in plan.outputs() if output.family == family]
    asked = f"{options.paper} {options.name}"
    if asked not in known:
        raise UserError(
            f"{asked}: no {family} of this name{suggestion(asked, known)}; known: {', '.join(known)}"
        )
    return order(plan, options.paper, options.name)

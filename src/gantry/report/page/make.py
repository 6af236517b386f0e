"""The page as a whole: its cards, its contents, and everything put into the template."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gantry.files import write_text
from gantry.report.claims import DECIDED
from gantry.report.learned import NOT_TESTED
from gantry.report.load import Cache, Loaded, Run, load
from gantry.report.page import interactive
from gantry.report.page.items import Item, item_of
from gantry.report.page.runs import anchor, by_dataset, run_groups, short_commit
from gantry.report.specs import changes_of, parse_spec
from gantry.report.statistics import LEVEL, holm
from gantry.report.text import with_subscripts
from gantry.runs.outputs import verify_output
from gantry.system.formatting import format_duration

VERDICTS = {"holds": "good", "does not hold": "bad", "undecided": "open", NOT_TESTED: "open"}


def make_page(
    specs: Sequence[dict[str, Any]],
    outputs: Mapping[str, Mapping[str, Path]],
    out: Path,
) -> None:
    """Write the page for these specs.

    `outputs` gives the files that were made of each, "paper/name" → {"csv": …} for tables and claims,
    {"png": …, "svg": …} for figures. Images are embedded; the page refers to nothing outside itself.
    """
    for files in outputs.values():
        for path in files.values():
            verify_output(path)
    cache: Cache = {}
    loaded = [load(parse_spec(spec), cache) for spec in specs]
    items = [item_of(report, outputs) for report in loaded]
    runs = {run.key: run for report in loaded for group in report.groups for run in group.runs}
    papers = list(dict.fromkeys(item.spec.paper for item in items))
    page = (
        environment()
        .get_template("page.html")
        .render(
            overview=_overview(list(runs.values())),
            replaced=_replaced(loaded),
            has_proxies=any(report.spec.has_proxies for report in loaded),
            changes=changes_of(group for report in loaded for group in report.spec.groups),
            scale=dict.fromkeys(f"scale {report.spec.scale}, {report.spec.scale_title}" for report in loaded),
            papers=[
                (
                    _paper_title(items, paper),
                    _sorted_items(items, paper),
                    _tally(items, paper),
                    _by_chance(items, paper),
                )
                for paper in papers
            ],
            whole_of=_whole_of(items),
            shown_in=_shown_in(items),
            groups=by_dataset(run_groups(loaded)),
            verdicts=VERDICTS,
            bundle=interactive.bundle() if any(item.interactive for item in items) else "",
            sorter=interactive.sorter(),
            sorting=interactive.SORTING,
        )
    )
    write_text(out, page)


def environment() -> Environment:
    """Where the template stands, and the filters that it uses; whatever is put into it is escaped."""
    made = Environment(
        loader=PackageLoader("gantry.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["label"] = lambda text: Markup(with_subscripts(str(escape(text)), r"\1<sub>\2</sub>"))
    made.filters["anchor"] = anchor
    return made


def _sorted_items(items: Sequence[Item], paper: str) -> list[Item]:
    """The paper's highlights first, claims last, and everything else in the order of its experiment file."""
    mine = [item for item in items if item.spec.paper == paper]

    def place(item: Item) -> tuple[int, int]:
        highlight = item.spec.highlight
        return (2 if item.claims else 1, 0) if highlight is None else (0, highlight)

    return sorted(mine, key=place)


def _paper_title(items: Sequence[Item], paper: str) -> str:
    return next((item.spec.paper_title for item in items if item.spec.paper == paper), "") or paper


def _whole_of(items: Sequence[Item]) -> dict[str, Item]:
    """For a figure that is a part of another one (by its anchor): that other one."""
    return {
        item.anchor: other
        for item in items
        for other in items
        if item is not other and item.is_part_of(other)
    }


def _shown_in(items: Sequence[Item]) -> dict[str, list[Item]]:
    """For each group of runs the items that show it: the way back."""
    found: dict[str, list[Item]] = {}
    for item in items:
        for group in item.groups:
            found.setdefault(group, []).append(item)
    return found


def _tally(items: Sequence[Item], paper: str) -> list[tuple[str, int]]:
    """How many of a paper's claims have each verdict, in the order of VERDICTS."""
    found = Counter(c["verdict"] for item in items if item.spec.paper == paper for c in item.claims)
    return [(verdict, found[verdict]) for verdict in VERDICTS if found[verdict]]


def _by_chance(items: Sequence[Item], paper: str) -> str:
    """How many of a paper's claims chance would decide, and how many are decided after Holm's correction for all."""
    claims = [claim for item in items if item.spec.paper == paper for claim in item.claims if claim["p"]]
    if not claims:
        return ""
    corrected = holm([float(claim["p"]) for claim in claims])
    decided = [claim["verdict"] in DECIDED for claim in claims]
    kept = sum(p <= LEVEL for p, known in zip(corrected, decided, strict=True) if known)
    return (
        f"{len(claims)} tested, each at {LEVEL * 100:.0f} %: chance alone would decide "
        f"{len(claims) * LEVEL:.2g} of them; {sum(decided)} decided, {kept} after Holm's correction for the whole paper"
    )


def _overview(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Title and value of each card at the page's top."""
    finished = sorted(str(run.provenance.get("finished_at", ""))[:16].replace("T", " ") for run in runs)
    wall = sum(run.largest("wall_seconds") or 0.0 for run in runs)
    diverged = sum(run.diverged for run in runs)
    return [
        ("training runs", f"{len(runs)}" + (f", {diverged} diverged" if diverged else ", none diverged")),
        ("training time, all runs", format_duration(wall)),
        ("last run finished", finished[-1] if finished else "–"),
        ("commit", _distinct(short_commit(run) for run in runs)),
        ("devices", _distinct(str(run.provenance.get("device", "–")) for run in runs)),
    ]


def _distinct(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values)) or "–"


def _replaced(loaded: Sequence[Loaded]) -> list[tuple[str, str]]:
    """(the paper's data set, what was used in its place)."""
    return list(dict(pair for report in loaded for pair in report.spec.replaced.items()).items())

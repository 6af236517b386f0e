"""report.html: every table, figure and claim on one page that needs nothing beside it."""

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from gantry.errors import UserError
from gantry.files import write_text
from gantry.report import interactive
from gantry.report.cells import read_tidy
from gantry.report.claims import COLUMNS as CLAIM_COLUMNS
from gantry.report.layout import Arranged, Footnotes, arrange
from gantry.report.load import Cache, Loaded, Order, Run, load, parse_order
from gantry.report.tables import protocol_notes, spread_of
from gantry.report.text import with_subscripts

# An SVG is sharper at any size; above this it is the picture inside that weighs, and the PNG does as well.
LARGEST_SVG = 300_000
# Figures are drawn at 150 dots an inch for print and shown a little larger than that on a screen of 96.
DPI, CSS_DPI, ENLARGED = 150, 96, 1.2
PAPERS = {"bcgan": "BCGAN", "edgan": "EDGAN", "zoo": "The wider family"}
VERDICTS = {"holds": "good", "does not hold": "bad", "undecided": "open"}


@dataclass(frozen=True)
class Item:
    """One table, figure or list of claims as the page shows it."""

    anchor: str
    heading: str
    order: Order
    notes: Sequence[str]
    groups: Sequence[str]
    parts: Sequence[Arranged] = ()
    footnotes: Footnotes | None = None
    image: str = ""
    image_width: int = 0
    # HTML of the same curves or samples, to be zoomed, switched or slid through.
    interactive: str = ""
    claims: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class RunRow:
    """What the page tells of one run."""

    anchor: str
    seed: int
    status: str
    iterations: int
    device: str
    wall: str
    speed: str
    memory: str
    spec_digest: str
    data_digest: str
    commit: str
    short_commit: str
    code: str
    software: str
    finished: str


@dataclass(frozen=True)
class RunGroup:
    """The runs of one recipe on one data set."""

    anchor: str
    key: str
    title: str
    rows: Sequence[RunRow]


def make_page(
    orders: Sequence[dict[str, Any]],
    outputs: Mapping[str, Mapping[str, Path]],
    out: Path,
    cache: Cache | None = None,
) -> None:
    """Write the page for these orders.

    `outputs` gives the files that were made of each, "paper/name" → {"csv": …} for tables and claims,
    {"png": …, "svg": …} for figures. Images are embedded; the page refers to nothing outside itself.
    """
    cache = {} if cache is None else cache
    loaded = [load(parse_order(order), cache) for order in orders]
    items = [_item(each, outputs) for each in loaded]
    runs = {run.key: run for each in loaded for group in each.groups for run in group.runs}
    papers = list(dict.fromkeys(item.order.paper for item in items))
    page = (
        _environment()
        .get_template("page.html")
        .render(
            overview=_overview([each.order for each in loaded], list(runs.values())),
            stand_ins=_stand_ins(loaded),
            papers=[
                (PAPERS.get(paper, paper), _sorted_items(items, paper), _tally(items, paper))
                for paper in papers
            ],
            groups=_run_groups(loaded),
            verdicts=VERDICTS,
            bundle=interactive.bundle() if any(item.interactive for item in items) else "",
            sorter=interactive.sorter(),
            sorting=interactive.SORTING,
        )
    )
    write_text(out, page)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gantry.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["label"] = lambda text: Markup(with_subscripts(str(escape(text)), r"\1<sub>\2</sub>"))
    environment.filters["anchor"] = anchor
    return environment


def anchor(key: str) -> str:
    """The id of a run or group on the page: digits/bcgan → runs-digits-bcgan."""
    return "runs-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", key)


def _sorted_items(items: Sequence[Item], paper: str) -> list[Item]:
    """Claims first, then tables, then figures, each in the order of their numbers."""

    def place(item: Item) -> tuple[int, list[tuple[bool, int | str]]]:
        family = 0 if item.claims else 1 if item.parts else 2
        numbered = re.findall(r"\d+|\D+", item.order.name)
        return family, [(part.isdigit(), int(part) if part.isdigit() else part) for part in numbered]

    return sorted((item for item in items if item.order.paper == paper), key=place)


def _tally(items: Sequence[Item], paper: str) -> list[tuple[str, int]]:
    """How many of a paper's claims have each verdict, in the order of VERDICTS."""
    found = Counter(c["verdict"] for item in items if item.order.paper == paper for c in item.claims)
    return [(verdict, found[verdict]) for verdict in VERDICTS if found[verdict]]


def _item(loaded: Loaded, outputs: Mapping[str, Mapping[str, Path]]) -> Item:
    order = loaded.order
    files = outputs.get(f"{order.paper}/{order.name}")
    if files is None:
        raise UserError(f"report page: no files given for {order.paper}/{order.name}")
    common: dict[str, Any] = {
        "anchor": f"{order.paper}-{order.name}",
        "heading": _heading(order.name),
        "order": order,
        "notes": protocol_notes(order),
        "groups": list(dict.fromkeys(group.key for group in order.groups)),
    }
    if order.kind == "claims":
        return Item(**common, claims=_read_claims(files["csv"]))
    if "csv" in files:
        parts, footnotes = arrange(read_tidy(files["csv"]), spread_of(order))
        return Item(**common, parts=parts, footnotes=footnotes)
    handled = interactive.KINDS.get(order.kind)
    return Item(
        **common,
        image=_embedded(files),
        image_width=_width(files["png"]),
        interactive=handled(loaded, common["anchor"]) if handled else "",
    )


def _heading(name: str) -> str:
    """table2 → Table 2; claims → Claims; table_synthetic → Table synthetic."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name).replace("_", " ").capitalize()


def _read_claims(path: Path) -> list[dict[str, Any]]:
    """The rows of a claims file, each with its `details` as phrases."""
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)[CLAIM_COLUMNS].to_dict("records")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: claims cannot be read ({error}); delete it and run the same command again"
        ) from None
    claims = [{str(key): value for key, value in row.items()} for row in rows]
    for claim in claims:
        published = claim["published"] and f"published: {claim['published']}"
        phrases = (claim["result"], published, claim["source"], claim["note"], claim["seeds_to_decide"])
        claim["details"] = [phrase[0].upper() + phrase[1:] for phrase in phrases if phrase]
    return claims


def _embedded(files: Mapping[str, Path]) -> str:
    """A figure as a data: address."""
    try:
        use_svg = "svg" in files and files["svg"].stat().st_size <= LARGEST_SVG
        path, kind = (files["svg"], "svg+xml") if use_svg else (files["png"], "png")
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError as error:
        raise UserError(
            f"{error.filename}: figure cannot be read ({error.strerror}); make it first"
        ) from None


def _width(png: Path) -> int:
    """The width in CSS pixels at which a figure's small print can be read, from its PNG."""
    with Image.open(png) as image:
        return round(image.width * CSS_DPI / DPI * ENLARGED)


def _overview(orders: Sequence[Order], runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Title and value of each card at the page's top."""
    finished = sorted(str(run.provenance.get("finished_at", ""))[:16].replace("T", " ") for run in runs)
    wall = sum(run.largest("wall_seconds") or 0.0 for run in runs)
    diverged = sum(run.diverged for run in runs)
    scales = dict.fromkeys(f"{order.scale}: {order.scale_title}" for order in orders)
    return [
        ("scale", ", ".join(scales)),
        ("training runs", f"{len(runs)}" + (f", {diverged} diverged" if diverged else ", none diverged")),
        ("training time, all runs", duration(wall)),
        ("last run finished", finished[-1] if finished else "–"),
        ("commit", _distinct(_short_commit(run) for run in runs)),
        ("devices", _distinct(str(run.provenance.get("device", "–")) for run in runs)),
    ]


def _short_commit(run: Run) -> str:
    """Ten digits of the commit; the + of a checkout with changes stays."""
    commit = str(run.provenance.get("commit") or "–")
    return commit[:10] + ("+" if commit.endswith("+") else "")


def _distinct(values: Any) -> str:
    return ", ".join(dict.fromkeys(values)) or "–"


def _stand_ins(loaded: Sequence[Loaded]) -> list[tuple[str, str]]:
    """(the paper's data set, what stands in for it)."""
    return list(dict(pair for each in loaded for pair in each.order.stand_ins.items()).items())


def _run_groups(loaded: Sequence[Loaded]) -> list[RunGroup]:
    groups: dict[str, RunGroup] = {}
    for each in loaded:
        for loaded_group in each.groups:
            group = loaded_group.group
            title = f"{group.recipe_label} on {group.stand_in or group.dataset_label}"
            rows = [_run_row(run) for run in loaded_group.runs]
            known = groups.get(group.key)
            # One recipe may be asked for up to different iterations: the longest is shown.
            if known is None or max(row.iterations for row in rows) > max(
                row.iterations for row in known.rows
            ):
                groups[group.key] = RunGroup(
                    anchor(group.key), group.key, known.title if known else title, rows
                )
    return list(groups.values())


def _run_row(run: Run) -> RunRow:
    provenance = run.provenance
    speed = provenance.get("images_per_second")
    step = provenance.get("seconds_per_iteration")
    peak = run.largest("peak_memory_bytes")
    return RunRow(
        anchor=anchor(run.key),
        seed=run.seed,
        status="complete" if run.diverged_at is None else f"diverged at {run.diverged_at:,}",
        iterations=run.iterations,
        device=str(provenance.get("device", "–")),
        wall=duration(run.largest("wall_seconds")),
        speed=" · ".join(
            filter(None, [f"{1e3 * step:.3g} ms" if step else "", f"{speed:,.0f}/s" if speed else ""])
        )
        or "–",
        memory=f"{peak / 2**30:.2f} GiB" if peak else "–",
        spec_digest=str(run.seals[-1]["spec_digest"]),
        data_digest=str(run.seals[-1].get("data_digest") or "–"),
        commit=str(provenance.get("commit") or "–"),
        short_commit=_short_commit(run),
        code=str(provenance.get("code_digest") or "–"),
        software=f"torch {provenance.get('torch', '–')}, Python {provenance.get('python', '–')}",
        finished=str(provenance.get("finished_at", "–"))[:16].replace("T", " "),
    )


def duration(seconds: float | None) -> str:
    """Seconds as 12 s, 3 min 20 s, 5 h 12 min or 2 d 3 h."""
    if seconds is None:
        return "–"
    for size, unit, smaller, small_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // smaller)} {small_unit}"
    return f"{seconds:.0f} s"

"""What the page shows of one order: a table, a figure (to be looked at or handled), or claims."""

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from gantry.errors import UserError
from gantry.plan.output_types import CLAIMS
from gantry.report.claims import COLUMNS as CLAIM_COLUMNS
from gantry.report.layout import Arranged, Footnotes, arrange
from gantry.report.load import Loaded
from gantry.report.notes import protocol_notes
from gantry.report.specs import ReportSpec, type_of
from gantry.report.tables.make import cells_of, spread_of
from gantry.report.titles import title_of

# An SVG is sharper at any size; above this it is the picture inside that weighs, and the PNG does as well.
LARGEST_SVG = 300_000
# Figures are drawn at 150 dots an inch for print and shown a little larger than that on a screen of 96.
DPI, CSS_DPI, ENLARGED = 150, 96, 1.2


@dataclass(frozen=True)
class Item:
    """One table, figure or list of claims as the page shows it."""

    anchor: str
    # What the paper calls it, "Table 2", where it is the paper's, and its title without that.
    label: str
    title: str
    spec: ReportSpec
    notes: Sequence[str]
    groups: Sequence[str]
    parts: Sequence[Arranged] = ()
    footnotes: Footnotes | None = None
    image: str = ""
    image_width: int = 0
    # HTML of the same curves or samples, to be zoomed, switched or slid through.
    interactive: str = ""
    claims: Sequence[Mapping[str, Any]] = ()

    @property
    def name(self) -> str:
        """What the contents call it."""
        return self.label or self.title

    @property
    def sections(self) -> list[tuple[str, list[Mapping[str, Any]], Counter[str]]]:
        """The claims by where the paper makes them: (place, claims, how many have each verdict)."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for claim in self.claims:
            found.setdefault(claim["source"], []).append(claim)
        return [
            (
                place[:1].upper() + place[1:] or "Elsewhere",
                claims,
                Counter(claim["verdict"] for claim in claims),
            )
            for place, claims in found.items()
        ]

    def is_part_of(self, other: "Item") -> bool:
        """Whether another figure shows all that this one shows."""
        mine, theirs = self.spec, other.spec
        same = ("paper", "type", "metrics", "options", "iterations")
        return (
            bool(self.image)
            and all(getattr(mine, key) == getattr(theirs, key) for key in same)
            and set(self.groups) < set(other.groups)
        )


def item_of(loaded: Loaded, outputs: Mapping[str, Mapping[str, Path]]) -> Item:
    """Return what the page shows of a spec; UserError where one of its files is not there."""
    spec = loaded.spec
    files = outputs.get(f"{spec.paper}/{spec.name}")
    if files is None:
        raise UserError(f"report page: no files given for {spec.paper}/{spec.name}")
    label, title = _label_and_title(title_of(loaded))
    common: dict[str, Any] = {
        "anchor": f"{spec.paper}-{spec.name}",
        "label": label,
        "title": title,
        "spec": spec,
        "notes": protocol_notes(spec),
        "groups": list(dict.fromkeys(group.key for group in spec.groups)),
    }
    if spec.type == CLAIMS:
        return Item(**common, claims=_read_claims(files["csv"]))
    if "csv" in files:
        if not files["csv"].is_file():
            raise UserError(f"{files['csv']}: table not found; make it first")
        parts, footnotes = arrange(cells_of(loaded), spread_of(spec))
        return Item(**common, parts=parts, footnotes=footnotes)
    handled = type_of(spec, "figure").make_on_page()
    return Item(
        **common,
        image=_embedded(files),
        image_width=_width(files["png"]),
        interactive=handled(loaded, common["anchor"]) if handled else "",
    )


def _label_and_title(title: str) -> tuple[str, str]:
    """Split "FID over iterations (figure 5), on digits": the paper's name for it, and the rest."""
    found = re.search(r" \(((?:figure|table) \d+[a-z]?)\)", title)
    if not found:
        return "", title
    return found[1].capitalize(), title[: found.start()] + title[found.end() :]


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
        p = claim["p"] and f"p = {float(claim['p']):.2g}, with Holm's correction {float(claim['p_holm']):.2g}"
        phrases = (claim["result"], p, published, claim["note"], claim["seeds_to_decide"])
        claim["details"] = [
            phrase if phrase is p else phrase[0].upper() + phrase[1:] for phrase in phrases if phrase
        ]
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

"""Claims of a paper's text, each with the statistic that tests it and a verdict."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.files import write_text
from gantry.metrics import names
from gantry.plan.output_types.claims import Claim, ClaimTest, Side
from gantry.report.cells import network_of
from gantry.report.costs import COSTS
from gantry.report.layout import decimals, number
from gantry.report.learned import CRITERION, NOT_TESTED, unlearned
from gantry.report.load import Loaded, LoadedGroup, load
from gantry.report.markup import escape_markdown
from gantry.report.notes import protocol_notes, scale_note
from gantry.report.quantities import DERIVED, REACHING
from gantry.report.sides import LEAST_DIVERGED, Comparison, Numbers, comparison, least_seeds, numbers
from gantry.report.specs import ReportSpec, options_of, parse_spec
from gantry.report.statistics import (
    CONFIDENCE,
    LEAST_FOR_SIGNS,
    LEAST_SEEDS,
    LEVEL,
    MOST_SEEDS,
    POWER,
    Evidence,
    Judged,
    holm,
    judge,
)
from gantry.report.titles import title_of

# p is two-sided, of the test that decides; p_holm is Holm's over all claims of one file that were tested.
COLUMNS = [
    "name",
    "statement",
    "source",
    "published",
    "quantity",
    "estimate",
    "low",
    "high",
    "n",
    "test",
    "p",
    "p_holm",
    "verdict",
    "seeds_to_decide",
    "result",
    "trained_on",
    "marks",
    "note",
    "groups",
]
DECIDED = ("holds", "does not hold")


def make_claims(spec: dict[str, Any], csv: Path, md: Path) -> pd.DataFrame:
    """Test every claim of the spec, write both files, and return the rows (columns: COLUMNS)."""
    loaded = load(parse_spec(spec))
    return write_claims(loaded, options_of(loaded.spec).claims, csv, md, [scale_note(loaded.spec)])


def write_claims(
    loaded: Loaded, claims: Sequence[Claim], csv: Path, md: Path, notes: Sequence[str]
) -> pd.DataFrame:
    """Test claims on runs that were read, write the rows as CSV and as Markdown, and return them."""
    rows = [_row(part, loaded) for claim in claims for part in _spread(claim, loaded)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["p_holm"] = holm(frame["p"].tolist())
    write_text(csv, frame.to_csv(index=False))
    told = [*notes, *protocol_notes(loaded.spec), *_rule_notes(frame), *_seeds_notes(claims)]
    write_text(md, _markdown(title_of(loaded), frame, told))
    return frame


def _spread(claim: Claim, loaded: Loaded) -> Iterator[Claim]:
    """A claim about several data sets, iterations or baselines as one about each; else as it is."""
    for side, printed in zip(claim.sides[1:], claim.baselines.values(), strict=False):
        label = next((g.recipe_title for g in loaded.spec.groups if g.recipe == side.recipe), side.recipe)
        test = claim.test.model_copy(update={"against": side})
        yield _about(claim, f"against {label}", printed, test)
    for dataset, published in claim.each.items():
        label = next((g.dataset_title for g in loaded.spec.groups if g.dataset_name == dataset), dataset)
        test = _with_sides(claim.test, dataset=dataset)
        if isinstance(published, str):
            yield _about(claim, label, published, test)
            continue
        for iteration, text in published.items():
            yield _about(claim, _after(label, iteration), text, _with_sides(test, iteration=iteration))
    for iteration, text in claim.at.items():
        yield _about(claim, _after("", iteration), text, _with_sides(claim.test, iteration=iteration))
    if not (claim.each or claim.at or claim.baselines):
        yield claim


def _after(label: str, iteration: int) -> str:
    return f"{label}{', ' if label else ''}after {iteration:,} iterations"


def _with_sides(test: ClaimTest, **changes: Any) -> ClaimTest:
    against = test.against and test.against.model_copy(update=changes)
    return test.model_copy(update={"of": test.of.model_copy(update=changes), "against": against})


def _about(claim: Claim, label: str, published: str, test: ClaimTest) -> Claim:
    return claim.model_copy(
        update={
            "name": f"{claim.name}, {label}",
            "statement": f"{label[0].upper()}{label[1:]}: {claim.statement}",
            "published": published,
            "test": test,
        }
    )


def _row(claim: Claim, loaded: Loaded) -> dict[str, Any]:
    test, spec = claim.test, loaded.spec
    groups = [_group(claim, side, loaded) for side in claim.sides]
    sides = [numbers(spec, test, side, group) for side, group in zip(claim.sides, groups, strict=True)]
    found = comparison(test, sides)
    boundary = float(np.log(test.boundary)) if test.statistic == "ratio" else test.boundary
    judged = judge(test.expect, boundary, found.test)
    verdict, reason = _verdict(spec, test, judged, groups)
    others = dict.fromkeys(group.group.trained_on for group in groups if group.group.trained_on)
    notes = dict.fromkeys(note for side in sides for note in side.notes)
    measured = [f"measured on {', '.join(others)}"] if others else []
    told = judged.tested
    estimate, low, high = (
        _plain(test, bound) for bound in (told.interval.mean, told.interval.low, told.interval.high)
    )
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "published": claim.published,
        "quantity": _quantity(test, loaded),
        "estimate": estimate,
        "low": low,
        "high": high,
        "n": told.interval.n,
        "test": told.test,
        "p": np.nan if verdict == NOT_TESTED else judged.p,
        "verdict": verdict,
        "seeds_to_decide": reason or _needed(found, boundary, told) if verdict not in DECIDED else "",
        "result": _result(test, told, sides, (estimate, low, high), loaded),
        "trained_on": ", ".join(others),
        "marks": ", ".join(dict.fromkeys(mark for group in groups for mark in group.group.marks)),
        "note": "; ".join([*notes, *measured]),
        "groups": " ".join(dict.fromkeys(group.group.key for group in groups)),
    }


def _plain(test: ClaimTest, value: float) -> float:
    """A ratio, back from its logarithm."""
    return float(np.exp(value)) if test.statistic == "ratio" else float(value)


def _verdict(
    spec: ReportSpec, test: ClaimTest, judged: Judged, groups: Sequence[LoadedGroup]
) -> tuple[str, str]:
    """The verdict, and why there is none."""
    untrained = unlearned(spec, groups)
    if untrained is not None:
        return NOT_TESTED, untrained
    gone = groups[0]
    if test.if_diverged != "undecided" and len(gone.runs) >= LEAST_DIVERGED and not gone.complete:
        return test.if_diverged, ""
    return judged.verdict, ""


def _group(claim: Claim, side: Side, loaded: Loaded) -> LoadedGroup:
    found = [
        group
        for group in loaded.groups
        if group.group.recipe == side.recipe and side.dataset in (None, group.group.dataset_name)
    ]
    if len(found) != 1:
        what = "no runs of" if not found else "several data sets for"
        known = ", ".join(f"{group.recipe} on {group.dataset_name}" for group in loaded.spec.groups)
        raise UserError(
            f"{loaded.spec.paper}/{loaded.spec.name}: claims.{claim.name}: {what} {side.recipe}"
            f"{f' on {side.dataset}' if side.dataset else ''}; the spec has {known}"
        )
    return found[0]


def _needed(found: Comparison, boundary: float, told: Evidence) -> str:
    """How many seeds would decide, in words; or why these cannot."""
    if not told.interval.n:
        return ""
    needed = found.needed(boundary)
    if needed is not None:
        chance = f"with a chance of {POWER * 100:.0f} %"
        return f"about {needed} {found.design} would decide {chance}, if mean and spread stay as they are"
    if np.isnan(told.below):
        return told.test
    known = told.interval.error and not np.isnan(told.interval.low)
    return f"more than {MOST_SEEDS} {found.design} would be needed to decide" if known else ""


REDUCED = {
    "min": "lowest ",
    "max": "highest ",
    "mean": "mean ",
    "std": "deviation over checkpoints of ",
    "when_min": "share of training until the lowest ",
    "when_max": "share of training until the highest ",
}


def _quantity(test: ClaimTest, loaded: Loaded) -> str:
    """What was measured, in words."""
    if test.metric in COSTS:
        return COSTS[test.metric].title
    if test.metric in DERIVED:
        title = DERIVED[test.metric].title
    else:
        title = names.label(test.metric, network_of(loaded.groups, test.metric))
    if test.reduction in REACHING:
        comparison = "≤" if test.reduction == "first_below" else "≥"
        return f"iterations until {title} {comparison} {test.level:g}"
    tail = f" of the last {test.checkpoints} checkpoints" if test.checkpoints else ""
    if test.reduction == "last":
        iteration = test.of.iteration
        if iteration is None:
            return f"{title}{tail} at the end"
        spec = loaded.spec
        here = round(iteration * spec.iterations / (spec.paper_iterations or spec.iterations))
        return f"{title} after {here:,} iterations"
    return f"{REDUCED[test.reduction]}{title}{tail}"


def _result(
    test: ClaimTest,
    told: Evidence,
    sides: Sequence[Numbers],
    shown: tuple[float, float, float],
    loaded: Loaded,
) -> str:
    """The statistic in one phrase."""
    kind = {"value": "", "difference": "difference in ", "ratio": "ratio of "}[test.statistic]
    centre = "median " if told.centre == "median" else ""
    head = f"{centre}{kind}{_quantity(test, loaded)}: "
    if not told.interval.n or np.isnan(shown[0]):
        return head + "no value"
    mean, low, high = (number(value, decimals(np.asarray([shown[0]]))) for value in shown)
    counts = list(dict.fromkeys(len(side.by_seed) for side in sides))
    seeds = f"{' and '.join(map(str, counts))} seed{'' if counts == [1] else 's'}"
    interval = "no interval" if np.isnan(shown[1]) else f"{CONFIDENCE * 100:.0f} % interval {low} to {high}"
    tests = "" if np.isnan(told.below) else f", {told.test}"
    return f"{head}{mean} ({interval}, {seeds}{tests}{_claimed(test)})"


def _claimed(test: ClaimTest) -> str:
    """What the claim says of the number, where that is not simply less or more than nothing."""
    if test.expect == "alike":
        low = 1 / test.boundary if test.statistic == "ratio" else -test.boundary
        return f"; claimed between {low:.3g} and {test.boundary:.3g}".replace("-", "−")
    return (
        "" if test.threshold is None else f"; claimed {test.expect} than {test.threshold:g}".replace("-", "−")
    )


def _rule_notes(frame: pd.DataFrame) -> list[str]:
    """What a reader of many claims must know: how they are judged, and how many chance alone would decide."""
    notes = []
    if (frame["verdict"] == NOT_TESTED).any():
        notes.append(CRITERION)
    tested = int(frame["p"].notna().sum())
    if tested:
        decided = frame["verdict"].isin(DECIDED) & frame["p"].notna()
        kept = int((decided & (frame["p_holm"] <= LEVEL)).sum())
        count = int(decided.sum())
        notes.append(
            f"{tested} claim{'s were' if tested > 1 else ' was'} tested, each at {100 * LEVEL:.0f} %: if nothing "
            f"differed, chance would decide {tested * LEVEL:.2g} of them. {count} {'is' if count == 1 else 'are'} "
            f"decided here, {kept} still after Holm's correction for all of them (p with Holm in brackets). "
            "The rule: docs/claims.md."
        )
    return notes


def _seeds_notes(claims: Sequence[Claim]) -> list[str]:
    """Which claims take more seeds than the least that decide any, however clear the result is."""
    kinds = {LEAST_SEEDS + 1: "counts", LEAST_FOR_SIGNS: "one number a run, or two of the same run"}
    names = {n: [claim.name for claim in claims if least_seeds(claim) == n] for n in kinds}
    told = [f"{n} for {kinds[n]} ({', '.join(found)})" for n, found in names.items() if found]
    if not told:
        return []
    return [
        f"The fewest seeds with which a result can decide: {LEAST_SEEDS} for two recipes, {', '.join(told)}."
    ]


def _markdown(title: str, frame: pd.DataFrame, notes: Sequence[str]) -> str:
    lines = ["| Claim | Published | Ours | Verdict |", "| :-- | :-- | :-- | :-- |"]
    for row in frame.to_dict("records"):
        ours = "; ".join(filter(None, [row["result"], row["seeds_to_decide"], row["note"]]))
        statement = f"{row['statement']} ({row['source']})" if row["source"] else row["statement"]
        cells = [statement, row["published"] or "–", ours]
        lines.append("| " + " | ".join(map(escape_markdown, cells)) + f" | {_verdict_cell(row)} |")
    body = "\n".join(f"- {escape_markdown(note)}" for note in notes)
    return f"**{escape_markdown(title)}**\n\n" + "\n".join(lines) + f"\n\n{body}\n"


def _verdict_cell(row: dict[Any, Any]) -> str:
    marks = f" ({row['marks']})" if row["marks"] else ""
    p = "" if np.isnan(row["p"]) else f", p = {row['p']:.2g} ({row['p_holm']:.2g})"
    return f"**{row['verdict']}**{p}{marks}"

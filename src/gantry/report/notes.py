"""What a reader of one table, figure or list of claims must know: its size, and where it departs from the paper."""

from typing import Any

from gantry.report.specs import ReportSpec, parse_spec

INTERVAL_NOTE = "In brackets: the 95 % interval of the mean over training seeds (Student's t)."
DEVIATION_NOTE = "±: the standard deviation over training seeds."


def scale_note(spec: ReportSpec) -> str:
    """How large the experiments are."""
    return f"Scale: {spec.scale}, {spec.scale_title}."


def protocol_notes(spec: ReportSpec) -> list[str]:
    """What a reader of one table or figure must know: where it departs from the experiment that it is named for."""
    notes = [*spec.shortened, *spec.overrides, *spec.changes]
    if spec.replaced:
        pairs = [f"{used} in place of {label}" for label, used in spec.replaced.items()]
        notes.append(f"{'Proxy data' if spec.has_proxies else 'Data'}: {'; '.join(pairs)}.")
    if spec.options.get("spread") == "interval":
        notes.append(INTERVAL_NOTE)
    return notes + list(spec.notes)


def labels(spec: dict[str, Any]) -> dict[str, str]:
    """Return title and notes of a report spec, as Snakemake's own report shows them beside a file."""
    parsed = parse_spec(spec)
    return {"title": parsed.heading, "notes": " ".join([scale_note(parsed), *protocol_notes(parsed)])}

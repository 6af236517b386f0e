"""What somebody may have meant who asks for what the plan does not make: a file, a paper, a table."""

from pathlib import Path
from typing import Any

from gantry.errors import suggestion
from gantry.plan.places import workflow_root
from gantry.plan.plan import Plan
from gantry.plan.reading import dump_yaml
from gantry.runs.paths import canonical


def left_out(plan: Plan, asked: str) -> str:
    """Say why an output, 'table2' or 'bcgan/table2', is not made though a paper of the plan describes it; else ''."""
    paper, _, name = asked.rpartition("/")
    for home, described in plan.described.items():
        known = {output for output, _ in _outputs(described)}
        if paper in ("", home) and name in known and name not in plan.experiments[home].outputs:
            kept = dump_yaml({home: "all"}).strip()
            return (
                f"{home} has it, but not at scale {plan.scale_name}, which keeps to some outputs and data sets; "
                f"--config 'outputs={{{kept}}}' asks for all that its data sets allow, another scale for more"
            )
    return ""


def unknown_target(plan: Plan, asked: str) -> str:
    """Return one line for a target of snakemake that nothing makes: what it is, and what may have been meant."""
    root = canonical(plan.config.results)
    files = [*plan.output_files(), f"{plan.results}/report.html"]
    within = Path(canonical(asked))
    if within.is_relative_to(root) and len(inside := within.relative_to(root).parts) > 1:
        scale, *rest = inside
        if scale not in (plan.scale_name, "data"):
            mine = "/".join((plan.results, *rest))
            also = f", or ask for {mine}" if mine in files else ""
            return (
                f"{asked}: of another scale than {plan.scale_name}, which this command is for: add --config "
                f"scale={scale}{also}"
            )
        if why := left_out(plan, "/".join((*rest[:-1], Path(rest[-1]).stem))):
            return f"{asked}: {why}"
    if asked not in plan.experiments and (workflow_root() / f"workflow/experiments/{asked}.yaml").is_file():
        return f"{asked}: not among the papers of this command: add --config 'papers=[{asked}]'"
    named = [(paper, name) for paper, name, _ in plan.outputs() if asked in (name, f"{paper}/{name}")]
    if named:
        of = " or ".join(plan.files_of(*output)[0] for output in named)
        return f"{asked}: give the file of the table or figure: {of}"
    if "/" not in asked and (why := left_out(plan, asked)):
        return f"{asked}: {why}"
    names = [name for paper, name, _ in plan.outputs() for name in (name, f"{paper}/{name}")]
    near = suggestion(asked, [*plan.experiments, "all", *(files if "/" in asked else names)])
    papers = ", ".join(plan.experiments)
    return (
        f"{asked}: nothing makes this{near or ';'} a target is a paper ({papers}), or a file such as {files[0]}; "
        "gantry status lists every table and figure"
    )


def _outputs(described: dict[str, Any]) -> list[tuple[str, Any]]:
    found = described.get("outputs")
    return list(found.items()) if isinstance(found, dict) else []

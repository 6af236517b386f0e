"""The model card: what the model is, how it was made, how good it is, and how to run it. Markdown with a YAML head."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gantry.export.program import FURTHER
from gantry.methods.latents import SCALED_CUT
from gantry.metrics.names import COLUMNS, MEAN, MIXTURE, REAL, label
from gantry.plan.blocks.players import Latent
from gantry.plan.reading import dump_yaml

UNSTATED = "not stated"
USE = """\
import torch
from safetensors.torch import load_file

from generator import {function}  # generator.py of this folder: plain PyTorch, to be read first

weights, given = load_file("model.safetensors"), load_file("inputs.safetensors")
{fresh}
with torch.inference_mode():
    samples = {function}(weights, **given)  # {range}
print(samples.shape)
"""


def scores_at(run: Path, iteration: int) -> list[dict[str, str]]:
    """Return the rows of a run's metrics files at an iteration, without those of real samples; a number once."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for path in sorted(run.glob("metrics-*.csv"), key=lambda path: path.stat().st_mtime_ns):
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if not row.keys() >= set(COLUMNS) or row["sampled_from"] == REAL:
                    continue
                if int(row["iteration"]) == iteration:
                    key = (row["metric"], row["feature_network"], row["sampled_from"], row["samples"])
                    found[key] = row
    return list(found.values())


def usage(
    function: str,
    shapes: Mapping[str, tuple[int, ...]],
    latent: Latent,
    *,
    images: bool,
    truncation: float | None = None,
    scaled: bool = False,
) -> str:
    """Return the lines of Python that load and run the model; `shapes` are those of its inputs."""
    if "z" in shapes:
        fresh = f'given["z"] = {_drawn(latent, truncation, scaled)}  # without this line: the picture'
    elif "x" in shapes:
        shape = f"(B, {', '.join(map(str, shapes['x'][1:]))})"
        own = (
            f"images, {shape} in [−1, 1],"
            if len(shapes["x"]) == 4
            else f"points, {shape} in the data's units,"
        )
        asked = "; what is asked for is given['labels']" if "labels" in shapes else ""
        fresh = f"# given['x'] is noise: put your own {own} in its place{asked}"
    else:
        fresh = (
            "given = {name: torch.randn_like(noise) for name, noise in given.items()}  # without: the picture"
        )
    values = "in [−1, 1]" if images else "in the data's units"
    return USE.format(function=function, fresh=fresh, range=values)


# `gantry.methods.latents.DISTRIBUTIONS` as text.
DRAWN = {
    "normal": 'torch.randn_like(given["z"])',
    "uniform": '2 * torch.rand_like(given["z"]) - 1',
    "bernoulli": '(torch.rand_like(given["z"]) < 0.5).float()',
    "censored": 'torch.randn_like(given["z"]).relu()',
}


def _drawn(latent: Latent, truncation: float | None, scaled: bool) -> str:
    """How z is drawn anew, as Python."""
    drawn = DRAWN[latent.distribution]
    if truncation is not None:
        cut = SCALED_CUT if scaled else truncation
        drawn = f'torch.nn.init.trunc_normal_(torch.empty_like(given["z"]), a={-cut}, b={cut})'
        drawn = f"{truncation} * {drawn}" if scaled else drawn
    return drawn if latent.scale == 1 else f"{latent.scale} * ({drawn})"


def card(told: Mapping[str, Any], use: str, scores: Sequence[Mapping[str, str]], picture: str | None) -> str:
    """Return the card. `told` is what config.json holds."""
    dataset, made = told["dataset"], told["provenance"]
    head = {
        "license": told["licence"] or "unknown",
        "library_name": "pytorch",
        "tags": ["gan", told["recipe_name"] or told["recipe"].get("method", {}).get("name", "adversarial")],
        "datasets": [dataset["name"]],
    }
    title = told["title"]
    lines = ["---", dump_yaml(head).rstrip(), "---", "", f"# {title}", ""]
    if picture:
        lines += [f"![Samples of {title}]({picture})", ""]
    lines += [
        f"Trained for {told['iteration']:,} iterations on `{dataset['name']}`"
        + (f" at {dataset['resolution']}×{dataset['resolution']}" if dataset.get("resolution") else "")
        + f", seed {told['seed']}.",
        "",
        "## Use",
        "",
        "```python",
        use.rstrip(),
        "```",
        "",
        *(f"{FURTHER[ability]}.\n" for ability in told["further"]),
        f"Functions: {', '.join(f'`{name}`' for name in told['functions'].values())}. No classes of a library are "
        "needed, and no pickled objects are read.",
        "",
        "For the inputs of inputs.safetensors all numbers of the samples have, within rounding,",
        "",
        *(
            f"- of `{name}` mean {check['mean']:.6f}, deviation {check['deviation']:.6f}"
            for name, check in told["check"].items()
        ),
        "",
        "## Scores",
        "",
        *_score_lines(scores),
        "",
        "## Licences",
        "",
        f"- of these weights: {told['licence'] or UNSTATED}",
        f"- of the data: {told['data_licence'] or UNSTATED}; the data set's own terms hold for what was learned of it",
        "",
        "## How it was made",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in _facts(told, made)),
        "",
        "The recipe, where it differs from the defaults of that version:",
        "",
        "```yaml",
        dump_yaml(told["recipe"]).rstrip(),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _facts(told: Mapping[str, Any], made: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = {
        "made by": f"Gantry {made.get('gantry', '')}, commit {made['commit']}"
        if "commit" in made
        else UNSTATED,
        "device": made.get("device", UNSTATED),
        "PyTorch": made.get("torch", UNSTATED),
        "finished": made.get("finished_at", UNSTATED),
        "SHA-256 of the checkpoint": told["checkpoint_sha256"],
        "digest of recipe, data set and seed": told["spec_digest"],
        "digest of the data": told["data_digest"] or UNSTATED,
    }
    return list(facts.items())


def _score_lines(scores: Sequence[Mapping[str, str]]) -> list[str]:
    if not scores:
        return ["Not scored: no metrics of this checkpoint lie beside it."]
    lines = ["| metric | value | of | samples |", "|---|---|---|---|"]
    for row in sorted(scores, key=lambda row: (row["metric"], row["sampled_from"])):
        name = label(row["metric"], row["feature_network"])
        of = {MIXTURE: "the mixture of all", MEAN: "the mean over directions"}.get(
            row["sampled_from"], row["sampled_from"]
        )
        lines.append(f"| {name} | {float(row['value']):.5g} | {of} | {row['samples']} |")
    return [*lines, "", "One seed; numbers of one checkpoint say little of the method."]

"""An experiment on one's own images, written to a folder of one's own: data set, recipes, tables; scale; settings."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantry.errors import UserError, suggestion
from gantry.files import write_text
from gantry.plan.layering import extended, lineage, own_text
from gantry.plan.loading import load_plan
from gantry.plan.places import workflow_root
from gantry.plan.plan import Plan
from gantry.plan.problems import Problems
from gantry.plan.reading import read_yaml, show_yaml
from gantry.plan.renamed import renamed
from gantry.runs.paths import canonical
from gantry.system.formatting import count_of

WORKLOAD = "own_images"
CHECKPOINTS = 10
SAMPLES = 1000


@dataclass(frozen=True)
class Request:
    """What was asked for: `images` is a folder, zip or array of `count` images, `recipes` names of shipped ones."""

    folder: Path
    images: Path
    count: int
    title: str
    recipes: tuple[str, ...]
    size: int
    iterations: int
    width: int | None
    device: str
    features: str

    @property
    def name(self) -> str:
        """The name of the experiment and of the data set, made of the folder's."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", self.folder.resolve().name).strip("._-") or "own"


def write_own(request: Request) -> str:
    """Write the experiment; return what to say of it: the files, the time it takes, and the command.

    Raises UserError, and leaves nothing, where a file is there already or the whole makes no sense.
    """
    folder, name = request.folder, request.name
    scale = "gpu" if request.device == "cuda" else "cpu"
    files = {
        folder / f"{name}.yaml": _experiment(request),
        folder / f"{scale}.yaml": _scale(request),
        folder / "config.yaml": _settings(request, folder / f"{scale}.yaml", folder / f"{name}.yaml"),
    }
    if there := [str(path) for path in files if path.exists()]:
        raise UserError(
            f"{', '.join(there)}: there already; change {'it' if len(there) == 1 else 'them'}, or name another folder"
        )
    is_new = not folder.exists()
    try:
        for path, text in files.items():
            write_text(path, text)
        plan = load_plan(read_yaml(folder / "config.yaml", str(folder / "config.yaml")))
    except UserError as error:
        for path in files:
            path.unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise UserError(f"{error}\nnothing was written: choose another --recipe, --size or name") from None
    return _said(request, plan, list(files))


def _said(request: Request, plan: Plan, files: Sequence[Path]) -> str:
    few = request.count < SAMPLES
    lines = [
        f"{files[0]}: the data set ({request.count:,} images of {request.images}), the recipes, the tables",
        f"{files[1]}: how large everything is",
        f"{files[2]}: the settings",
        *(
            [f"{request.count:,} images are few: GANs are usually trained on thousands, and may repeat these"]
            * few
        ),
        "",
        f"{count_of(len(plan.runs), 'run')}:",
        "",
        f"  uv run snakemake --configfile {files[2]}",
        "",
        f"Then open {plan.results}/report.html. How long it takes: uv run gantry plan --configfile {files[2]}",
    ]
    return "\n".join(lines)


def _experiment(request: Request) -> str:
    """The experiment file: everything of it can be changed."""
    recipes, labels = _recipes(request)
    runs = [{"datasets": [request.name], "recipes": labels}]
    source = "array" if request.images.suffix in (".npy", ".npz") else "folder"
    every = max(request.iterations // CHECKPOINTS, 1)
    blocks: list[tuple[str, dict[str, Any]]] = [
        ("", {"title": request.title, "source": "own images"}),
        (
            "Any key of docs/data.md; `images` is left out, so that the folder may grow.",
            {
                "datasets": {
                    request.name: {
                        "title": request.title,
                        "source": source,
                        "path": str(request.images.resolve()),
                    }
                }
            },
        ),
        (
            "How long is trained, and what is scored at each checkpoint.",
            {
                "workloads": {
                    WORKLOAD: {
                        "iterations": every * CHECKPOINTS,
                        "checkpoint_every": every,
                        "resolution": request.size,
                        "samples": min(SAMPLES, request.count),
                        "metrics": ["frechet_distance"],
                    }
                }
            },
        ),
        (
            f"As the papers have them{', but for the width' * (request.width is not None)}, written out; a new name "
            "with `extends` and a change is another recipe.",
            {"recipes": recipes},
        ),
        (
            "",
            {
                "outputs": {
                    "samples": {"type": "grids", "title": "Samples", "runs": runs},
                    "scores": {
                        "type": "scores",
                        "title": "Distances to the real images",
                        "runs": runs,
                        "metrics": ["frechet_distance"],
                        "options": {"at": ["best", "end"]},
                    },
                    "curves": {
                        "type": "curves",
                        "title": "Distances over iterations",
                        "runs": runs,
                        "metrics": ["frechet_distance"],
                        "options": {"tail_checkpoints": 0},
                    },
                },
                "highlights": ["samples", "scores"],
            },
        ),
    ]
    head = "# An experiment on own images, written by `gantry new`; config.yaml beside it has the command.\n"
    return head + _text(blocks)


def _text(blocks: Sequence[tuple[str, dict[str, Any]]]) -> str:
    return "\n".join(
        f"# {remark}\n{show_yaml(block)}" if remark else show_yaml(block) for remark, block in blocks
    )


def _scale(request: Request) -> str:
    block = {
        "title": f"of own images, on a {'GPU' if request.device == 'cuda' else 'CPU'}",
        "device": request.device,
        "seeds": [0],
        "features": request.features,
    }
    better = (
        "\n# `gantry fetch inception` and `features: inception` give FID; one seed says little: seeds: [0, 1, 2].\n"
        if request.features != "inception"
        else "\n# One seed says little: seeds: [0, 1, 2].\n"
    )
    return show_yaml(block) + better


def _settings(request: Request, scale: Path, experiment: Path) -> str:
    block = {
        "scale": str(scale.resolve()),
        "papers": [str(experiment.resolve())],
        "results": str((request.folder / "results").resolve()),
    }
    command = f"# uv run snakemake --configfile {canonical(request.folder / 'config.yaml')}   (in Gantry's folder)\n"
    return command + show_yaml(block)


def _recipes(request: Request) -> tuple[dict[str, Any], dict[str, str]]:
    """The recipes written out, those that extend another of them as its heirs; and their labels."""
    shipped, labels, of_points = _shipped()
    for name in request.recipes:
        if name not in shipped:
            raise UserError(
                f"--recipe: unknown recipe {name!r}{suggestion(name, shipped)}; the recipes are those of the files in "
                f"{workflow_root() / 'workflow/experiments'}, such as realnessgan, bcgan, hinge, wgan_gp, edgan"
            )
    found: dict[str, Any] = {}
    for name in request.recipes:
        line = lineage(shipped, name, "", Problems())
        has_one_parent = not any(isinstance(shipped[ancestor].get("extends"), list) for ancestor in line)
        heir_of = next(
            (ancestor for ancestor in line[1:] if ancestor in request.recipes and has_one_parent), None
        )
        if heir_of is not None:
            text = extended(shipped, line[: line.index(heir_of)])
            found[name] = {"extends": heir_of} | {key: text[key] for key in text if key != "workload"}
            continue
        whole = extended(shipped, line)
        if whole["workload"] in of_points:
            raise UserError(f"--recipe: {name} is for points in the plane, not for images")
        found[name] = whole | {"workload": WORKLOAD}
        if request.width is not None:
            found[name]["networks"] = whole["networks"] | {"width": request.width}
    return found, {name: labels.get(name, name) for name in request.recipes}


def _shipped() -> tuple[dict[str, dict[str, Any]], dict[str, str], set[str]]:
    """The recipes of all papers by their names; what tables call them, in as few words as any does; and the
    workloads of points.
    """
    recipes: dict[str, dict[str, Any]] = {}
    labels: dict[str, str] = {}
    of_points: set[str] = set()
    for path in sorted((workflow_root() / "workflow/experiments").glob("*.yaml")):
        with suppress(UserError):  # a broken file of one's own there is no matter here
            text = renamed(read_yaml(path, path.name))
            recipes |= {
                name: own_text(recipe) | ({"extends": recipe["extends"]} if "extends" in recipe else {})
                for name, recipe in (text.get("recipes") or {}).items()
            }
            for name, workload in (text.get("workloads") or {}).items():
                of_points |= set() if workload.get("resolution") else {name}
            for output in (text.get("outputs") or {}).values():
                for block in output.get("runs", ()):
                    for name, label in block.get("recipes", {}).items():
                        labels[name] = min(labels.get(name, label), label, key=len)
    return recipes, labels, of_points

"""The recipes that gpu.py measures, at paper scale, as a file: a bare machine may have nothing that reads YAML.

uv run python benchmarks/gpu_recipes.py     writes gpu_recipes.json anew, after a change of workflow/experiments
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
# The targets' three, those whose penalty has a gradient of its own gradient, and points.
RECIPES = ("edgan", "bcgan", "realnessgan", "bi_penalty", "wgan_gp", "synthetic_bcgan")


def read() -> dict[str, Any]:
    """Recipe → its spec and its resolution (None: points)."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def current() -> dict[str, Any]:
    """What the workflow says of them now."""
    from gantry.plan import load_plan

    plan = load_plan({"scale": "paper", "papers": ["bcgan", "edgan"]}, Path(__file__).resolve().parent.parent)
    return {
        name: {
            "recipe": plan.recipes[name].model_dump(
                mode="json", exclude={"workload", "precision"}, exclude_defaults=True
            ),
            "resolution": plan.workloads[plan.recipes[name].workload].resolution,
        }
        for name in RECIPES
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(current(), indent=2) + "\n", encoding="utf-8")

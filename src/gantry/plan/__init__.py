"""From configuration to a validated list of runs and files; needs neither torch nor NumPy."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gantry.plan.loading import load_plan, load_planned
    from gantry.plan.plan import Plan
    from gantry.plan.runs import Run

__all__ = ["Plan", "Run", "load_plan", "load_planned"]

# Looked up when they are asked for: a recipe alone needs no YAML.
_PLACES = {"Plan": "plan", "Run": "runs", "load_plan": "loading", "load_planned": "loading"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)

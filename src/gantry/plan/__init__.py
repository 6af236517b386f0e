"""From configuration to a validated list of runs and files; needs neither torch nor NumPy."""

from gantry.plan.loading import load_plan, load_planned
from gantry.plan.plan import Plan
from gantry.plan.runs import Run

__all__ = ["Plan", "Run", "load_plan", "load_planned"]

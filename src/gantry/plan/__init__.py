"""From configuration to a validated list of runs and files; needs neither torch nor NumPy."""

from gantry.plan.loading import load_plan
from gantry.plan.runs import Missing, Plan, Run, to_json

__all__ = ["Missing", "Plan", "Run", "load_plan", "to_json"]

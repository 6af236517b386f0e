"""What the half-made paper of conftest.py is called by: its settings, its plan, its table."""

import json
from typing import Any

from tests.workflow.steps import CONFIG

from gantry.plan import Plan, load_plan

SETTINGS = [f"{key}={json.dumps(value)}" for key, value in (CONFIG | {"seeds": [0, 1]}).items()]
TABLE = "results/tiny/sketch/modes.csv"


def plan_of(**config: Any) -> Plan:
    """The plan of two seeds, with `config` on top."""
    return load_plan(CONFIG | {"seeds": [0, 1]} | config)

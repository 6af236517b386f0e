"""The plan of the tests' own paper, without a folder in which it is made."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from gantry.plan import Plan, load_plan
from gantry.plan.layering import merged

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]


def sketch_plan(config: dict[str, Any], **changes: Any) -> Plan:
    """The plan of `sketch.yaml` under a configuration, with `changes` on top."""
    with tempfile.TemporaryDirectory() as folder:
        experiments = Path(folder, "workflow/experiments")
        experiments.mkdir(parents=True)
        shutil.copy(HERE / "sketch.yaml", experiments)
        shutil.copy(REPOSITORY / "workflow/datasets.yaml", experiments.parent)
        return load_plan(merged(config, changes), Path(folder))

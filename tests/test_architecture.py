"""The diffs of docs/architecture.md, applied together to a copy of the code: what they add is there and works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What the diffs leave out: imports of new files, and of one that is there.
IMPORTS = {
    "src/gantry/plan/methods/judged.py": """
from typing import ClassVar, Literal
from gantry.plan.methods.base import MethodOptions
""",
    "src/gantry/methods/judged.py": """
from torch.nn.functional import cross_entropy
from gantry.data.batches import Stream
from gantry.methods.adversarial import Adversarial
from gantry.methods.base import Phase, register
from gantry.networks import build_discriminator
""",
    "src/gantry/objectives/squared_hinge.py": """
from torch import Tensor
from torch.nn.functional import relu
from gantry.objectives.base import Separable, register
""",
    "src/gantry/networks/shallow.py": """
from torch import nn
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.image_networks import ShallowNetworks
""",
    "src/gantry/metrics/contrast.py": "from numpy.typing import NDArray\n",
    "src/gantry/evaluation/computations.py": "from gantry.metrics.contrast import contrast\n",
    "src/gantry/report/tables/lengths.py": """
from collections.abc import Iterator
from gantry.plan.output_types.tables import LengthsOptions
from gantry.report.cells import MAIN, Cell
from gantry.report.load import Loaded
""",
}
USED = """
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
import numpy as np
import torch
from gantry.data.shape import DataShape
from gantry.evaluation.computations import COMPUTATIONS
from gantry.methods import Batch, build_method
from gantry.metrics.names import metric
from gantry.plan.output_types import OUTPUT_TYPES
from gantry.plan.recipe import Recipe
from gantry.report.handbook import equations_of
from gantry.report.tables.lengths import cells

given = {"workload": "", "networks": {"family": "shallow"}, "objective": {"name": "squared_hinge"}}
recipe = Recipe.model_validate(given | {"method": "judged", "optimiser": {"lr": {"classifier": 1e-3}}})
method = build_method(recipe, DataShape((3, 32, 32), classes=10))
labels = torch.arange(4)
for phase in method.phases:
    noise = method.draw(phase.name, 4, torch.device("cpu"))
    method.loss(phase.name, Batch({"x": torch.randn(4, 3, 32, 32)}, labels, noise)).backward()
assert [phase.name for phase in method.phases] == list(recipe.method.phases)
assert all(weight.grad is not None for weight in method.classifier.parameters())
images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
assert COMPUTATIONS["contrast"].compute(None, images, "cpu") == {"contrast": float(images.std())}
assert metric("contrast").direction == "higher"
assert OUTPUT_TYPES["lengths"].options().model_dump() == {}
group = MagicMock(runs=[SimpleNamespace(ends=(20, 40))], lost=0, headline="G1")
(cell,) = cells(SimpleNamespace(groups=[group]), None)
assert (cell.heads, cell.values, cell.runs) == (("iterations",), [40.0], 1)
assert "^2" in str(equations_of(recipe))
print("used")
"""


def additions(page: str) -> dict[str, tuple[str, str]]:
    """Each file of the diffs, the name of the table that a line belongs into, and the lines."""
    found: dict[str, tuple[str, str]] = {}
    for diff in re.findall(r"  ```diff\n(.*?)  ```\n", page, re.DOTALL):
        for part in re.split(r"^  \+\+\+ ", diff, flags=re.MULTILINE)[1:]:
            head, _, lines = part.partition("\n")
            file, _, table = head.partition(", in ")
            found[file] = table, "".join(f"{line[3:]}\n" for line in lines.splitlines())
    return found


def apply(file: Path, table: str, lines: str, imports: str) -> None:
    """Write a new file; put lines first into a table; put a block before the last class, or at the end."""
    if not file.exists():
        file.write_text(f"{imports}\n\n{lines}")
        return
    text = file.read_text()
    if table:
        indent = lines[: len(lines) - len(lines.lstrip())]
        entry = re.compile(rf"^{table}\b.*?\n(?={indent}\S)", re.MULTILINE | re.DOTALL)
        assert entry.search(text), f"{file}: no table {table}"
        text = entry.sub(lambda match: match[0] + lines, text, count=1)
    elif file.suffix == ".py" and lines[0] != " ":
        *_, last = re.finditer(r"\n\n\n(?=@register|class )", text)
        text = f"{text[: last.end()]}{lines}\n\n{text[last.end() :]}"
    elif file.suffix == ".yaml":
        text += lines
    before, doc, after = text.partition('"""\n') if imports else ("", "", text)
    file.write_text(f"{before}{doc}{imports}{after}")


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_diffs_can_be_applied_and_do_what_they_say(repository: Path, page: str, tmp_path: Path) -> None:
    shutil.copytree(repository / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    found = additions(page)
    assert IMPORTS.keys() <= found.keys() and len(found) == 14
    for file, (table, lines) in found.items():
        assert (repository / file).exists() or file in IMPORTS, (
            f"{file}: a diff changes it, and it is not there"
        )
        if file.startswith("src/"):
            apply(tmp_path / file, table, lines, IMPORTS.get(file, ""))
    done = subprocess.run(
        [sys.executable, "-c", USED],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
    )
    assert done.stdout == "used\n", done.stderr


def test_every_room_is_in_the_table(repository: Path, page: str) -> None:
    rooms = {path.parent.name for path in (repository / "src/gantry").glob("*/__init__.py")}
    described = "".join(line for line in page.splitlines() if line.startswith("| `"))
    assert not {
        room for room in rooms if f"`src/gantry/{room}`" not in described and f"`{room}`" not in described
    }

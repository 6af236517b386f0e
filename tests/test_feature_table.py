"""The README's table of features: each ✔ of Gantry's names a test that exists."""

import re
from pathlib import Path


def test_every_feature_has_its_test(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    section = text.split("## Beside others")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    cited = re.findall(r'\[✔\]\((tests/[\w/]+\.py) "(test_\w+)"\) \|$', section, re.MULTILINE)
    assert len(cited) == len(rows) > 15
    for file, name in cited:
        found = (repository / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", found, re.MULTILINE), f"{file} has no {name}"

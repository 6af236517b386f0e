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


def test_of_the_others_is_said_what_was_read_where_and_when(repository: Path) -> None:
    section = (
        (repository / "README.md").read_text(encoding="utf-8").split("## Beside others")[1].split("\n## ")[0]
    )
    before, head, *_ = re.split(r"(?m)^(\| \|.*)$", section, maxsplit=1)
    others = [cell.strip() for cell in head.strip("| ").split("|")][:-1]
    assert len(others) == 5
    said = before.replace("\n", " ")
    assert re.search(r"Read on \d+ \w+ 20\d\d", said)
    assert all(re.search(rf"{name}\]?.? ?\(", said) for name in others), "a link beside each name"
    assert said.count("](https://") > len(others)
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    for _, *cells, _ in rows:
        assert len(cells) == len(others)
        assert all(re.fullmatch(r"[✔–](?: \([^()]+\))?|not checked", cell) for cell in cells), cells

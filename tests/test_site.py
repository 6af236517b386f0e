"""The documentation as a site: the strict build passes."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_site_builds_strictly(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="not installed: mkdocs-material (uv sync --group site)")
    config = repository / "docs/site/mkdocs.yml"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-q",
        "-f",
        str(config),
        "-d",
        str(tmp_path / "s"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.name for path in (tmp_path / "s").glob("*.html")}
    assert {"index.html", "configuration.html", "interruptible.html", "python.html", "tutorial.html"} <= pages
    assert "https://fonts" not in (tmp_path / "s/index.html").read_text()

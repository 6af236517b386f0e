"""What the site adds to the pages: the README as its first page, links into the source."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# [text](../src/…): the site holds the documentation alone.
OUTSIDE = re.compile(r"\[([^\]]*)\]\((\.\./[^)\s]+)(?: \"[^\"]*\")?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the first page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=_as_page(readme)))
    for page in sorted((ROOT / "docs").glob("*.md")):  # a new page is shown before anybody lists it
        if page.name not in str(config["nav"]):
            config["nav"][-1]["Reference"].append({page.stem.capitalize(): page.name})
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links to files that are no pages into their names."""
    return OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2].removeprefix('../')}`)", markdown)


def _as_page(readme: str) -> str:
    """The README with links as they are from `docs`: to pages, and out of it."""
    text = re.sub(r"\]\(docs/", "](", readme)
    text = re.sub(r"!\[[^\]]*\]\(results/[^)]*\)\n?", "", text)
    return re.sub(
        r"\]\((?!https?:|#|[\w/]+\.md[)#])([\w./]+)((?:#[\w-]+)?)((?: \"[^\"]*\")?)\)", r"](../\1\2\3)", text
    )

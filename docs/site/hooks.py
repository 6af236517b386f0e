"""What the site adds to the pages: the README as its first page, links into the source."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# [text](../src/…): the site holds the documentation alone.
OUTSIDE = re.compile(r"\[([^\]]*)\]\((\.\./[^)\s]+)(?: \"[^\"]*\")?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the first page, and the notebook as a page."""
    notebook = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))
    files.append(File.generated(config, "tutorial.md", content="\n\n".join(_cells(notebook))))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=_as_page(readme)))
    for page in sorted((ROOT / "docs").glob("*.md")):  # a new page is shown before anybody lists it
        if page.name not in str(config["nav"]):
            config["nav"][-1]["Reference"].append({page.stem.capitalize(): page.name})
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links to files that are no pages into their names."""
    return OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2].removeprefix('../')}`)", markdown)


def _cells(notebook: dict[str, Any]) -> Iterator[str]:
    """Yield a notebook's cells and what is kept of their outputs as Markdown."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                yield f"![What the cell shows](data:image/png;base64,{''.join(data['image/png']).strip()})"
            elif "text/html" in data:
                yield re.sub(r"(?s)<style.*?</style>", "", "".join(data["text/html"]))
            else:
                yield f"```text\n{''.join(data.get('text/plain', output.get('text', ''))).rstrip()}\n```"


def _as_page(readme: str) -> str:
    """The README with links as they are from `docs`: to pages, and out of it."""
    text = re.sub(r"\]\(docs/", "](", readme.replace("docs/tutorial.ipynb", "docs/tutorial.md"))
    text = re.sub(r"!\[[^\]]*\]\(results/[^)]*\)\n?", "", text)
    return re.sub(
        r"\]\((?!https?:|#|[\w/]+\.md[)#])([\w./]+)((?:#[\w-]+)?)((?: \"[^\"]*\")?)\)", r"](../\1\2\3)", text
    )

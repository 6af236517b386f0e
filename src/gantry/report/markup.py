"""An arranged table in Markdown."""

from collections.abc import Sequence

from gantry.report.layout import Arranged, Entry, Footnotes
from gantry.report.text import with_subscripts


def markdown(title: str, parts: Sequence[Arranged], footnotes: Footnotes, notes: Sequence[str]) -> str:
    """The table as Markdown: one grid per part, then the footnotes, then the notes."""
    blocks = [f"**{escape_markdown(title)}**"]
    for part in parts:
        if part.title:
            blocks.append(f"*{escape_markdown(part.title[0].upper() + part.title[1:])}*")
        heads = [*part.label_heads, *(" ".join(filter(None, head)) for head in part.heads)]
        rows = [[_md_entry(entry) for entry in (*line.labels, *line.entries)] for line in part.lines]
        align = [":--"] * len(part.label_heads) + ["--:"] * len(part.heads)
        blocks.append(
            "\n".join(
                "| " + " | ".join(row) + " |" for row in [[escape_markdown(h) for h in heads], align, *rows]
            )
        )
    blocks += [
        "  \n".join(f"<sup>{letter}</sup> {escape_markdown(text)}." for letter, text in footnotes.lettered())
    ]
    blocks += ["\n".join(f"- {escape_markdown(note)}" for note in notes)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def escape_markdown(text: str) -> str:
    """`text` as Markdown shows it literally, its subscripts set."""
    for sign in "\\|*_<>`[]":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    # The underscore has been escaped by now.
    return with_subscripts(text.replace("\\_", "_"), r"\1<sub>\2</sub>").replace("_", "\\_")


def _md_entry(entry: Entry) -> str:
    marks = f"<sup>{','.join(entry.marks)}</sup>" if entry.marks else ""
    return escape_markdown(entry.text) + marks

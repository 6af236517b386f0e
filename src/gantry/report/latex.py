"""An arranged table as LaTeX (booktabs), in columns and rows that fit a page and can be read there."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from gantry.report.layout import Arranged, Entry, Footnotes, Line
from gantry.report.tex_signs import tex
from gantry.report.text import with_subscripts

# How many letters fit the text width of an article in 10 points (345 pt), by the size of the letters; and beside each
# column's letters the space between columns.
SIZES = {r"\small": 74, r"\footnotesize": 84, r"\scriptsize": 98}
GAP = 2.6
# Lines of 11 points that fit a page below a caption, and what the heads and rules of one block take of them.
PAGE, HEADS, SPACE = 43.0, 5.6, 0.6
BELOW = 4  # blocks on one page
MOST = 15  # floats that LaTeX is given before it has to set them
LETTERS = 88  # in a line of notes


def latex(
    title: str, label: str, parts: Sequence[Arranged], footnotes: Footnotes, notes: Sequence[str]
) -> str:
    r"""The table as LaTeX floats, to be \input where the preamble loads booktabs and graphicx.

    A part that is too wide is divided into blocks of columns, one below the other, and one that is too long into
    several floats. Footnotes and notes stand below the first float.
    """
    floats: list[str] = []
    portions = [
        (part, place, blocks) for part in parts for place, blocks in enumerate(_sheets(_blocks(part)))
    ]
    for part, sheet, blocks in portions:
        room = PAGE if floats else PAGE - _lines_of_notes(footnotes, notes)
        for place, lines in enumerate(_pages(part, room / len(blocks) - HEADS, PAGE / len(blocks) - HEADS)):
            caption = (
                tex(title if not part.title else f"{title}: {part.title}")
                + bool(sheet + place) * " (continued)"
            )
            name = label if not floats else f"{label}-{len(floats)}"
            tabulars = [_tabular(part, columns, lines) for columns in blocks]
            clear = [r"\clearpage"] if floats and not len(floats) % MOST else []
            floats.append(
                "\n".join(
                    [
                        *clear,
                        r"\begin{table}[htbp]",
                        rf"\centering{_size(part, blocks)}",
                        rf"\caption{{{caption}}}\label{{tab:{name}}}",
                        "\n\\par\\medskip\n".join(tabulars),
                        *([] if floats else _foot(footnotes, notes)),
                        r"\end{table}",
                    ]
                )
            )
    return "% needs \\usepackage{booktabs,graphicx}\n" + "\n\n".join(floats) + "\n"


def _lines_of_notes(footnotes: Footnotes, notes: Sequence[str]) -> int:
    return sum(1 + len(text) // LETTERS for text in (*footnotes.texts, *notes))


def _length(entry: Entry) -> int:
    return len(with_subscripts(entry.text, r"\1\2")) + len(",".join(entry.marks))


def _widths(part: Arranged) -> tuple[float, list[float]]:
    """Letters that the labels take together, and each column, with the space beside them."""
    labels = [
        max([len(head), *(_length(line.labels[place]) for line in part.lines)]) + GAP
        for place, head in enumerate(part.label_heads)
    ]
    columns = []
    for place, (group, title) in enumerate(part.heads):
        head = len(title) if title else len(group)
        columns.append(max([head, *(_length(line.entries[place]) for line in part.lines)]) + GAP)
    return sum(labels), columns


def _width(part: Arranged, columns: Sequence[int]) -> float:
    """Letters that a block of these columns takes; a group's title may be wider than its columns."""
    labels, widths = _widths(part)
    groups = groupby(columns, key=lambda place: part.heads[place][0])
    return labels + sum(
        max(len(title) + GAP, sum(widths[place] for place in places)) for title, places in groups
    )


def _blocks(part: Arranged) -> list[list[int]]:
    """The columns in as few blocks as fit a line in the smallest letters, groups of columns kept together."""
    widest, columns = SIZES[r"\scriptsize"], list(range(len(part.heads)))
    if _width(part, columns) <= widest:
        return [columns]
    groups = [list(places) for _, places in groupby(columns, key=lambda place: part.heads[place][0])]
    pieces = [
        piece
        for group in groups
        for piece in ([group] if _width(part, group) <= widest else [[place] for place in group])
    ]
    blocks: list[list[int]] = []
    for piece in pieces:
        if blocks and _width(part, [*blocks[-1], *piece]) <= widest:
            blocks[-1] += piece
        else:
            blocks.append(piece)
    return blocks


def _sheets(blocks: list[list[int]]) -> list[list[list[int]]]:
    """The blocks that one page can hold below each other."""
    return [blocks[start : start + BELOW] for start in range(0, len(blocks), BELOW)]


def _size(part: Arranged, blocks: Sequence[Sequence[int]]) -> str:
    widest = max(_width(part, columns) for columns in blocks)
    return next((size for size, fits in SIZES.items() if widest <= fits), r"\scriptsize")


def _is_spaced(part: Arranged) -> bool:
    """Whether rows stand apart, because some have several lines."""
    return not all(line.first for line in part.lines)


def _pages(part: Arranged, first: float, later: float) -> Iterator[Sequence[Line]]:
    """The lines in portions that take so much room on the first and on later pages; none begins within a row."""
    spaced, portion, used, room = _is_spaced(part), list[Line](), 0.0, first
    for index, line in enumerate(part.lines):
        if line.first:
            row = next(
                (n for n, later_line in enumerate(part.lines[index + 1 :], 1) if later_line.first),
                len(part.lines) - index,
            )
            if portion and used + row + SPACE * spaced > room:
                yield portion
                portion, used, room = [], 0.0, later
            used += SPACE * spaced
        portion.append(line)
        used += 1
    yield portion


def _tabular(part: Arranged, columns: Sequence[int], lines: Sequence[Line]) -> str:
    return "\n".join(
        [
            # For labels alone that are wider than a line.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{'l' * len(part.label_heads)}{'r' * len(columns)}}}",
            r"\toprule",
            *_heads(part, columns),
            r"\midrule",
            *_lines(lines, columns, _is_spaced(part)),
            r"\bottomrule",
            r"\end{tabular}}",
        ]
    )


def _heads(part: Arranged, columns: Sequence[int]) -> list[str]:
    labels = [tex(head) for head in part.label_heads]
    heads = [part.heads[place] for place in columns]
    if not any(title for _, title in heads):
        return [" & ".join([*labels, *(tex(group) for group, _ in heads)]) + r" \\"]
    upper, rules, column = [""] * len(labels), [], len(labels) + 1
    for group, members in groupby(heads, key=lambda head: head[0]):
        width = len(list(members))
        upper.append(rf"\multicolumn{{{width}}}{{c}}{{{tex(group)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    lower = [*labels, *(tex(title) for _, title in heads)]
    return [" & ".join(upper) + r" \\", "".join(rules), " & ".join(lower) + r" \\"]


def _lines(lines: Sequence[Line], columns: Sequence[int], spaced: bool) -> list[str]:
    written = []
    for index, line in enumerate(lines):
        # A portion begins with the labels that stand in the portion before.
        labels = (
            [Entry(label.text or label.repeats, label.marks) for label in line.labels]
            if not index
            else line.labels
        )
        if index and spaced and line.first:
            written.append(r"\addlinespace")
        entries = [*labels, *(line.entries[place] for place in columns)]
        written.append(" & ".join(map(_entry, entries)) + r" \\")
    return written


def _foot(footnotes: Footnotes, notes: Sequence[str]) -> list[str]:
    texts = [rf"\textsuperscript{{{letter}}}~{tex(text)}." for letter, text in footnotes.lettered()]
    texts += [tex(note) for note in notes]
    spaced = [f"{text}\\\\" for text in texts[:-1]] + texts[-1:]
    return [
        r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright",
        *spaced,
        r"\end{minipage}",
    ]


def _entry(entry: Entry) -> str:
    marks = rf"\textsuperscript{{{','.join(entry.marks)}}}" if entry.marks else ""
    return tex(entry.text) + marks

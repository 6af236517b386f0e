"""An arranged table in Markdown and in LaTeX (booktabs)."""

from collections.abc import Sequence

from gantry.report.layout import Arranged, Entry, Footnotes
from gantry.report.text import with_subscripts

# Characters with a meaning in LaTeX, and signs that pdflatex's default fonts lack.
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "³": r"$^3$",
    "₂": r"$_2$",
    "₀": r"$_0$",
    "₁": r"$_1$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "λ": r"$\lambda$",
    "σ": r"$\sigma$",
    "Δ": r"$\Delta$",
    "β": r"$\beta$",
    "∞": r"$\infty$",
    "‖": r"$\|$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "–": "--",
    "—": "---",
    "’": "'",
    "‑": "-",
    "…": r"\ldots{}",
}


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


def latex(
    title: str, label: str, parts: Sequence[Arranged], footnotes: Footnotes, notes: Sequence[str]
) -> str:
    r"""The table as a LaTeX float per part, to be \input where the preamble loads booktabs and graphicx.

    Footnotes and notes stand below the first part.
    """
    floats = []
    for index, part in enumerate(parts):
        caption = _tex(title if not part.title else f"{title}: {part.title}")
        name = label if index == 0 else f"{label}-{index}"
        foot = _tex_foot(footnotes, notes) if index == 0 else []
        floats.append(
            "\n".join(
                [
                    r"\begin{table}[htbp]",
                    r"\centering\small",
                    rf"\caption{{{caption}}}\label{{tab:{name}}}",
                    r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
                    rf"\begin{{tabular}}{{{'l' * len(part.label_heads)}{'r' * len(part.heads)}}}",
                    r"\toprule",
                    *_tex_heads(part),
                    r"\midrule",
                    *_tex_lines(part),
                    r"\bottomrule",
                    r"\end{tabular}}",
                    *foot,
                    r"\end{table}",
                ]
            )
        )
    return "% needs \\usepackage{booktabs,graphicx}\n" + "\n\n".join(floats) + "\n"


def _tex_heads(part: Arranged) -> list[str]:
    labels = [_tex(head) for head in part.label_heads]
    if not any(title for _, title in part.heads):
        return [" & ".join([*labels, *(_tex(group) for group, _ in part.heads)]) + r" \\"]
    upper, rules, column = [""] * len(labels), [], len(labels) + 1
    for group, width in part.head_groups:
        upper.append(rf"\multicolumn{{{width}}}{{c}}{{{_tex(group)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    lower = [*labels, *(_tex(title) for _, title in part.heads)]
    return [" & ".join(upper) + r" \\", "".join(rules), " & ".join(lower) + r" \\"]


def _tex_lines(part: Arranged) -> list[str]:
    lines = []
    for index, line in enumerate(part.lines):
        if index and line.first and line.labels[0].text:
            lines.append(r"\addlinespace")
        lines.append(" & ".join(_tex_entry(entry) for entry in (*line.labels, *line.entries)) + r" \\")
    return lines


def _tex_foot(footnotes: Footnotes, notes: Sequence[str]) -> list[str]:
    texts = [rf"\textsuperscript{{{letter}}}~{_tex(text)}." for letter, text in footnotes.lettered()]
    texts += [_tex(note) for note in notes]
    return [r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize", *_spaced(texts), r"\end{minipage}"]


def _spaced(texts: Sequence[str]) -> list[str]:
    return [f"{text}\\\\" for text in texts[:-1]] + list(texts[-1:])


def _tex(text: str) -> str:
    # Subscripts travel through the escaping as signs that no label has.
    marked = with_subscripts(text, "\\1\x01\\2\x02")
    escaped = "".join(LATEX.get(sign, sign) for sign in marked).replace("\x01", "$_{").replace("\x02", "}$")
    return escaped.replace("$$", "")


def _tex_entry(entry: Entry) -> str:
    marks = rf"\textsuperscript{{{','.join(entry.marks)}}}" if entry.marks else ""
    return _tex(entry.text) + marks

"""LaTeX: whatever a label holds, the tables compile; they fit their page, and nothing is set too small to be read."""

import re
import shutil
import subprocess

import pytest
import yaml
from tests.report.tables.making import BEST, STATISTICS, write_runs

from gantry.report.latex import latex
from gantry.report.layout import Arranged, Entry, Footnotes, Line
from gantry.report.tex_signs import tex

GREEK = "αβγδεζηθικλμνξοπρςστυφχψω ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
AWKWARD = [
    GREEK,
    "λ_D = λ_G = 0, δ_1 and χ²; 10⁻³ H₂O x₁₀",
    r"\ { } [ ] $ & % # _ ^ ~ * | < > ` ' \"",
    "[begins with a bracket] and *with a star*",
    "± − × ÷ · ≤ ≥ ≠ ≈ ∞ ‖ → ← ↑ ↓ ∈ ∇ ∂ √ ∑ ° ′ ½ µ",
    "é è ê ä ö ü ß ñ ç č ş ő ø å æ œ Ł İ “double” ‘single’ «these» – — …",
    "日本語 Привет שלום 😀 \u200b \u00a0 ﬁ Ⅳ",
    "$λ $$ \\λ ^² _₂",
]
NEEDS = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n%s\\end{document}\n"


def compiled(text, folder):
    """What pdflatex says of a document that inputs this table; skips where there is no TeX."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on this machine: signs are checked one by one instead")
    (folder / "one.tex").write_text(NEEDS % text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "one.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, re.findall(r"^! .*|^l\.\d+.*", said, re.M)
    return said


def words_in(repository):
    """Every text of the shipped experiments and data sets, which may become a label, a title or a note."""
    files = [repository / "workflow/datasets.yaml", *(repository / "workflow").glob("*/*.yaml")]

    def strings(node):
        if isinstance(node, dict):
            return [text for pair in node.items() for part in pair for text in strings(part)]
        return [text for part in node for text in strings(part)] if isinstance(node, list) else [str(node)]

    found = {text for file in files for text in strings(yaml.safe_load(file.read_text(encoding="utf-8")))}
    return sorted(found)


def test_only_signs_that_a_plain_document_has_are_written(repository):
    for text in [*AWKWARD, *words_in(repository)]:
        written = tex(text)
        assert written.isascii() and written.isprintable(), (text, written)
        assert len(re.findall(r"(?<!\\)\$", written)) % 2 == 0, (text, written)


def test_no_sign_of_the_shipped_texts_is_written_by_its_number(repository):
    lacking = {text: tex(text) for text in words_in(repository) if "U+" in tex(text)}
    assert not lacking


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("λ_D = 0", r"$\lambda_{D}$ = 0"),
        ("10⁻³ ± 1", r"10$^{-3}$ $\pm$ 1"),
        ("a < b | c", r"a $<$ b $|$ c"),
        ("naïve ß", r"na\"{i}ve \ss{}"),
        ("[x] *y", "{[}x{]} {*}y"),
        ("$λ", r"\$$\lambda$"),
        ("ℓλx", r"$\ell\lambda$x"),
        ("日", "U+65E5 "),
    ],
)
def test_signs_are_written_as_commands(text, written):
    assert tex(text) == written


def table(texts, columns=3, rows=1):
    """An arranged table whose every place holds such texts."""
    lines = [
        Line((Entry(text), Entry("")), tuple(Entry(text) for _ in range(columns)), "ours", True)
        for text in texts
        for _ in range(rows)
    ]
    part = Arranged("", ("Method", "n"), tuple((text, texts[0]) for text in texts[:columns]), tuple(lines))
    notes = Footnotes(list(texts))
    return latex(texts[0], "label", [part], notes, texts)


def test_awkward_texts_compile_everywhere_in_a_table(tmp_path):
    assert "undefined" not in compiled(table(AWKWARD, columns=len(AWKWARD)), tmp_path)


def test_every_shipped_text_compiles(repository, tmp_path):
    compiled("\n\n".join(map(tex, words_in(repository))) + "\n", tmp_path)


@pytest.mark.parametrize("columns", [4, 16, 40])
@pytest.mark.parametrize("rows", [5, 120])
def test_wide_and_long_tables_are_divided_and_never_shrunk(tmp_path, columns, rows):
    heads = tuple(
        (f"metric {place // 4} ↓", ("minimum", "mean", "sd", "end")[place % 4]) for place in range(columns)
    )
    lines = tuple(
        Line(
            (Entry(f"method {row}"), Entry("3")),
            tuple(Entry(f"{row}.25 ± 0.{place:02}", strong=True) for place in range(columns)),
            "ours",
            True,
        )
        for row in range(rows)
    )  # fmt: skip
    text = latex("many", "many", [Arranged("", ("Method", "n"), heads, lines)], Footnotes(), [])
    # Every number is there once, and every block has its row's label.
    assert len(re.findall(r"\d+\.25 \$\\pm\$", text)) == columns * rows
    assert text.count(r"\toprule") == text.count(r"\bottomrule") >= columns // 8
    # Told by TeX itself: how wide each block is, and that no float is higher than its page.
    measured = text.replace(r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}", r"\measured")
    macro = "\\newcommand{\\measured}[1]{\\setbox0=\\hbox{#1}\\typeout{WIDE \\the\\wd0 of \\the\\linewidth}\\box0}\n"
    said = compiled(macro + measured, tmp_path)
    widths = [tuple(map(float, pair)) for pair in re.findall(r"WIDE ([\d.]+)pt ?of ([\d.]+)pt", said)]
    assert len(widths) == text.count(r"\toprule") and all(wide <= line for wide, line in widths), widths
    assert "Float too large" not in said


def test_a_table_of_the_pipeline_compiles(results, make, make_group, published, tmp_path):
    write_runs(results, generators=2)
    group = make_group("bcgan", "δ, χ² & λ_D | a_b", title="CelebA, 100 %")
    for options in (
        STATISTICS,
        BEST | {"side_by_side": True, "costs": ["gpu_memory", "seconds_per_iteration"]},
    ):
        make(results, "scores", [group], options=options, published=published[2])
        compiled((tmp_path / "t.tex").read_text(), tmp_path)


def test_every_sign_compiles_beside_raised_and_lowered_ones(tmp_path):
    """All of the first 12,288, each twice and between exponents: none bears two of them."""
    signs = map(chr, range(0x20, 0x3000))
    compiled(
        "\n\n".join(
            f"x{tex(sign)}y {tex(f'λ_1{sign}{sign}²′°{sign}')} {tex('x₁₀' + sign)}" for sign in signs
        ),
        tmp_path,
    )

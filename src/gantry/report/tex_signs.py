"""Text for pdflatex: every sign that a plain document cannot set is written as a command, or by its number."""

import re
import unicodedata

from gantry.report.text import with_subscripts

# What means something to TeX, at the beginning of a table's row too.
MEANING = {
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
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    '"': "''",
}
TEXT = {
    "–": "--", "—": "---", "‑": "-", "‐": "-", "’": "'", "‘": "`", "“": "``", "”": "''", "„": ",,", "…": r"\ldots{}",
    "\u00a0": "~", "\u202f": r"\,", "\u2009": r"\,", "\u200b": "", "•": r"\textbullet{}", "§": r"\S{}", "¶": r"\P{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "œ": r"\oe{}", "Œ": r"\OE{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "£": r"\pounds{}", "€": "EUR", "©": r"\copyright{}", "®": "(R)",
    "™": "(TM)", "¡": "!`", "¿": "?`",
}  # fmt: skip
GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "varsigma",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
]
CAPITALS = {"Γ", "Δ", "Θ", "Λ", "Ξ", "Π", "Σ", "Υ", "Φ", "Ψ", "Ω"}
MATH = {
    "<": "<", ">": ">", "|": "|", "±": r"\pm", "∓": r"\mp", "−": "-", "×": r"\times", "÷": r"\div", "·": r"\cdot",
    "∗": "*", "↓": r"\downarrow", "↑": r"\uparrow", "→": r"\to", "←": r"\leftarrow", "↔": r"\leftrightarrow",
    "↕": r"\updownarrow", "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow", "∞": r"\infty", "‖": r"\|", "∥": r"\|",
    "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "≈": r"\approx", "≃": r"\simeq", "≡": r"\equiv", "∼": r"\sim",
    "≪": r"\ll", "≫": r"\gg", "«": r"\ll", "»": r"\gg", "∝": r"\propto", "∈": r"\in", "∉": r"\notin",
    "⊂": r"\subset", "∪": r"\cup", "∩": r"\cap", "∅": r"\emptyset", "√": r"\surd", "∑": r"\sum", "∏": r"\prod",
    "∫": r"\int", "∂": r"\partial", "∇": r"\nabla", "∀": r"\forall", "∃": r"\exists", "¬": r"\neg", "∧": r"\wedge",
    "∨": r"\vee", "⊕": r"\oplus", "⊗": r"\otimes", "°": r"^{\circ}", "′": "'", "″": "''", "ℓ": r"\ell",
    "ϵ": r"\epsilon", "ϕ": r"\phi", "ϑ": r"\vartheta", "ϱ": r"\varrho", "µ": r"\mu", "½": r"\frac12",
    "¼": r"\frac14", "¾": r"\frac34", "✓": r"\surd", "✔": r"\surd", "✗": r"\times", "★": r"\star", "†": r"\dagger",
    "‡": r"\ddagger",
}  # fmt: skip
MATH |= {chr(0x3B1 + place): f"\\{name}" for place, name in enumerate(GREEK)} | {"ο": "o"}
# Capitals that look as Latin ones do have no command.
MATH |= {
    chr(0x391 + place): f"\\{name.capitalize()}" if chr(0x391 + place) in CAPITALS else ""
    for place, name in enumerate(GREEK)
    if name != "varsigma"
}
MATH |= {sign: rf"\mathrm{{{letter}}}" for sign, letter in zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)}
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u ", "\u0307": ".",
    "\u0308": '"', "\u030a": "r ", "\u030b": "H ", "\u030c": "v ", "\u0327": "c ",
}  # fmt: skip
# Subscripts travel through the escaping as signs that no label has.
BELOW, CLOSE = "\x01", "\x02"


def tex(text: str) -> str:
    """Return `text` as LaTeX that pdflatex sets with no package; a sign that it lacks stands as U+65E5."""
    marked = with_subscripts(text, rf"\1{BELOW}\2{CLOSE}")
    pieces: list[tuple[bool, str]] = []
    for place, part in enumerate(re.split(f"{BELOW}(.){CLOSE}", unicodedata.normalize("NFC", marked))):
        written = [(True, f"_{{{part}}}")] if place % 2 else map(_written, part)
        for is_math, sign in written:
            if pieces and pieces[-1][0] == is_math:
                pieces[-1] = (is_math, _joined(pieces[-1][1], sign))
            else:
                pieces.append((is_math, sign))
    return "".join(f"${piece}$" if is_math else piece for is_math, piece in pieces)


def _joined(before: str, after: str) -> str:
    """Join two pieces: a command ends where no letter follows, and neighbouring exponents are one."""
    if before.endswith("}") and after[:2] in ("^{", "_{") and f"{after[:2]}" in before:
        opened = before.rindex("{")
        if before[opened - 1 : opened + 1] == after[:2]:
            return _joined(before[:-1], after[2:])
    if after[:1] in ("^", "_", "'") and before.endswith(("}", "'")):
        return f"{before}{{}}{after}"  # what has a raised or lowered sign bears no second one
    space = " " if re.search(r"\\[A-Za-z]+$", before) and after[:1].isalpha() else ""
    return before + space + after


def _written(sign: str) -> tuple[bool, str]:
    """Return how a sign is written, and whether that is in math mode."""
    if sign in MEANING or sign in TEXT:
        return False, (MEANING | TEXT)[sign]
    if sign in MATH:
        return True, MATH[sign]
    if " " <= sign <= "~":
        return False, sign
    if sign.isspace():
        return False, " "
    plain = unicodedata.normalize("NFKC", sign)
    if unicodedata.decomposition(sign).startswith(("<super>", "<sub>")):
        side = "^" if unicodedata.decomposition(sign).startswith("<super>") else "_"
        inner = "".join(_written(letter)[1] for letter in plain)
        return True, f"{side}{{{inner}}}"
    base, *marks = list(unicodedata.normalize("NFD", sign))
    if marks and all(mark in ACCENTS for mark in marks) and base.isascii():
        for mark in marks:
            base = rf"\{ACCENTS[mark]}{{{base}}}"
        return False, base
    if plain != sign and all(" " <= letter <= "~" for letter in plain):
        return False, "".join(_written(letter)[1] for letter in plain)
    return False, f"U+{ord(sign):04X} "

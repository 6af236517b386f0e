"""Printing on any terminal: signs that its encoding lacks are replaced by what reads alike."""

import codecs
import io
import sys
import unicodedata

# What a reader must not lose: which way is better, and the sign of a number.
ALIKE = {
    "↓": "v", "↑": "^", "→": "->", "←": "<-", "…": "...", "−": "-", "–": "-", "—": "-", "‑": "-", "×": "x", "·": "*",
    "±": "+-", "≤": "<=", "≥": ">=", "≈": "~", "∞": "inf", "‖": "||", "’": "'", "‘": "'", "“": '"', "”": '"',
    "█": "#", "▏": "|", "√": "sqrt", "∂": "d", "⊤": "T",
}  # fmt: skip


def forgive() -> None:
    """Have standard output and error replace what their encoding lacks."""
    codecs.register_error("gantry", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # something else stands there in a notebook, or in a test
            stream.reconfigure(errors="gantry")


def reopen(encoding: str | None) -> None:
    """Have Python print to what the files 1 and 2 are now; it remembers what they were when it began."""
    for name, file, buffering in (("stdout", 1, -1), ("stderr", 2, 1)):
        stream = open(file, "w", buffering, encoding, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_alike(sign) for sign in signs), error.end


def _alike(sign: str) -> str:
    """Return ASCII for one sign: its counterpart, its letter without accents, a Greek letter's name, or '?'."""
    if sign in ALIKE:
        return ALIKE[sign]
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    name = unicodedata.name(sign, "")
    return plain or (name.rpartition(" ")[2].lower() if name.startswith("GREEK") else "?")

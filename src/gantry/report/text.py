"""Subscripts in labels such as "λ_D = 1": each markup writes them in its own way."""

import re

SUBSCRIPT = re.compile(r"(?<![^\W_])([^\W\d_])_([A-Za-z0-9])(?![A-Za-z0-9])")


def with_subscripts(text: str, pattern: str) -> str:
    r"""Replace each one-letter symbol with a one-sign subscript by `pattern`, e.g. r"\1<sub>\2</sub>"."""
    return SUBSCRIPT.sub(pattern, text)

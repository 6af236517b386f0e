"""Small pieces of text: subscripts in labels such as "λ_D = 1", which each markup writes in its own way."""

import re

SUBSCRIPT = re.compile(r"(?<![^\W_])([^\W\d_])_([A-Za-z0-9])(?![A-Za-z0-9])")


def with_subscripts(text: str, pattern: str) -> str:
    r"""Replace each one-letter symbol with a one-sign subscript by `pattern`, e.g. r"\1<sub>\2</sub>"."""
    return SUBSCRIPT.sub(pattern, text)


def short(count: float) -> str:
    """A count of iterations, short: 500, 1.5k, 20k, 1M."""
    for size, suffix in ((1_000_000, "M"), (1_000, "k")):
        if abs(count) >= size:
            return f"{count / size:.4g}{suffix}"
    return f"{count:.4g}"

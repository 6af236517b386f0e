"""The handbook's equations as functions: a reader of their part of LaTeX that computes with NumPy.

It knows nothing of what is computed in gantry; where an equation leaves a name to its surroundings (D's outputs,
a weight, a norm's vectors), the surroundings are a mapping from names, as they are written, to values and functions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Surroundings = Mapping[str, Any]
Formula = Callable[[Surroundings], Any]

TOKEN = re.compile(r"\\[A-Za-z]+|\\[,;]|[A-Za-z0-9'{}()\[\]|^_+\-*/=,]")
SPACING = {r"\,", r"\;", r"\left", r"\right", r"\Big"}
SEPARATORS = {",", r"\Vert", r"\mid"}
CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|", r"\lVert": r"\rVert"}
KNOWN: dict[str, Callable[..., Any]] = {
    r"\log": np.log,
    r"\exp": np.exp,
    r"\tanh": np.tanh,
    r"\max": np.maximum,
    r"\sigma": lambda value: sigmoid_or_singular_value(value),
}
# Names that call what stands in brackets behind them; behind all others brackets multiply.
CALLED = {"D", "D_1", "D_2", "G", "G_1", "G_2", "T", "f", "f_1", "f_2", "f^*", "d", "k", "W", "H"}
CALLED |= {r"\mathrm{MMD}", r"\mathrm{KL}", r"\nabla D", r"\cos"}


class Matrix:
    """A matrix whose product is that of matrices, beside numbers."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __mul__(self, other: "Matrix") -> "Matrix":
        return Matrix(self.values @ other.values)

    def __sub__(self, other: "Matrix") -> "Matrix":
        return Matrix(self.values - other.values)


def sigmoid_or_singular_value(value: Any) -> Any:
    """σ of numbers is the sigmoid, of a matrix its largest singular value."""
    if isinstance(value, Matrix):
        return np.linalg.norm(value.values, 2)
    return 1 / (1 + np.exp(-value))


def mean(values: Any) -> Any:
    """An expectation: the mean over the samples, which come first."""
    return np.mean(values, axis=0)


def norm(values: Any, spec: str = "2") -> Any:
    """Of each vector, or of a matrix."""
    if isinstance(values, Matrix):
        return np.sqrt((values.values**2).sum())
    return np.abs(values).sum(-1) if spec == "1" else np.sqrt((values**2).sum(-1))


class Reader:
    """Reads an equation from its tokens, by precedence: sums, products, powers, atoms."""

    def __init__(self, text: str) -> None:
        found = TOKEN.findall(text)
        if "".join(found) != re.sub(r"\s", "", text):
            raise ValueError(f"not in the part of LaTeX that is read: {text}")
        self.tokens = [token for token in found if token not in SPACING]
        self.at = 0
        self.within_bars = False

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.next
        if not token or (expected and token != expected):
            raise ValueError(f"expected {expected or 'more'}, found {token or 'the end'} in {self.tokens}")
        self.at += 1
        return token

    def whole(self) -> Formula:
        formula = self.sum()
        if self.next:
            raise ValueError(f"{self.next} is left over in {self.tokens}")
        return formula

    def sum(self) -> Formula:
        sign = self.take() if self.next in {"+", "-"} else "+"
        parts = [(sign, self.product())]
        while self.next in {"+", "-"}:
            parts.append((self.take(), self.product()))

        def formula(given: Surroundings) -> Any:
            (sign, first), *rest = parts
            value = first(given) if sign == "+" else -1 * first(given)
            for sign, operand in rest:
                value = value + operand(given) if sign == "+" else value - operand(given)
            return value

        return formula

    def product(self) -> Formula:
        formula = self.factor()
        while self.goes_on():
            if self.next in BETWEEN:
                formula = BETWEEN[self.take()](formula, self.factor())
            else:
                formula = _multiplied(formula, self.factor())
        return formula

    def goes_on(self) -> bool:
        """Whether another factor follows; a bar opens where none is open."""
        if self.next == "|":
            return not self.within_bars
        return bool(self.next) and self.next not in {"+", "-", "="} | SEPARATORS | set(CLOSING.values())

    def factor(self) -> Formula:
        if self.next == r"\mathbb":  # an expectation, of all that follows up to the next summand
            self.argument_after(r"\mathbb")
            if self.next == "_":
                self.argument_after("_")
            inner = self.product()
            return lambda given: mean(inner(given))
        return self.summed() if self.next == r"\sum" else self.power()

    def argument_after(self, command: str) -> str:
        self.take(command)
        return self.written()

    def summed(self) -> Formula:
        self.take(r"\sum")
        index = self.argument_after("_")
        if self.next == "^":
            self.argument_after("^")
        inner = self.product()
        return lambda given: sum(inner({**given, **names}) for names in given[rf"\sum {index}"])

    def power(self) -> Formula:
        base = self.atom()
        while self.next == "^":
            if self.is_transposed():
                self.argument_after("^")
                base = _transposed(base)
                continue
            self.take()
            base = _raised(base, self.argument())
        return base

    def is_transposed(self) -> bool:
        return self.tokens[self.at : self.at + 2] == ["^", r"\top"]

    def argument(self) -> Formula:
        """What a command or a power is given: a group in braces, or one token."""
        if self.next == "{":
            return self.group()
        token = self.take()
        return Reader(token).atom()

    def written(self) -> str:
        """The text of an argument, as it stands."""
        if self.next != "{":
            return self.take()
        depth, start = 0, self.at + 1
        while True:
            depth += {"{": 1, "}": -1}.get(self.take(), 0)
            if not depth:
                return "".join(self.tokens[start : self.at - 1])

    def group(self) -> Formula:
        opening, outside = self.take(), self.within_bars
        self.within_bars = opening == "|"
        inner = self.sum()
        self.take(CLOSING[opening])
        self.within_bars = outside
        return inner

    def arguments(self) -> list[Formula]:
        self.take("(")
        found = [self.sum()]
        while self.next in SEPARATORS:
            self.take()
            found.append(self.sum())
        self.take(")")
        return found

    def atom(self) -> Formula:
        if self.next in {"(", "["}:
            return self.group()
        if self.next == "|":
            inner = self.group()
            return lambda given: np.abs(inner(given))
        if self.next == r"\lVert":
            inner = self.group()
            spec = self.argument_after("_") if self.next == "_" else "2"
            return lambda given: norm(inner(given), spec)
        if self.next in {r"\frac", r"\tfrac"}:
            self.take()
            return _divided(self.argument(), self.argument())
        if self.next == r"\sqrt":
            self.take()
            inner = self.argument()
            return lambda given: np.sqrt(inner(given))
        if self.next.isdigit():
            number = int(self.take())
            return lambda given: number
        return self.named()

    def named(self) -> Formula:
        name = self.name()
        if name not in KNOWN and name not in CALLED:
            return lambda given: given[name](given) if isinstance(given[name], Later) else given[name]
        exponent = None
        if self.next == "^" and not self.is_transposed():
            self.take()
            exponent = self.argument()
        if self.next == "(":
            arguments = self.arguments()
        elif name in KNOWN:
            arguments = [self.power()]
        else:
            return lambda given: given[name]

        def formula(given: Surroundings) -> Any:
            called = given[name] if name in given else KNOWN[name]
            return called(*(operand(given) for operand in arguments))

        return formula if exponent is None else _raised(formula, exponent)

    def name(self) -> str:
        token = self.take()
        if token in {r"\mathrm", r"\mathbf", r"\hat", r"\bar"}:
            token = f"{token}{{{self.written()}}}"
        elif token == r"\nabla":
            token = rf"\nabla {self.take()}"
        elif not re.fullmatch(r"[A-Za-z]|\\[A-Za-z]+", token):
            raise ValueError(f"{token} where a name should stand in {self.tokens}")
        if self.next == "_":
            self.take()
            token = f"{token}_{self.written()}"
        if self.tokens[self.at : self.at + 2] == ["^", "*"]:
            self.at += 2
            token += "^*"
        if self.next == "'":
            self.take()  # a' is another sample of a
        return token


class Later:
    """A name that another formula defines, with what is given where it is used."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula

    def __call__(self, given: Surroundings) -> Any:
        return self.formula(given)


def formula_of(text: str) -> Formula:
    """The function that a text of LaTeX denotes. Raises ValueError where it is not of the part that is read."""
    return Reader(text).whole()


def inline(text: str) -> list[str]:
    """What stands between single dollars."""
    return re.findall(r"\$([^$]+)\$", text)


def definitions(text: str) -> Iterator[tuple[str, list[str], Formula]]:
    """Of each "name = …" or "name(arguments) = …" between dollars: the name, its arguments, what it is."""
    for part in inline(text):
        left, equals, right = part.partition(" = ")
        stated = re.fullmatch(r"([^()]+?)(?:\(([^()]*)\))?", left)
        if equals and stated:
            arguments = re.sub(r"\s", "", stated[2] or "")
            yield stated[1], arguments.split(",") if arguments else [], formula_of(right)


def _multiplied(first: Formula, second: Formula) -> Formula:
    return lambda given: first(given) * second(given)


def _divided(first: Formula, second: Formula) -> Formula:
    return lambda given: first(given) / second(given)


def _masked(first: Formula, second: Formula) -> Formula:
    return lambda given: Matrix(first(given).values * second(given).values)


def _raised(base: Formula, exponent: Formula) -> Formula:
    return lambda given: base(given) ** exponent(given)


def _transposed(base: Formula) -> Formula:
    return lambda given: Matrix(base(given).values.T)


BETWEEN = {"/": _divided, r"\odot": _masked}

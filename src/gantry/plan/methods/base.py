"""What every method's options have, and the way from a name to their class. No torch."""

import difflib
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ValidationError

from gantry.errors import suggestion
from gantry.plan.blocks.base import Strict

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class MethodOptions(Strict):
    """A recipe's `method` block. A subclass says `name: Literal["…"]`, without a default, and its own options."""

    phases: ClassVar[tuple[str, ...]] = ("discriminator", "generator")
    """Names of the method's phases, by which recipes tell rates, schedules and sizes of batches."""
    translates: ClassVar[bool] = False
    """Whether its generators start from samples of another domain, as families of translators do."""
    terms_of_generators: ClassVar[bool] = True
    """Whether a recipe's terms may stand in G's loss: where several discriminators judge G they have no one place."""

    several_directions: ClassVar[bool] = False
    """Whether it translates between several domains, and means over the directions stand for it."""
    reads_labels: ClassVar[bool] = False
    """Whether training reads labels of the data set: which class a sample is of, which domain, what is said of it."""
    classifies: ClassVar[bool] = False
    """Whether its networks say of which class a real sample is."""
    asks_for_labels: ClassVar[bool] = False
    """Whether samples are asked for classes, attributes or vectors that the data set has."""
    asks_for_codes: ClassVar[bool] = False
    """Whether what samples are asked for are values of a code, which has no names in common with the classes."""

    name: str

    @property
    def tells_turns(self) -> bool:
        """Whether a head of its discriminator says by how much images were turned."""
        return False

    @property
    def continuous_codes(self) -> int:
        """How many continuous codes its samples are made of."""
        return 0

    @property
    def fixed_network(self) -> str | None:
        """The network, trained elsewhere, whose weights training reads; None where there is none."""
        return None

    @property
    def inferred(self) -> dict[str, Any]:
        """How labels are inferred before training, for the step that writes them; empty where none are."""
        return {}

    def check(self, recipe: "Recipe") -> None:
        """Raise ValueError, with the key and the remedy, for what the method cannot do with the rest of `recipe`."""

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        """Raise ValueError, with the option and the remedy, for what does not go with the workload."""

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        """Raise ValueError, with the remedy, for what the data set called `name` cannot give the method."""

    def doubts(self) -> tuple[str, ...]:
        """Return what is allowed and often a mistake, each with the remedy, to be said when a plan is made."""
        return ()

    def until(self, iterations: int) -> Self:
        """Return the options with iterations in the place of shares of a run."""
        return self


OPTIONS: dict[str, type[MethodOptions]] = {}


def register_options(name: str, options: type[MethodOptions]) -> None:
    """Make options known that lie elsewhere than in a file of this package, such as a test's."""
    OPTIONS[name] = options


# Names that several methods have in the literature.
AMBIGUOUS = {
    "sgan": "three methods have this name: write semi_supervised (Salimans et al. 2016), stacked (Huang et al. 2017) "
    "or local_pairs (Chavdarova and Fleuret 2018)"
}


def shipped_methods() -> list[str]:
    """The names of the methods of this package."""
    from gantry.plan import methods

    return sorted({found.name for found in iter_modules(methods.__path__)} - {"base"})


def known_methods() -> list[str]:
    """The names that recipes can say."""
    return sorted({*shipped_methods(), *OPTIONS})


def options_of(name: str) -> type[MethodOptions]:
    """Return the options of the method of this name: `Options` of its file. Raises ValueError for an unknown one."""
    if name in OPTIONS:
        return OPTIONS[name]
    known = known_methods()
    if name in AMBIGUOUS:
        raise ValueError(f"method {name!r}: {AMBIGUOUS[name]}")
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown method {name!r}{meant} (there are {', '.join(known)})")
    options: type[MethodOptions] = import_module(f"gantry.plan.methods.{name}").Options
    return options


def parse(given: Any) -> Any:
    """Return the options that a recipe's `method` describes: a name, or a mapping with `name` and options."""
    if isinstance(given, MethodOptions):
        return given
    told = {"name": given} if isinstance(given, str) else given
    if isinstance(told, dict):  # null takes back what a recipe inherits
        told = {key: value for key, value in told.items() if value is not None}
    if not isinstance(told, dict) or not isinstance(told.get("name"), str):
        raise ValueError("should be a method's name, or a mapping with its name and options")
    try:
        return options_of(told["name"]).model_validate(told)
    except ValidationError as error:
        raise ValueError("; ".join(_said(fault, told["name"]) for fault in error.errors())) from None


def _said(fault: Any, method: str) -> str:
    """Return what is wrong with a method's options, an error of pydantic's, as a sentence."""
    *outer, last = map(str, fault["loc"]) if fault["loc"] else ("",)
    place = ".".join([*outer, last]) + ": " if last else ""
    if fault["type"] == "missing":
        return f"{place}missing: method {method} has no default for it"
    if fault["type"] == "extra_forbidden" and not outer:
        known = sorted(set(options_of(method).model_fields) - {"name"})
        meant = suggestion(last, known)
        return f"{place}no option of method {method}{meant}; it has {', '.join(known) or 'none'}"
    return f"{place}{fault['msg'].removeprefix('Value error, ')}"

"""What every block of configuration is made of."""

from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import chain
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gantry.errors import UserError
from gantry.paths import expanded_text

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Formulation = Literal["paper", "reference"]


def _filled_in(path: str) -> str:
    try:
        return expanded_text(path)
    except UserError as error:
        raise ValueError(str(error)) from None


# A path as people write it: ~ and $VARIABLES are filled in where it is read.
FilePath = Annotated[str, AfterValidator(_filled_in)]


class Strict(BaseModel):
    """A block of configuration: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pair(Strict):
    """What all blocks of networks have: a pair of a generator, or a translator, and a discriminator."""

    makes: ClassVar[Literal["points", "images"]] = "points"
    # Whether the discriminator is an autoencoder, whose output is an energy.
    reconstructs: ClassVar[bool] = False
    # Whether the generator starts from samples of another domain, in place of latents.
    translates: ClassVar[bool] = False
    # Whether both networks can be grown.
    grows: ClassVar[bool] = False

    family: str

    @property
    def ends_dense(self) -> bool:
        """Whether the discriminator ends in one dense layer, so that conditions and further heads read its features."""
        return False

    def inner_norms(self, resolution: int | None) -> int:
        """Return how many BatchNorm layers the generator of samples of this size has, its last one left out."""
        return 0


class DensePair(Pair):
    """A pair whose discriminator ends in one dense layer, whatever its options."""

    @property
    def ends_dense(self) -> bool:
        return True


def by_tag(tag: str, *bases: type[Strict]) -> dict[str, type[Strict]]:
    """Return the blocks below `bases` by each name that their `tag`, a Literal, may have.

    A block that narrows another of the same name, for use inside a third, is left to that.
    """
    found: dict[str, type[Strict]] = {}
    for block in chain.from_iterable(map(_with_subclasses, bases)):
        if tag in block.model_fields and get_origin(block.model_fields[tag].annotation) is Literal:
            for name in get_args(block.model_fields[tag].annotation):
                found.setdefault(name, block)
    return found


def _with_subclasses(base: type[Strict]) -> Iterator[type[Strict]]:
    yield base
    for subclass in base.__subclasses__():
        yield from _with_subclasses(subclass)


def union(blocks: Mapping[str, type[Strict]]) -> Any:
    """Return the union of the blocks, as an annotation."""
    return reduce(or_, dict.fromkeys(blocks.values()))

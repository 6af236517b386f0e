"""Growth of both networks from small images to large ones: PGGAN, StyleGAN."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from gantry.plan.blocks.base import Positive, Rate
from gantry.plan.methods.base import MethodOptions

if TYPE_CHECKING:
    from gantry.plan.recipe import Recipe

SMALLEST = 4
T = TypeVar("T")


class GrowthSpan(NamedTuple):
    """From iteration `start` on, images of `size` pixels a side; in a fade, α goes from 0 to 1 until `end`."""

    start: int
    end: int | None
    size: int
    batch_size: int
    fades: bool
    rate: float

    def share(self, iteration: int) -> float:
        """Return α in the iteration counted as `iteration`, from 0 on."""
        if not self.fades or self.end is None:
            return 1.0
        return min(max((iteration - self.start) / (self.end - self.start), 0.0), 1.0)


class Options(MethodOptions):
    """From `first` pixels a side on, every size is `stable` for so many images, and the next one fades in for `fade`.

    The largest is stable until the run ends. `batches` and `rates`, which multiply the learning rates, are by size;
    each holds until another is given. `fresh`: moments begin at zero with every beginning and end of a fade.
    `half_life`: the average's, in images, in place of `ema`.
    """

    name: Literal["growing"]
    first: Annotated[int, Field(ge=SMALLEST)] = SMALLEST
    stable: Positive = 800_000
    fade: Positive = 800_000
    batches: dict[int, Annotated[int, Field(ge=2)]] = {}
    rates: dict[int, Rate] = {}
    fresh: bool = True
    half_life: Rate | None = None

    def growth(self, batch_size: int, resolution: int) -> tuple[GrowthSpan, ...]:
        """Return what holds when; images are counted in whole batches, rounded up."""
        spans: list[GrowthSpan] = []
        start, size = 0, self.first
        while size <= resolution:
            batch = _latest(self.batches, size, batch_size)
            rate = _latest(self.rates, size, 1.0)
            for fades in (True, False) if size > self.first else (False,):
                images = self.fade if fades else self.stable
                end = None if size == resolution and not fades else start + -(-images // batch)
                spans.append(GrowthSpan(start, end, size, batch, fades, rate))
                start = end or start
            size *= 2
        return tuple(spans)

    def check(self, recipe: "Recipe") -> None:
        networks = recipe.networks
        if not networks.grows:
            raise ValueError(
                f"method growing: networks.family {networks.family} has one size: take pggan, or method adversarial"
            )
        idle = {"pack": recipe.pack > 1, "unroll": recipe.unroll > 0}
        for key in (key for key, used in idle.items() if used):
            raise ValueError(f"method growing: {key} goes with networks of one size: take it away")
        for key, sizes in (("first", (self.first,)), ("batches", self.batches), ("rates", self.rates)):
            for size in sizes:
                if size < SMALLEST or size & (size - 1):
                    raise ValueError(
                        f"method.{key}: {size} is no size that images grow through: take 4, 8, 16 and so on"
                    )
        if recipe.batch_multiples:
            raise ValueError("method growing has one batch for both phases: take batch_multiples away")
        if self.half_life is not None and not recipe.ema:
            raise ValueError(
                "method.half_life is of the average: set ema, such as 0.999, or take half_life away"
            )
        for size, batch in {0: recipe.batch_size, **self.batches}.items():
            self._check_groups(recipe, size, batch)

    def _check_groups(self, recipe: "Recipe", size: int, batch: int) -> None:
        """Raise ValueError unless a process's share of a batch is made of whole groups of samples."""
        key = f"method.batches.{size}" if size else "batch_size"
        share, rest = divmod(batch, recipe.processes)
        group = min(getattr(recipe.networks, "group", 1), max(share, 1))
        if rest or share % group:
            nearest = max(1, round(batch / (group * recipe.processes))) * group * recipe.processes
            raise ValueError(
                f"{key} {batch} does not fall into groups of networks.group {group}"
                f"{f' in each of {recipe.processes} processes' if recipe.processes > 1 else ''}: take {nearest}"
            )

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        if resolution is None:
            return  # networks of images, which is said elsewhere
        if self.first > resolution:
            raise ValueError(
                f"first: {self.first} is larger than the images, of {resolution} pixels a side: take {resolution} or "
                "less"
            )
        last = self.growth(recipe.batch_size, resolution)[-1]
        if last.start >= iterations:
            raise ValueError(
                f"stable, fade: the sizes before {resolution} take {last.start} iterations, and the run has "
                f"{iterations}: lengthen the workload, or shorten stable and fade"
            )


def _latest(by_size: dict[int, T], size: int, usual: T) -> T:
    """Return the value of the largest size up to `size`."""
    given = [least for least in by_size if least <= size]
    return by_size[max(given)] if given else usual

"""Claims: statements of a paper, each with the statistic over training seeds that tests it."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive, Strict
from gantry.plan.output_types.base import Count, Options, register

Verdict = Literal["holds", "does not hold", "undecided", "not tested at this scale"]
Expectation = Literal["lower", "higher", "alike"]
Reduction = Literal["last", "min", "max", "mean", "std", "when_min", "when_max", "first_below", "first_above"]
# What was published, by the paper's iteration.
AtIterations = dict[int, str]


class Side(Strict):
    """One of the things compared: a recipe on a data set (by the paper's name; none if there is just one).

    source: which samples; none is the headline. share: up to which share of the run (0.52: its first 52 %);
    since: from which share on (0.8: its last fifth); iteration: the checkpoint there, as the paper counts (a
    shorter run is asked at the same share). A bare name is a recipe.
    """

    recipe: str
    dataset: str | None = None
    source: str | None = None
    since: Annotated[float, Field(ge=0, lt=1)] = 0.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    iteration: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_a_name(cls, given: Any) -> Any:
        return {"recipe": given} if isinstance(given, str) else given


class ClaimTest(Strict):
    """A statistic over training seeds, and which side of `threshold` the claim puts it on.

    statistic: value of `of`; difference `of` − `against`; ratio `of` / `against`, by its logarithm. The quantity
    is `metric` over the checkpoints by `reduction`, after the first `skip`, of these the last `checkpoints`.
    when_min and when_max are the share of training at which it is best; first_below and first_above the
    iteration at which `level` is reached. `threshold` is by default 0, and 1 for a ratio; what is claimed to be
    `alike` lies within ± threshold, or for a ratio between 1/threshold and threshold.
    if_diverged: the verdict when every run of `of` diverged.
    """

    statistic: Literal["value", "difference", "ratio"] = "difference"
    metric: str
    reduction: Reduction = "last"
    of: Side
    against: Side | None = None
    expect: Expectation
    threshold: float | None = None
    level: float | None = None
    skip: Count = 0
    checkpoints: Positive | None = None
    if_diverged: Verdict = "undecided"

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "ClaimTest":
        if self.against is not None and self.statistic == "value":
            raise ValueError("a value has no `against`")
        if self.level is None and self.reduction.startswith("first_"):
            raise ValueError(f"reduction: {self.reduction} needs a level")
        if self.expect == "alike" and self.boundary <= (1 if self.statistic == "ratio" else 0):
            raise ValueError(
                "expect: alike needs a threshold: how far apart is still alike (a ratio's above 1)"
            )
        if self.statistic == "ratio" and self.boundary <= 0:
            raise ValueError("threshold: a ratio's is above 0")
        return self

    @property
    def boundary(self) -> float:
        return self.threshold if self.threshold is not None else float(self.statistic == "ratio")


class Claim(Strict):
    """A statement of the paper, where it stands, what was published, and its test.

    each: one row per data set, with what was published for it; the sides of the test then name none.
    at: one row per iteration of the paper's at which it speaks; of several data sets each has its own.
    baselines: one row per recipe, with what was published for it; it takes the place of `against`, on the same
    data set.
    """

    name: str
    statement: str
    source: str = ""
    published: str = ""
    each: dict[str, str | AtIterations] = {}
    at: AtIterations = {}
    baselines: dict[str, str] = {}
    test: ClaimTest

    @property
    def sides(self) -> list[Side]:
        baselines = [self.test.of.model_copy(update={"recipe": recipe}) for recipe in self.baselines]
        return [self.test.of, *([self.test.against] if self.test.against else baselines)]

    @model_validator(mode="after")
    def _says_everything_once(self) -> "Claim":
        if self.each and (self.published or self.at or any(side.dataset for side in self.sides)):
            raise ValueError("`each` names the data sets and what was published: leave both out elsewhere")
        if self.at and self.published:
            raise ValueError("`at` says what was published: leave `published` out")
        if self.baselines and (
            self.published or self.each or self.at or self.test.against or self.test.statistic == "value"
        ):
            raise ValueError(
                "`baselines` names the other sides and what was published: leave both out elsewhere"
            )
        if self.test.statistic != "value" and len(self.sides) < 2:
            raise ValueError("difference and ratio need `against`, or the claim `baselines`")
        return self


@register("claims", "claims")
class ClaimsOptions(Options):
    """The claims of one paper, in the order in which they are shown."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    def recipes(self) -> Iterator[tuple[str, str]]:
        for index, claim in enumerate(self.claims):
            for side in claim.sides:
                yield f"claims.{index}.test", side.recipe

    def metrics(self) -> Iterator[tuple[str, str]]:
        yield from (
            (f"claims.{index}.test.metric", claim.test.metric) for index, claim in enumerate(self.claims)
        )

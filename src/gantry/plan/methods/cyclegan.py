"""Two translators that learn without pairs: CycleGAN, DualGAN, DiscoGAN."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Strict, Weight
from gantry.plan.blocks.schedules import Place, place_in
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.pix2pix import Distance, check_pool, need_held_out, refuse_what_starts_from_latents

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe

Share = Annotated[float, Field(ge=0, le=1)]


class Balance(Strict):
    """r: the share of the cycle in G's loss, 1 − r being that of D's summands; `after` from iteration `start` on."""

    before: Share = 0.01
    after: Share = 0.5
    start: Place = 10_000


class Options(MethodOptions):
    """Weights of the summands of the translators' loss, the pool of earlier images, and which classes are a and b.

    `domains` names two classes of the data set; of a set of pairs the inputs are a and the samples b, and each is
    taken from another half of the rows: no pair is ever seen. `pool` is so many earlier translations of each
    direction, of which D sees half in the place of new ones. `cycle: 0` is the control. `feature_matching` is
    DiscoGAN's distance of batch means at depths of D, and `balance` its r.
    """

    translates: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False

    name: Literal["cyclegan"]
    domains: tuple[str | int, str | int] = (0, 1)
    adversarial: Weight = 1.0
    cycle: Weight = 10.0
    distance: Distance = "l1"
    identity: Weight = 5.0
    feature_matching: Weight = 0.0
    pool: Annotated[int, Field(ge=0)] = 0
    balance: Balance | None = None

    @model_validator(mode="after")
    def _somebody_judges(self) -> "Options":
        if not self.adversarial:
            raise ValueError(
                "adversarial: 0: without discriminators nothing tells the domains apart, and the identity is best"
            )
        return self

    def until(self, iterations: int) -> "Options":
        if self.balance is None or isinstance(self.balance.start, int):
            return self
        start = place_in(self.balance.start, iterations)
        return self.model_copy(update={"balance": self.balance.model_copy(update={"start": start})})

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_held_out(name, spec)
        if spec.shrinks > 1:
            raise ValueError(
                f"method.cycle: the inputs of data set {name} are {spec.shrinks} times smaller than its images, and "
                "there and back goes between domains of one size; take method pix2pix, or another degradation"
            )

    def check(self, recipe: "Recipe") -> None:
        refuse_what_starts_from_latents(self.name, recipe)
        if recipe.networks.family == "sr_resnet":
            raise ValueError(
                "method cyclegan goes there and back, and family sr_resnet makes larger images: take unet or "
                "resnet_blocks"
            )
        check_pool(self.pool, recipe)
        if self.pool and recipe.processes > 1:
            raise ValueError("method.pool keeps one process's images: set processes: 1, or pool: 0")

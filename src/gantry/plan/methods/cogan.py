"""Two generators and two discriminators that share layers, and so learn a joint distribution: CoGAN."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.methods.base import MethodOptions
from gantry.plan.methods.conditional import refuse_what_needs_the_game_of_two

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe

Layers = Annotated[int, Field(ge=0)]


class Options(MethodOptions):
    """How many layers of weights are shared: the first of the generators', the last of the discriminators'.

    0 and 0 are two separate games, the control. `domains` names two classes of the data set; of a set of pairs the
    inputs are the first and the samples the second, each from another half of the rows.
    """

    reads_labels: ClassVar[bool] = True
    terms_of_generators: ClassVar[bool] = False

    name: Literal["cogan"]
    domains: tuple[str | int, str | int] = (0, 1)
    shared_generator: Layers = 2
    shared_discriminator: Layers = 1

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        if spec.shrinks > 1:
            raise ValueError(
                f"method cogan: the inputs of data set {name} are {spec.shrinks} times smaller than its images, and "
                "coupled generators share layers of one shape; take another degradation"
            )

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        if not isinstance(recipe.networks, MlpNetworks):
            raise ValueError("method cogan shares layers that stand in one row: take networks.family mlp")
        if recipe.objective.width > 1:
            raise ValueError(f"method cogan: objective {recipe.objective.name} reads more than one number")
        depth = recipe.networks.depth + 1
        if self.shared_generator > depth:
            raise ValueError(
                f"method.shared_generator {self.shared_generator}: a generator has {depth} layers"
            )

"""S²GAN: the conditional game on labels that were inferred beforehand. Lučić et al. 2019, section 3.1."""

from dataclasses import replace

from gantry.data.batches import Stream
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.base import register
from gantry.methods.conditional import Conditional
from gantry.methods.inferred import inferred_labels
from gantry.plan.methods.s2gan import Options
from gantry.plan.recipe import Recipe


@register("s2gan")
class S2gan(Conditional):
    """The conditional game where ŷ(x), of a classifier or of clusters, stands in the place of y."""

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        options: Options = recipe.method  # type: ignore[assignment]
        if options.clusters is not None:  # which are its classes, whatever the set's own are
            data = replace(data, classes=options.clusters, attributes=0, vectors=0, label_names=())
        elif not data.classes:
            raise UserError(
                "method s2gan: the data set has no classes, of which some must be known: take one that has (mixture, "
                "digits, cifar10, svhn, or a folder with a folder for each class), or clusters in the place of known"
            )
        super().__init__(recipe, data)

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        told = self.recipe.method.inferred
        return {"x": Stream(beside=("labels",), labels=lambda: inferred_labels(prepared, told))}

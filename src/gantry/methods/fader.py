"""An autoencoder whose code does not tell the labels. Lample et al. 2017."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from gantry.data.shape import DataShape
from gantry.methods.base import Phase, register
from gantry.methods.batch import Batch
from gantry.methods.relabelling import Relabelling
from gantry.networks import family
from gantry.networks.codes import CodeTranslator
from gantry.plan.methods.fader import Options
from gantry.plan.recipe import Recipe
from gantry.terms.labels import label_loss


@register("fader")
class Fader(Relabelling):
    """D: −log P(y | E(x)); E and G: ‖x − G(E(x), y)‖² + λ·(−log P(ȳ | E(x))). Eqs. 2 and 3.

    ȳ are the labels turned over: attributes 1 − y, or a class that is not y. λ rises from 0. E's BatchNorm takes the
    batch's statistics in both phases; in the authors' code it takes the running ones while the classifier learns.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        networks = recipe.networks
        self.classifier: nn.Module = family(networks.family).build_code_classifier(
            networks, data.sample, self.labels
        )
        # λ, on the device: a graph reads it anew.
        self.weight: Tensor
        self.register_buffer("weight", torch.zeros(()), persistent=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        updates = self.recipe.updates
        return (
            Phase("discriminator", ("classifier",), updates.discriminator),
            Phase("generator", ("translator",), updates.generator),
        )

    def begin(self, iteration: int, device: torch.device) -> None:
        super().begin(iteration, device)
        risen = min(1.0, iteration / self.options.rise) if self.options.rise else 1.0
        self.weight.fill_(self.options.confusion * risen)

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        if not self.data.classes or phase == "discriminator":
            return {}
        return {"shift": torch.randint(1, self.data.classes, (size,), device=device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        own, network = batch.labels, self.translator.network
        assert own is not None and isinstance(network, CodeTranslator)
        # Dropout makes the classifier's task harder while it learns, and says nothing to the encoder.
        self.classifier.train(phase == "discriminator")
        if phase == "discriminator":
            with torch.no_grad():
                code = network.encode(batch.x)[-1]
            return label_loss(self.classifier(code), own)
        codes = network.encode(batch.x)
        rebuilt = network.decode(codes, 2 * self.translator.said(own).to(batch.x.dtype) - 1)
        classes = self.data.classes
        turned = (own + batch.noise["shift"]) % classes if classes else 1 - own
        return mse_loss(rebuilt, batch.x) + self.weight * label_loss(self.classifier(codes[-1]), turned)

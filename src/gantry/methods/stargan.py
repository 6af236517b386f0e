"""One translator between all classes, or attributes, of a set. Choi et al. 2018."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gantry.data.batches import Stream, as_input
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.adversary import Adversary
from gantry.methods.base import Method, Phase, game_phases, register
from gantry.methods.batch import Batch
from gantry.methods.domains import SAMPLES
from gantry.methods.sampler import Sampler
from gantry.methods.translating import HELD_OUT
from gantry.networks import build_discriminator, build_translator
from gantry.networks.translators import LabelHeads
from gantry.objectives import build_objective
from gantry.plan.methods.stargan import Options
from gantry.plan.recipe import Recipe
from gantry.terms import build_terms
from gantry.terms import translation as losses
from gantry.terms.labels import AskedLabels, OwnLabels

ANY = "x→c"


class LabelTranslator(nn.Module):
    """G(x, c): classes (B,) or attributes (B, A) in {0, 1} stand beside x, as numbers or as constant planes."""

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        said = (one_hot(labels.long(), self.classes) if self.classes else labels).to(x.dtype)
        planes = said.view(*said.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        made: Tensor = self.network(torch.cat([x, planes], dim=1))
        return made


@register("stargan")
class Stargan(Method):
    """L_adv + λ_cls·E −log D_cls(c | G(x, c)) + λ_rec·E‖x − G(G(x, c), c′)‖₁, c′ being the labels of x. Eqs. 2 to 6.

    c is another sample's of the batch: its labels, permuted.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        labels = data.classes or data.attributes
        if labels < (2 if data.classes else 1):
            raise UserError(
                "method stargan: the data set has no labels to translate between: take one that has (mixture, digits, "
                "cifar10, celeba with attributes, a folder with a folder for each class)"
            )
        channels, *rest = data.sample
        network = build_translator(recipe.networks, (channels + labels, *rest), data.sample)
        self.translator = LabelTranslator(network, data.classes)
        discriminator = LabelHeads(build_discriminator(recipe.networks, data.sample, 1), data.sample, labels)
        for_discriminator, for_generator = build_terms(recipe.terms, recipe.objective, data.sample)
        # With λ_cls = 0 D still learns the labels, and G has no reason to heed its own: the control.
        asked = [(options.classification, AskedLabels())] if options.classification else []
        self.adversary = Adversary(
            discriminator,
            build_objective(recipe.objective),
            [*for_discriminator, (options.classification or 1.0, OwnLabels())],
            [*for_generator, *asked],
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return game_phases(self.recipe.updates, "translator")

    def streams(self, prepared: PreparedSet) -> dict[str, Stream]:
        return {"x": Stream(beside=("labels",))}

    def draw(self, phase: str, size: int, device: torch.device) -> dict[str, Tensor]:
        return {"order": torch.randperm(size, device=device)}

    def loss(self, phase: str, batch: Batch) -> Tensor:
        own = batch.labels
        assert own is not None
        asked = own[batch.noise["order"]]
        if phase == "discriminator":
            with torch.no_grad():
                there = self.translator(batch.x, asked)
            return self.adversary.discriminator_loss(batch.x, [there], self.translator, own, [asked])
        there = self.translator(batch.x, asked)
        loss = self.adversary.generator_loss(batch.x, [there], self.translator, own, [asked])
        return loss + self.options.cycle * losses.cycle(self.translator(there, own), batch.x)

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleDict({"translator": self.translator})

    def sampler(self, kept: nn.Module) -> Sampler:
        return LabelSampler(kept, self.data)


class LabelSampler(Sampler):
    """Held-out samples, each asked for a class that it is not of, in turn; or for another's attributes."""

    sources = (ANY,)

    def __init__(self, kept: nn.Module, data: DataShape) -> None:
        self.translator = kept.get_submodule("translator")
        self.data = data

    @property
    def device(self) -> torch.device:
        return next(self.translator.parameters()).device

    @property
    def directions(self) -> tuple[str, ...]:
        if not self.data.classes:
            return ()
        names = self.data.label_names or tuple(map(str, range(self.data.classes)))
        return tuple(f"→{name}" for name in names)

    def inputs(
        self, source: str, rows: range, randomness: torch.Generator, held_out: PreparedSet | None = None
    ) -> dict[str, Tensor]:
        if held_out is None:
            raise UserError(HELD_OUT)
        chosen = torch.from_numpy(np.asarray(held_out.samples[np.asarray(rows) % len(held_out)]))
        x = as_input(chosen) if held_out.kind == "images" else chosen
        return {"x": x, "labels": torch.from_numpy(self.asked(source, rows, held_out))}

    def asked(self, source: str, rows: range, held_out: PreparedSet | None = None) -> NDArray[np.int64]:
        if held_out is None or held_out.labels is None:
            raise UserError(HELD_OUT)
        numbers = np.asarray(rows, dtype=np.int64)
        if not self.data.classes:
            return held_out.labels[(numbers + 1) % len(held_out)].astype(np.int64)
        own, others = held_out.labels[numbers % len(held_out)], self.data.classes - 1
        return np.asarray((own + 1 + numbers % others) % self.data.classes, dtype=np.int64)

    def sample(self, source: str, inputs: Mapping[str, Tensor]) -> Tensor:
        samples: Tensor = self.translator(inputs["x"], inputs["labels"])
        return samples

    def translate(self, source: str, samples: Tensor) -> Tensor:
        asked = torch.full((len(samples),), self.directions.index(source), device=samples.device)
        translated: Tensor = self.translator(samples, asked)
        return translated

    def origin(self, source: str) -> str:
        return SAMPLES

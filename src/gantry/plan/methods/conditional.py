"""A generator and a discriminator that are told a class or attributes: CGAN, GAN-CLS, projection, AC-GAN, BigGAN."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import Positive, Rate, Strict
from gantry.plan.methods.base import MethodOptions

if TYPE_CHECKING:
    from gantry.plan.dataset import DatasetSpec
    from gantry.plan.recipe import Recipe


class Classification(Strict):
    """An auxiliary classifier: λ times cross-entropies in both losses (AC-GAN; `of: twin`: twin AC-GAN)."""

    weight: Rate = 1.0
    # Whether D's classifier learns from real samples alone, from both kinds, or each kind has one of its own.
    of: Literal["real", "both", "twin"] = "both"


class Options(MethodOptions):
    """By which way the condition enters each network, and what is asked of it.

    `mismatched` is the share of D's loss against real samples with another class, in the generated ones' place
    (matching-aware, GAN-CLS: ½). `interpolated` asks half of G's samples for means of two conditions (GAN-INT).
    `truncation` τ is for sampling: latents are drawn anew while |z| > τ; `scaled`: while |z| > 2, and multiplied by τ.
    """

    asks_for_labels: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = True

    name: Literal["conditional"]
    generator: Literal["concat", "batch_norm", "shared"] = "concat"
    discriminator: Literal["planes", "joined", "projection", "none"] = "planes"
    # Of the embeddings of `shared` and `joined`.
    width: Positive = 128
    # Of `shared`: z cut into a chunk for the first layer and one a norm; or all of it in each (BigGAN-deep).
    chunks: bool | Literal["whole"] = False
    # What generated samples are asked for: classes drawn uniformly, or those of the real batch.
    labels: Literal["uniform", "batch"] = "uniform"
    mismatched: Annotated[float, Field(ge=0, lt=1)] = 0.0
    interpolated: bool = False
    # Of how many of a sample's vectors, drawn anew each time, the condition is the mean (4 of 10 captions, say).
    captions: Positive = 1
    # The control: every sample has the label of another one.
    shuffled: bool = False
    classification: Classification | None = None
    truncation: Rate | None = None
    scaled: bool = False
    # For sampling: BatchNorm's statistics are those of so many batches at the samples' own τ, not the running ones.
    standing: Positive | None = None

    @model_validator(mode="after")
    def _something_tells_classes_apart(self) -> "Options":
        if self.discriminator == "none" and self.classification is None:
            raise ValueError(
                "discriminator: none does not see the condition: add classification, or take planes, joined or "
                "projection"
            )
        if self.chunks and self.generator != "shared":
            raise ValueError(f"chunks: only generator shared cuts z (given generator: {self.generator})")
        if self.interpolated and (self.classification is not None or self.name == "s3gan"):
            raise ValueError(
                "interpolated: between two classes there is none for a classifier to tell: take it away"
            )
        if self.captions > 1 and self.name != "conditional":
            raise ValueError(f"captions: method {self.name} is told classes or attributes: take it away")
        if self.shuffled and self.name != "conditional":
            raise ValueError(f"shuffled: method {self.name} hides labels, or infers them: take it away")
        if self.scaled and self.truncation is None:
            raise ValueError(
                "scaled: there is no truncation to scale by: set truncation: 0.5, say, or take scaled away"
            )
        if self.mismatched and self.discriminator == "none":
            raise ValueError("mismatched: discriminator none cannot see that a condition does not fit")
        return self

    def check_data(self, recipe: "Recipe", name: str, spec: "DatasetSpec") -> None:
        need_labels(self.name, name, spec, only_classes=self.classification is not None)
        need_held_out_rows(self.name, name, spec)
        need_captions(self.captions, name, spec)
        if self.standing is not None and spec.labels in ("attributes", "vectors"):
            raise ValueError(
                f"method.standing draws classes for its statistics, and the labels of data set {name} are "
                f"{spec.labels}: take it away"
            )
        if self.mismatched and spec.classes == 1:
            raise ValueError(
                f"method.mismatched: data set {name} has one class, so no pair of it does not fit: take it away"
            )

    def doubts(self) -> tuple[str, ...]:
        if self.classification is None or self.classification.of != "both":
            return ()
        return (
            "method.classification of both: D's classifier learns that generated samples are what they were asked to "
            "be, whatever they are: of: real leaves them out, of: twin corrects for them",
        )

    def check_workload(self, recipe: "Recipe", resolution: int | None, iterations: int) -> None:
        check_way_in(self.generator, self.chunks is True, recipe, resolution)

    def check(self, recipe: "Recipe") -> None:
        refuse_what_needs_the_game_of_two(self.name, recipe)
        need_dense_end(self.name, recipe)
        refuse_virtual_batch_norm(recipe)
        if recipe.objective.width > 1:
            raise ValueError(
                f"method {self.name}: objective {recipe.objective.name} reads {recipe.objective.width} numbers of "
                "each sample, and this method's discriminator says one: take another objective"
            )
        if self.truncation is not None and recipe.latent.distribution != "normal":
            raise ValueError(
                f"method.truncation is of normal latents: latent.distribution {recipe.latent.distribution} has none"
            )
        if self.mismatched and recipe.objective.name in ("relativistic", "loss_sensitive"):
            raise ValueError(
                f"method.mismatched weighs what D makes of each kind of pair, and objective {recipe.objective.name} "
                "compares pairs: take an objective such as non_saturating or hinge"
            )


def need_labels(method: str, dataset: str, spec: "DatasetSpec", *, only_classes: bool = True) -> None:
    """Raise ValueError for a data set whose description says that it has no labels, or attributes in classes' place."""
    have = "mixture, digits, cifar10, svhn, a folder with a folder for each class"
    if spec.labels == "none":
        raise ValueError(f"method {method}: data set {dataset} has no labels; sets that have: {have}")
    if only_classes and spec.labels in ("attributes", "vectors"):
        raise ValueError(
            f"method {method}: the labels of data set {dataset} are {spec.labels}, and this tells classes apart; sets "
            f"of classes: {have}, celeba with options.attribute"
        )


# Families, and what their recipes must say, whose discriminators have features that heads can read.
DENSE_ENDS = "mlp, sngan, resnet, sagan or biggan_deep, or dcgan with head: linear and discriminator: dcgan"
# … and whose generators have BatchNorm layers before the last.
WITH_NORMS = "mlp (depth: 2 or more), sngan, resnet, sagan, biggan_deep or dcgan"


def need_held_out_rows(method: str, dataset: str, spec: "DatasetSpec") -> None:
    """Raise ValueError for attributes or vectors without a held-out part: samples are asked for its rows."""
    if spec.labels in ("attributes", "vectors") and spec.held_out is None:
        raise ValueError(
            f"method {method}: {spec.labels} to ask samples for are those of held-out ones, and data set {dataset} "
            "holds none out: give it held_out: 500, say, in workflow/datasets.yaml"
        )


def need_captions(captions: int, dataset: str, spec: "DatasetSpec") -> None:
    """Raise ValueError where several vectors of a sample are to be averaged and its labels are none."""
    if captions > 1 and spec.labels != "vectors":
        raise ValueError(
            f"method.captions {captions} averages vectors of a sample, and the labels of data set {dataset} are "
            f"{spec.labels}: take it away, or a set with options.vectors (N, M, V)"
        )


def need_family(method: str, recipe: "Recipe", family: str, has: str) -> None:
    """Raise ValueError for networks of another family than the one that has what the method needs."""
    if recipe.networks.family != family:
        raise ValueError(
            f"method {method}: networks.family {recipe.networks.family} has no {has}: take family {family}"
        )


def need_finer_sizes(recipe: "Recipe", resolution: int | None, what: str) -> None:
    """Raise ValueError for networks whose smallest images are as large as those of the workload."""
    smallest = getattr(recipe.networks, "smallest", None)
    if resolution is not None and smallest is not None and smallest >= resolution:
        raise ValueError(
            f"networks.smallest {smallest} leaves no {what} {resolution} pixels a side: take {resolution // 2} or less"
        )


def need_dense_end(method: str, recipe: "Recipe") -> None:
    """Raise ValueError for a discriminator that has patches, or another end than one dense layer."""
    networks = recipe.networks
    if not networks.ends_dense and not networks.translates:
        raise ValueError(
            f"method {method}: the discriminator of networks.family {networks.family}, as it is described, does not "
            f"end in one dense layer, whose features conditions and heads read: take networks.family {DENSE_ENDS}"
        )


def refuse_virtual_batch_norm(recipe: "Recipe") -> None:
    """Raise ValueError for a reference batch that has no condition: latents alone."""
    if getattr(recipe.networks, "virtual_batch_norm", None) is not None:
        raise ValueError(
            "networks.virtual_batch_norm: its reference batch is of latents, without conditions: take it away"
        )


def check_way_in(generator: str, cuts: bool, recipe: "Recipe", resolution: int | None) -> None:
    """Raise ValueError for conditional norms in a generator without BatchNorm, and z that is not cut into equal parts.

    Parts are one for the first layer and one for each BatchNorm but the last, where `cuts` says that there are any.
    """
    norms, dimension = recipe.networks.inner_norms(resolution), recipe.latent.dimension
    if generator not in ("batch_norm", "shared"):
        return
    if not norms:
        raise ValueError(
            f"generator {generator} puts the condition into the generator's BatchNorm layers, and networks.family "
            f"{recipe.networks.family}, as it is described, has none before the last: take networks.family "
            f"{WITH_NORMS}, or generator: concat"
        )
    if cuts and dimension % (norms + 1):
        fitting = max(1, round(dimension / (norms + 1))) * (norms + 1)
        raise ValueError(
            f"chunks: latent.dimension {dimension} cannot be cut into {norms + 1} equal parts, one for the first layer "
            f"and one for each of {norms} norms: set latent.dimension to {fitting}, say, or chunks: false"
        )


def need_known_labels(method: str, known: int, dataset: str, spec: "DatasetSpec") -> None:
    """Raise ValueError for more `known` labels than a data set has rows, or a number that its classes cannot share."""
    need_labels(method, dataset, spec)
    rows = spec.rows
    if rows is not None and known > rows:
        raise ValueError(
            f"method.known {known}: data set {dataset} has {rows:,} samples: take as many or fewer"
        )
    if spec.classes is not None and known % spec.classes:
        raise ValueError(
            f"method.known {known}: data set {dataset} has {spec.classes} classes, of which as many are known each: "
            f"take a multiple of {spec.classes}"
        )


def refuse_what_needs_the_game_of_two(name: str, recipe: "Recipe", but: tuple[str, ...] = ()) -> None:
    """Raise ValueError for what only the method adversarial has; for none of the keys in `but`."""
    terms = recipe.terms
    idle = {
        "generators": recipe.generators > 1,
        "pack": recipe.pack > 1,
        "unroll": recipe.unroll > 0,
        "latent.shift": recipe.latent.shift is not None,
        "terms.gradient_penalty": terms.gradient_penalty.weight > 0,
        "terms.feature_matching": terms.feature_matching > 0,
        "terms.pulling_away": terms.pulling_away > 0,
        "terms.entropy_distance.of": terms.entropy_distance.of == "features",
        "objective": recipe.objective.name in ("gmmn", "d2gan", "ebgan", "began", "mmd_gan"),
        "networks.family": recipe.networks.reconstructs,
    }
    for key in (key for key, used in idle.items() if used and key not in but):
        raise ValueError(
            f"method {name}: {key} is of a discriminator that sees samples alone: take it away, or take method "
            "adversarial"
        )

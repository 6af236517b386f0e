"""What no single block of a recipe, a workload or an output can know: whether they go together."""

from collections.abc import Mapping
from itertools import product

from gantry.errors import UserError
from gantry.metrics.names import CLASSIFYING_NETWORKS, FEATURE_NETWORKS, METRICS, NETWORKS_OF_PLACES, metric
from gantry.plan.blocks.image_networks import ImageNetworks
from gantry.plan.blocks.translators import ImageTranslators
from gantry.plan.configuration import Output
from gantry.plan.dataset import DatasetSpec
from gantry.plan.output_types import CLAIMED_QUANTITIES, OUTPUT_TYPES
from gantry.plan.plan import Plan
from gantry.plan.problems import Layers, Problems
from gantry.plan.recipe import Recipe, Workload


def check_options(problems: Problems, output: Output, file: str, key: str) -> None:
    """Note options that the output's type does not have, and what they name that is not there."""
    options = problems.validated(OUTPUT_TYPES[output.type].options, output.options, file, key)
    if options is None:
        return
    shown = {recipe for block in output.runs for recipe in block.recipes}
    for inner, recipe in options.recipes():
        problems.expect_known(file, f"{key}.{inner}", "recipe of this output", recipe, shown)
    for inner, wanted in options.metrics():
        if wanted not in CLAIMED_QUANTITIES:
            check_metric(problems, wanted, file, f"{key}.{inner}")


def check_networks(problems: Problems, recipe: Recipe, workload: Workload, file: str, key: str) -> None:
    """Note networks that are not for the samples of their workload: points, or images of a resolution."""
    networks, wanted = recipe.networks, "points" if workload.resolution is None else "images"
    about = f"workload {recipe.workload}"
    if networks.makes != wanted:
        problems.add(
            file,
            key,
            f"{networks.family} makes {networks.makes}, and {about} is about {wanted} "
            f"(its resolution: {workload.resolution})",
        )
    elif isinstance(networks, ImageNetworks) and workload.resolution not in networks.resolutions:
        sides = " or ".join(map(str, networks.resolutions))
        problems.add(
            file,
            key,
            f"{networks.family} is for images of {sides} pixels a side, and {about} has resolution "
            f"{workload.resolution}",
        )
    elif isinstance(networks, ImageTranslators) and (obstacle := networks.obstacle(workload.resolution)):
        problems.add(file, key.removesuffix(".family"), obstacle)


def check_method(problems: Problems, recipe: Recipe, workload: Workload, file: str, key: str) -> None:
    """Note what the recipe's method cannot do with images of the workload's size, or in so few iterations."""
    try:
        recipe.method.check_workload(recipe, workload.resolution, workload.iterations)
    except ValueError as error:
        problems.add(file, key, str(error))


def check_sampling(
    problems: Problems, recipe: Recipe, workload: Workload, file: str, patches: Layers
) -> None:
    """Note a sweep or tables of images that the samples of this workload cannot have."""
    sweep, found = workload.sweep, {}
    for key in ("truncation", "scaled"):
        if getattr(sweep, key) and recipe.latent.distribution != "normal":
            found[f"sweep.{key}"] = (
                f"{recipe.latent.distribution} latents cannot be truncated: take it out, or normal latents"
            )
    if sweep.psi and recipe.networks.family != "stylegan":
        found["sweep.psi"] = (
            f"family {recipe.networks.family} has no w to draw towards its mean: take it out, or family stylegan"
        )
    if workload.montages and workload.resolution is None:
        found["montages"] = "these are of images, and this workload is about points: take them out"
    for key, obstacle in found.items():
        field = key.partition(".")[0]
        blamed = next((layer for layer, _, patch in patches if field in patch), file)
        problems.add(blamed, f"workloads.{recipe.workload}.{key}", obstacle)


def check_outputs(problems: Problems, plan: Plan, files: Mapping[str, str]) -> None:
    """Note outputs that show what the workloads of their recipes do not make."""
    for paper, name, output in plan.outputs():
        options = OUTPUT_TYPES[output.type].options.model_validate(output.options)
        recipes = dict.fromkeys(recipe for block in output.runs for recipe in block.recipes)
        for workload in dict.fromkeys(plan.recipes[recipe].workload for recipe in recipes):
            if obstacle := options.obstacle(plan.workloads[workload]):
                problems.add(files[paper], f"outputs.{name}.options", f"workload {workload} {obstacle}")
        if over := output.options.get("over"):
            for _, recipe in options.recipes():
                if plan.recipes[recipe].number_at(over) is None:
                    message = f"recipe {recipe} has no number at {over}: name a key that is one, such as method.known"
                    problems.add(files[paper], f"outputs.{name}.options.over", message)


def check_data(problems: Problems, plan: Plan, files: Mapping[str, str]) -> None:
    """Note what the data sets, proxies in their place, cannot give the methods that outputs train on them."""
    seen = set()
    for paper, _, output in plan.outputs():
        for block in output.runs:
            for dataset, name in product(map(plan.dataset_for, block.datasets), block.recipes):
                if (dataset, name) in seen:
                    continue
                seen.add((dataset, name))
                recipe = plan.recipes[name]
                try:
                    recipe.method.check_data(recipe, dataset, plan.datasets[dataset])
                except ValueError as error:
                    problems.add(files[paper], f"recipes.{name}", str(error))
                workload = plan.workload_of(name)
                for metric_name in (*workload.metrics, *workload.final_metrics):
                    if obstacle := _lacks(metric_name, recipe, dataset, plan.datasets[dataset]):
                        problems.add(files[paper], f"recipes.{name}", obstacle)


# Real samples of a class below which its Fréchet distance says little.
FEW_OF_A_CLASS = 50


# Where more of the first weights is left in an average, its samples are partly those of an untrained network.
MOST_LEFT = 0.05
SHORTEST_AVERAGED = 100


def doubts_of(plan: Plan) -> list[str]:
    """Return what the plan's runs do that is allowed and often a mistake, with the recipes that do it."""
    recipes: dict[str, list[str]] = {}
    for _, _, output in plan.outputs():
        for block in output.runs:
            for dataset, name in product(map(plan.dataset_for, block.datasets), block.recipes):
                workload = plan.workload_of(name)
                metrics = (*workload.metrics, *workload.final_metrics)
                recipe = plan.recipes[name]
                said = [*recipe.method.doubts(), *_thin(metrics, dataset, plan.datasets[dataset])]
                said += _young(recipe.ema, workload.end(output.until))
                for doubt in said:
                    recipes.setdefault(doubt, []).append(name)
    return [
        f"recipe{'s' if len(names) > 1 else ''} {', '.join(names)}: {doubt}"
        for doubt, names in ((doubt, list(dict.fromkeys(found))) for doubt, found in recipes.items())
    ]


def _young(ema: float, iterations: int) -> list[str]:
    """Return what to say of an average that its first weights still colour; runs of a smoke test learn nothing."""
    left = ema**iterations
    if iterations < SHORTEST_AVERAGED or left < MOST_LEFT:
        return []
    fitting = next(of for of in (0.998, 0.995, 0.99, 0.98, 0.95) if of**iterations < MOST_LEFT)
    return [
        f"ema: {left * 100:.0f} % of an average by {ema:g} over {iterations:,} iterations are still the weights as "
        f"they were drawn, and samples are its: train for longer, or say ema: {fitting:g}"
    ]


def _thin(metrics: tuple[str, ...], dataset: str, spec: DatasetSpec) -> list[str]:
    """Return what to say of distances per class whose real samples are few; of points they are exact."""
    if spec.rows is None or spec.classes is None or "class_frechet_distance" not in metrics:
        return []
    smallest = spec.rows // spec.classes
    return [few_of_a_class(dataset, smallest)] if smallest < FEW_OF_A_CLASS else []


def few_of_a_class(dataset: str, smallest: int) -> str:
    """Return what to say of a Fréchet distance per class of so few real samples."""
    return (
        f"metrics: class_frechet_distance compares with {smallest} real samples of a class of data set {dataset}, "
        f"fewer than {FEW_OF_A_CLASS}: too few for the covariance of 64 features or more to have full rank, so the "
        "distance says little"
    )


# What tests a classifier on real samples that no training has seen.
OF_HELD_OUT = ("test_error", "train_on_samples_accuracy", "rotation_accuracy")
# What compares images of one size with those of another, which one family makes at once.
OF_SIZES = ("colour_mean_gap", "colour_covariance_gap")
# What compares samples with the classes that they were asked for, or with those of real samples.
OF_CLASSES = ("label_accuracy", "within_class_spread", "class_frechet_distance", "train_on_samples_accuracy")


def _lacks(name: str, recipe: Recipe, dataset: str, spec: DatasetSpec) -> str | None:
    """Why the data set, or what the method asks its samples for, does not give a workload's metric; None if it does."""
    of_classes, of_codes = name.startswith(OF_CLASSES), name.startswith("code_purity")
    if name in OF_HELD_OUT and spec.held_out is None:
        return (
            f"metrics: {name} is of held-out samples, and data set {dataset} holds none out: give it held_out: 500, "
            "say, in workflow/datasets.yaml"
        )
    if name == "test_error" and not recipe.method.classifies:
        return (
            f"metrics: test_error is of a method's own classifier, and method {recipe.method.name} has none: take it "
            "out of the workload, or a method that classifies (semi_supervised, triple_gan, icgan)"
        )
    if (of_classes or of_codes) and spec.labels in ("none", "attributes", "vectors"):
        return f"metrics: {name} compares with classes, and data set {dataset} has none: take it out of the workload"
    if name.startswith("attribute_") and spec.labels in ("none", "classes", "vectors"):
        return f"metrics: {name} compares with attributes, and data set {dataset} has none: take it out of the workload"
    if name == "caption_auc" and spec.labels in ("none", "classes"):
        return (
            f"metrics: caption_auc is of attributes or captions of them, and the labels of data set {dataset} are "
            f"{spec.labels}: take it out of the workload"
        )
    if name.startswith("mask_iou") and spec.source != "pasted_digits":
        return (
            f"metrics: {name} needs a data set whose layers are known, and {dataset} is none: take it out of the "
            "workload, or source pasted_digits"
        )
    method = recipe.method
    if name == "rotation_accuracy" and not method.tells_turns:
        return (
            f"metrics: rotation_accuracy is of a discriminator that tells turns, and method {method.name}'s, as it is "
            "described, does not: take it out of the workload, or method s3gan with rotation"
        )
    if name.startswith("code_rank") and not method.continuous_codes:
        return (
            f"metrics: {name} is of continuous codes, and method {method.name}, as it is described, has none: take "
            "it out of the workload, or method infogan with continuous: 2, say"
        )
    if name.startswith("caption_diversity") and not method.asks_for_labels:
        return (
            f"metrics: {name} is of samples that are asked for a condition, and method {method.name} asks them for "
            "none: take it out of the workload, or a method that is told labels, such as conditional"
        )
    if name in OF_SIZES and recipe.networks.family != "stackgan":
        return (
            f"metrics: {name} is of images of several sizes, and networks.family {recipe.networks.family} makes "
            "one: take it out of the workload, or methods stackgan and stackgan_pp"
        )
    if (of_classes or name.startswith("attribute_")) and not (
        method.asks_for_labels or method.asks_for_codes
    ):
        return (
            f"metrics: {name} compares samples with what they were asked for, and method {method.name} asks them for "
            "nothing: take it out of the workload, or a method that is told labels, such as conditional"
        )
    if of_classes and recipe.method.asks_for_codes:
        return (
            f"metrics: {name} compares classes with what samples were asked for, and method {recipe.method.name} asks "
            "for values of a code here, which are no classes: take code_purity"
        )
    return None


def check_metric(problems: Problems, name: str, file: str, key: str) -> bool:
    """Whether there is a metric of this name; note it if not."""
    try:
        metric(name)
    except UserError as error:
        problems.add(file, key, str(error))
        return False
    return True


def check_metrics(
    problems: Problems, workload: Workload, features: str | None, file: str, key: str, patches: Layers
) -> None:
    """Note every metric that nobody computes, or that cannot be computed of these samples.

    `features` is the feature network in use. A list of metrics is put down to the topmost of `patches` that
    has one, or else to `file`.
    """
    for field in ("metrics", "final_metrics"):
        blamed = next((layer for layer, _, patch in patches if field in patch), file)
        for name in getattr(workload, field):
            if check_metric(problems, name, blamed, f"{key}.{field}") and (
                obstacle := _obstacle(name, workload, features)
            ):
                problems.add(blamed, f"{key}.{field}", obstacle)


def _obstacle(name: str, workload: Workload, features: str | None) -> str | None:
    """Why the metric `name`, which exists, cannot be computed in this workload; None if it can."""
    needs, made = metric(name).needs, "points" if workload.resolution is None else "images"
    if name not in METRICS:
        return (
            f"{name} is one of several numbers that are computed together; "
            f"ask for swd or modes_covered, and {name} comes with it"
        )
    if needs != "method" and (needs == "points") != (made == "points"):
        of = "points" if needs == "points" else "images"
        return f"{name} is of {of}, and this workload makes {made}"
    if needs == "logits" and features in FEATURE_NETWORKS and features not in CLASSIFYING_NETWORKS:
        return (
            f"{name} needs class probabilities, which feature network {features} does not give; "
            f"leave it out, or set `features` to {', '.join(CLASSIFYING_NETWORKS)}"
        )
    if name == "sifid" and features in FEATURE_NETWORKS and features not in NETWORKS_OF_PLACES:
        return (
            f"sifid reads features of single places, and feature network {features} gives none; leave it out, or set "
            f"`features` to {', '.join(NETWORKS_OF_PLACES)}"
        )
    return None


def check_segments(problems: Problems, length: int | None, workloads: Mapping[str, Workload]) -> None:
    """Note segments of `length` iterations that do not end at checkpoints; None stands for one segment."""
    for name, workload in workloads.items():
        if length and length % workload.checkpoint_every:
            problems.add(
                "config",
                "segment_iterations",
                f"{length} is not a multiple of checkpoint_every {workload.checkpoint_every} "
                f"of workload {name}",
            )

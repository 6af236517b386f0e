"""What a plan will cost, before anything starts: arithmetic counted from layer sizes, time, disk.

Estimates, not promises: the rates below are round figures for the share of a device's peak that small
networks reach. Measured times stand in the seals and in the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gantry.plan.architectures import ARCHITECTURES
from gantry.plan.layers import Layer
from gantry.plan.recipe import Recipe
from gantry.plan.runs import Plan, Run
from gantry.wording import aligned, bytes_text, time_text

# Sustained multiply-add rates in FLOP/s: one core of a desktop CPU; a large data-centre GPU in fp32.
RATES = {"cpu": 5e10, "cuda": 3e13}
# No iteration is shorter than its kernel launches and Python.
OVERHEAD = {"cpu": 1e-3, "cuda": 4e-3}


@dataclass(frozen=True)
class Size:
    """Multiply-adds for one sample, and weights, of one network."""

    macs: int
    weights: int


def sizes(recipe: Recipe, resolution: int | None) -> tuple[Size, Size]:
    """(one generator, the discriminator) of `recipe`, on images of `resolution` or on points."""
    outputs = getattr(recipe.objective, "outputs", 0) or getattr(recipe.objective, "outcomes", 1)
    shape = (2,) if resolution is None else (3, resolution)
    architecture = ARCHITECTURES[recipe.networks.family]
    generator = architecture.generator(recipe.networks, recipe.latent.dimension, *shape)
    discriminator = architecture.discriminator(recipe.networks, *shape, outputs)
    return _size(generator), _size(discriminator)


def _size(layers: Sequence[Layer]) -> Size:
    return Size(sum(layer.macs for layer in layers), sum(layer.weights for layer in layers))


def flops_per_iteration(recipe: Recipe, resolution: int | None) -> float:
    """Floating-point operations of one iteration: forward 2 a multiply-add, backward twice that.

    D's update pays G forward and D forward and backward on K + 1 batches; G's update pays G and D forward
    and backward on K batches, but no gradient of D's weights, and D forward on a real batch if relativistic.
    """
    generator, discriminator = sizes(recipe, resolution)
    batch, fakes = recipe.batch_size, recipe.views
    update_d = fakes * generator.macs + (fakes + 1) * 3 * discriminator.macs
    relativistic = getattr(recipe.objective, "formulation", "paper") == "reference"
    update_g = fakes * (3 * generator.macs + 2 * discriminator.macs) + relativistic * discriminator.macs
    return 2.0 * batch * (recipe.updates.discriminator * update_d + recipe.updates.generator * update_g)


def seconds(run: Run, device: str) -> float:
    """Estimated training time of a whole run on one GPU or one core."""
    flops = flops_per_iteration(run.recipe, run.workload.resolution)
    return max(run.ends) * (flops / RATES[device] + OVERHEAD[device])


def disk_bytes(run: Run) -> int:
    """Bytes of a run's checkpoints, state and samples."""
    generator, discriminator = sizes(run.recipe, run.workload.resolution)
    generators = run.recipe.generators * generator.weights
    checkpoints = max(run.ends) // run.workload.checkpoint_every
    # The state holds weights and Adam's two moments.
    state = 3 * (generators + discriminator.weights)
    side = run.workload.resolution
    sample = run.workload.shown * run.recipe.generators * (3 * side**2 if side else 8)
    return 4 * (checkpoints * generators + state) + checkpoints * sample


def describe(plan: Plan) -> str:
    """The plan as a text for people: runs, data, time, disk."""
    rows: list[tuple[str, ...]] = [("data set", "recipe", "seeds", "iterations", "a run", "disk")]
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in plan.runs.values():
        groups.setdefault((run.dataset, run.recipe_name), []).append(run)
    for (dataset, recipe), runs in groups.items():
        rows.append(
            (
                dataset,
                recipe,
                ", ".join(str(run.seed) for run in runs),
                f"{max(runs[0].ends):,}",
                time_text(seconds(runs[0], plan.device)),
                bytes_text(sum(disk_bytes(run) for run in runs)),
            )
        )
    total = sum(seconds(run, plan.device) for run in plan.runs.values())
    disk = sum(disk_bytes(run) for run in plan.runs.values()) + sum(
        _prepared_bytes(plan, *each) for each in plan.prepared_sets().values()
    )
    unit = "GPU" if plan.device == "cuda" else "core"
    files = plan.output_files()
    lines = [
        f"scale {plan.scale_name}: {plan.scale.title}",
        "",
        *aligned(rows),
        "",
        f"{len(plan.runs)} runs; training takes about {time_text(total)} of one {unit}; "
        f"about {bytes_text(disk)} of disk",
        f"{len(files)} files of tables and figures, and {plan.results}/report.html",
    ]
    missing = plan.missing()
    if missing:
        lines += ["", f"{len(missing)} data sets are missing:", *(f"  {each}" for each in missing)]
    return "\n".join(lines)


def _prepared_bytes(plan: Plan, dataset: str, resolution: int | None) -> int:
    spec = plan.datasets[dataset]
    count = round((spec.images or 0) * spec.fraction)
    return count * (3 * resolution**2 if resolution else 8)

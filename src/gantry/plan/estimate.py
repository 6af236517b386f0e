"""What a plan will cost, before anything starts: arithmetic counted from layer sizes, time, disk.

Estimates, not promises: the rates below are round figures for the share of a device's peak that small
networks reach. Measured times stand in the seals and in the report.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import log2

from gantry.plan.blocks.networks import DcganNetworks, MlpNetworks
from gantry.plan.recipe import Recipe
from gantry.plan.runs import Plan, Run

# Sustained multiply-add rates in FLOP/s: one core of a desktop CPU; a large data-centre GPU in fp32.
RATES = {"cpu": 5e10, "cuda": 3e13}
# No iteration is shorter than its kernel launches and Python.
OVERHEAD = {"cpu": 1e-3, "cuda": 4e-3}


@dataclass(frozen=True)
class Size:
    """Multiply-adds for one sample, and weights, of one network."""

    macs: int
    weights: int


def mlp_sizes(networks: MlpNetworks, latent: int, outputs: int) -> tuple[Size, Size]:
    """(generator, discriminator) of the synthetic experiment; biases and BatchNorm are left out of `macs`."""
    generator = latent * networks.width + (networks.depth - 1) * networks.width**2 + 2 * networks.width
    units, pieces = networks.maxout_units, networks.maxout_pieces
    discriminator = (2 + (networks.maxout_depth - 1) * units) * units * pieces + units * outputs
    return Size(generator, generator), Size(discriminator, discriminator)


def dcgan_sizes(networks: DcganNetworks, latent: int, outputs: int, resolution: int) -> tuple[Size, Size]:
    """(generator, discriminator) of the image experiments at `resolution`."""
    levels = int(log2(resolution)) - 2
    widths = [networks.width * 2**level for level in reversed(range(levels))]
    first = latent * widths[0] * 16
    generator_macs = generator_weights = first
    discriminator_macs = discriminator_weights = 0
    channels = [*widths, 3]
    for level, (wide, narrow) in enumerate(pairwise(channels)):
        kernel = wide * narrow * 16
        # Each of the input's pixels meets the whole 4×4 kernel, in either direction.
        pixels = (4 * 2**level) ** 2
        generator_macs += kernel * pixels
        generator_weights += kernel
        discriminator_macs += kernel * pixels
        discriminator_weights += kernel
    head = widths[0] * 16 * outputs * (2 if networks.head == "adaptive" else 1)
    return Size(generator_macs, generator_weights), Size(
        discriminator_macs + head, discriminator_weights + head
    )


def sizes(recipe: Recipe, resolution: int | None) -> tuple[Size, Size]:
    """(one generator, the discriminator) of `recipe`."""
    outputs = getattr(recipe.objective, "outputs", 0) or getattr(recipe.objective, "outcomes", 1)
    if isinstance(recipe.networks, MlpNetworks):
        return mlp_sizes(recipe.networks, recipe.latent.dimension, outputs)
    return dcgan_sizes(recipe.networks, recipe.latent.dimension, outputs, resolution or 32)


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
                _time(seconds(runs[0], plan.device)),
                _bytes(sum(disk_bytes(run) for run in runs)),
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
        *_aligned(rows),
        "",
        f"{len(plan.runs)} runs; training takes about {_time(total)} of one {unit}; about {_bytes(disk)} of disk",
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


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _time(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"

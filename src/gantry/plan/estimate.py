"""What a plan will cost, before anything starts: arithmetic counted from layer sizes, time, disk.

Estimates, not promises: the rates below are round figures for the share of a device's peak that small
networks reach. Measured times stand in the seals and in the report.
"""

from gantry.plan.plan import Plan
from gantry.plan.recipe import Recipe
from gantry.plan.runs import Run
from gantry.plan.work import flops_per_iteration, sizes
from gantry.wording import aligned, bytes_text, time_text

# Sustained multiply-add rates in FLOP/s: one core of a desktop CPU; a large data-centre GPU in fp32.
RATES = {"cpu": 5e10, "cuda": 3e13}
# No iteration is shorter than its kernel launches and Python.
OVERHEAD = {"cpu": 1e-3, "cuda": 4e-3}


def seconds(run: Run, device: str) -> float:
    """Estimated training time of a whole run on one GPU or one core."""
    flops = flops_per_iteration(run.recipe, run.workload.resolution)
    return max(run.ends) * (flops / RATES[device] + OVERHEAD[device])


# What an optimiser remembers of each weight, apart from momentum.
MOMENTS = {"adam": 2, "oadam": 3, "sgd": 0, "rmsprop": 1}


def state_numbers(recipe: Recipe, resolution: int | None) -> int:
    """Numbers in a run's state: weights, moments, averages. A statistic network's are left out, being few."""
    generator, discriminator = sizes(recipe, resolution)
    players = {
        "generators": recipe.generators * generator.weights,
        "discriminator": discriminator.weights,
    }
    moments = MOMENTS[recipe.optimiser.name] + (recipe.optimiser.momentum > 0)
    history = recipe.terms.historical_averaging
    remembered = sum(players[each] for each in history.players) if history.weight else 0
    averaged = players["generators"] if recipe.ema else 0
    return (1 + moments) * sum(players.values()) + averaged + remembered


def disk_bytes(run: Run) -> int:
    """Bytes of a run's checkpoints, state and samples."""
    generator, _ = sizes(run.recipe, run.workload.resolution)
    generators = run.recipe.generators * generator.weights
    checkpoints = max(run.ends) // run.workload.checkpoint_every
    state = state_numbers(run.recipe, run.workload.resolution)
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
        *_scoring(plan),
        f"{len(files)} files of tables and figures, and {plan.results}/report.html",
    ]
    missing = plan.missing()
    if missing:
        lines += ["", f"{len(missing)} data sets are missing:", *(f"  {each}" for each in missing)]
    return "\n".join(lines)


def _scoring(plan: Plan) -> list[str]:
    """What Inception takes to look at all samples, if it is Inception: other networks are soon done."""
    from gantry.plan.resources import START_MINUTES, scoring_minutes  # which asks this module for times

    if not plan.features.startswith("inception"):
        return []
    images = [run for run in plan.runs.values() if run.workload.resolution]
    minutes = sum(scoring_minutes(plan, run, end) - START_MINUTES for run in images for end in run.ends)
    return [
        f"scoring the images of {len(images)} runs with Inception takes up to {time_text(60.0 * minutes)} more"
    ]


def _prepared_bytes(plan: Plan, dataset: str, resolution: int | None) -> int:
    spec = plan.datasets[dataset]
    count = round((spec.images or 0) * spec.fraction)
    return count * (3 * resolution**2 if resolution else 8)

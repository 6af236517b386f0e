"""What a run will cost, before anything starts: time and disk, from arithmetic counted from layer sizes.

Estimates, not promises: the rates below are round figures for the share of a device's peak that small
networks reach. Measured times stand in the records and in the report.
"""

from gantry.plan.recipe import Recipe
from gantry.plan.runs import Run
from gantry.plan.work import flops_until, sizes

# What the times are for.
DEVICES = {"cpu": "one core of a desktop CPU", "cuda": "one large data-centre GPU (30 TFLOP/s in fp32)"}
# Sustained multiply-add rates in FLOP/s of these.
RATES = {"cpu": 5e10, "cuda": 3e13}
# No iteration is shorter than its kernel launches and Python.
OVERHEAD = {"cpu": 1e-3, "cuda": 4e-3}


def training_seconds(run: Run, device: str) -> float:
    """Estimated training time of a whole run on one GPU or one core."""
    end = max(run.ends)
    flops = flops_until(run.recipe, run.workload.resolution, end)
    return flops / RATES[device] + end * OVERHEAD[device]


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

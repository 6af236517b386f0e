"""One training iteration: our step beside a plain PyTorch loop and the machine's own matrix products.

    uv run python benchmarks/training.py [--device cpu|cuda] [--recipes NAME …] [--seconds S] [--out FILE.json]

Everything is measured in one run, the contestants taking turns, so that the ratios hold on a busy machine
too: each figure is the best of its turns. FLOPs are those of the method's phases (gantry.training.counting).
With --precision bf16 or tf32 the same step in that precision takes its turns, too.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

from gantry.data.shape import DataShape
from gantry.methods import Batch, build_method
from gantry.plan import load_plan
from gantry.plan.recipe import Recipe
from gantry.system.device import choose_device
from gantry.training.capture import build_step
from gantry.training.counting import count
from gantry.training.provenance import device_name
from plain_loop import plain_loop
from timing import turn

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = (
    "synthetic_realnessgan",
    "synthetic_bcgan",
    "synthetic_three_generators",
    "realnessgan",
    "bcgan",
)
TURNS = 5


def product_rate(size: int, seconds: float, device: torch.device) -> float:
    """FLOP/s of PyTorch's float32 product of two square matrices."""
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    return 2 * size**3 / turn(lambda: a @ b, seconds, device)


def ours(recipe: Recipe, shape: tuple[int, ...], device: torch.device) -> Callable[[], None]:
    """One iteration of Gantry on standing data."""
    method = build_method(recipe, DataShape(shape)).to(device).train()
    step = build_step(method, recipe, device)
    real = torch.rand(recipe.batch_size, *shape, device=device) * 2 - 1
    if len(shape) == 3:
        real = real.to(memory_format=torch.channels_last)  # as batches are

    def iteration() -> None:
        method.begin(0, device)
        for name, phase in step.phases.items():
            for _ in range(phase.repeat):
                noise = step.method.draw(name, recipe.batch_size, device)
                step.update(name, Batch({"x": real}, None, noise))

    return iteration


def measure(
    name: str, recipe: Recipe, resolution: int | None, seconds: float, device: torch.device, precision: str
) -> dict:
    """Measure one recipe, in float32 and in `precision`; times in seconds an iteration, rates in FLOP/s."""
    shape = (2,) if resolution is None else (3, resolution, resolution)
    torch.manual_seed(0)
    contestants = {
        "gantry": ours(recipe, shape, device),
        "plain": plain_loop(recipe, shape, device).iteration,
    }
    if precision != "fp32":
        contestants[precision] = ours(recipe.model_copy(update={"precision": precision}), shape, device)
    times = {which: float("inf") for which in contestants}
    rate = 0.0
    for _ in range(TURNS):
        rate = max(rate, product_rate(1024 if device.type == "cpu" else 8192, seconds / 4, device))
        for which, iteration in contestants.items():
            times[which] = min(times[which], turn(iteration, seconds, device))
    flops = count(recipe, DataShape(shape)).flops(1)
    return {
        "recipe": name,
        "resolution": resolution,
        "batch": recipe.batch_size,
        "gflop": flops / 1e9,
        "gantry_seconds": times["gantry"],
        "plain_seconds": times["plain"],
        "speed_up": times["plain"] / times["gantry"],
        "sgemm_gflops": rate / 1e9,
        "share_of_sgemm": flops / times["gantry"] / rate,
        "samples_per_second": recipe.batch_size / times["gantry"],
    } | ({"other_precision": precision, "other_seconds": times[precision]} if precision != "fp32" else {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--scale", default="laptop", help="whose widths and resolutions to take")
    parser.add_argument("--recipes", nargs="+", default=DEFAULT)
    parser.add_argument(
        "--precision", choices=("fp32", "tf32", "bf16"), default="fp32", help="to measure beside float32"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one turn")
    parser.add_argument("--out", type=Path, help="write the figures as JSON too")
    options = parser.parse_args()

    device = choose_device(options.device)
    given = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": options.scale, "precision": "fp32"}
    plan = load_plan(given, ROOT)
    print(f"{device_name(device)}; PyTorch {torch.__version__}; float32; best of {TURNS} turns\n")
    other = options.precision
    more = "" if other == "fp32" else f" {other} it/s | {other}, speed-up |"
    print(
        f"| recipe | size | batch | GFLOP/it | plain it/s | Gantry it/s | speed-up | GFLOP/s | of sgemm |{more}"
    )
    print("|---|---|---|---|---|---|---|---|---|" + "---|---|" * bool(more))
    rows = []
    for name in options.recipes:
        if name not in plan.recipes:
            sys.exit(f"unknown recipe {name!r}; known: {', '.join(plan.recipes)}")
        recipe = plan.recipes[name]
        resolution = plan.workloads[recipe.workload].resolution
        row = measure(name, recipe, resolution, options.seconds, device, other)
        rows.append(row)
        size = "2-D" if row["resolution"] is None else f"{row['resolution']}²"
        print(
            f"| {name} | {size} | {row['batch']} | {row['gflop']:.2f} | {1 / row['plain_seconds']:.1f} "
            f"| {1 / row['gantry_seconds']:.1f} | {row['speed_up']:.2f} "
            f"| {row['gflop'] / row['gantry_seconds']:.0f} | {row['share_of_sgemm']:.0%} |"
            + (
                ""
                if not more
                else f" {1 / row['other_seconds']:.1f} | {row['gantry_seconds'] / row['other_seconds']:.2f} |"
            ),
            flush=True,
        )
    if options.out:
        options.out.write_text(json.dumps({"device": device_name(device), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

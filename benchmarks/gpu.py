"""Training and scoring on a GPU, measured in one command of less than ten minutes, with its results as files.

    python benchmarks/gpu.py --out FOLDER [--device cuda] [--recipes NAME …] [--precisions fp32 tf32 bf16]
    python benchmarks/gpu.py --out FOLDER --device cpu --quick

Four tables, each figure the best of its turns, the contestants taking turns in one run:

    steps       each recipe and precision: our step, replayed from CUDA graphs (where it falls back, and on a
                CPU, it is plain, and the table says so); our step kernel by kernel; an eager loop as public
                research code has it (plain_loop.py), in float32 and with TF32 (bf16 is held against the latter)
    processes   N processes that train the 32×32 recipe on the GPU at once, and the start-up of each: from the
                first line of Python through imports, CUDA and capture to the end of the first step
    generators  K generators one after the other and batched by vmap
    features    images a second through the feature network, and what precision does to the distance

FLOPs are counted by PyTorch from the kernels of one iteration; bytes are those of every kernel's arguments and
results, read and written once. FOLDER gets a CSV for each table, `gpu.md`, `roofline.png`, `machine.json`, and
with --profile the longest kernels of each captured step. All is written as it comes: a run that is cut off
loses only what it had not measured. `processes` uses MPS where its daemon runs.
"""

import argparse
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml

import gpu_beside
import gpu_features
import gpu_generators
from gantry.plan import Plan, load_plan
from gantry.plan.recipe import Recipe
from gantry.system.device import choose_device
from gantry.training.provenance import device_name
from gpu_peaks import PRECISIONS, copy_rate, product_rate
from gpu_steps import measure, profiled
from gpu_tables import roofline, write

ROOT = Path(__file__).resolve().parent.parent
# The targets' three, those whose penalty has a gradient of its own gradient, and points.
RECIPES = ("bcgan", "realnessgan", "edgan", "bi_penalty", "wgan_gp", "synthetic_bcgan")
BESIDE = "edgan"
BATCHED = ("edgan", "synthetic_bcgan", "bcgan")
SMALL = {"dcgan": {"width": 4}, "dcgan32": {"width": 8}, "mlp": {"width": 64}, "resnet": {"width": 8}}


def chosen(plan: Plan, name: str, precision: str, quick: bool) -> tuple[Recipe, int | None]:
    """The recipe at paper scale, or narrow, and its resolution."""
    recipe = plan.recipes[name].model_copy(update={"precision": precision})
    resolution = plan.workloads[recipe.workload].resolution
    if quick:
        small = recipe.networks.model_copy(update=SMALL[recipe.networks.family])
        recipe = recipe.model_copy(update={"networks": small, "batch_size": 8})
        resolution = resolution and min(resolution, 64)
    return recipe, resolution


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    parser.add_argument("--budget", type=float, default=480.0, help="start nothing after these seconds")
    parser.add_argument("--weights", type=Path, help="weights of inception-768 (else random ones)")
    parser.add_argument("--quick", action="store_true", help="narrow networks, images of at most 64²")
    parser.add_argument("--profile", action="store_true", help="write the longest kernels, too")
    return parser.parse_args()


class Session:
    """What has been measured, what time is left, and where it goes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.start = time.perf_counter()
        self.device = choose_device(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
        self.plan = load_plan(
            yaml.safe_load((ROOT / "config.yaml").read_text())
            | {"scale": "paper", "papers": ["bcgan", "edgan", "zoo"]},
            ROOT,
        )
        unknown = sorted(set(options.recipes) - set(self.plan.recipes))
        if unknown:
            sys.exit(f"unknown recipes: {', '.join(unknown)}; known: {', '.join(self.plan.recipes)}")
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("steps", "processes", "generators", "features")
        }
        size, seconds = 8192 if self.device.type == "cuda" else 512, options.seconds / 4
        self.machine: dict[str, Any] = {
            "device": device_name(self.device),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if self.device.type == "cuda" else None,
            "mps": "CUDA_MPS_PIPE_DIRECTORY" in os.environ or Path("/tmp/nvidia-mps").exists(),
            "quick": options.quick,
            "peak_flops": {p: product_rate(size, p, seconds, self.device) for p in options.precisions},
            "copy_bytes_per_second": copy_rate(seconds, self.device),
        }

    def time_for(self, what: str, reserve: float = 0.0) -> bool:
        """Whether to begin with something; `reserve` seconds are kept for what comes after."""
        left = self.options.budget - reserve - (time.perf_counter() - self.start)
        if left <= 0:
            print(f"no time left for {what}", file=sys.stderr)
        return left > 0

    @contextlib.contextmanager
    def going_on(self, what: str) -> Iterator[None]:
        """Note what fails and go on: a machine lent for minutes should bring back all the rest."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.machine["failed"] = self.machine.get("failed", {}) | {what: str(error)}
            write(self.tables, self.machine, self.options.out)

    def add(self, table: str, *rows: dict[str, Any]) -> None:
        """Take in rows, and write everything anew."""
        self.tables[table] += rows
        self.machine["seconds"] = round(time.perf_counter() - self.start, 1)
        write(self.tables, self.machine, self.options.out)
        for row in rows:
            print(
                table, {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True
            )

    def steps(self, reserve: float) -> None:
        """The table of steps."""
        for name in self.options.recipes:
            for precision in self.options.precisions:
                if self.time_for(f"{name} in {precision}", reserve):
                    with self.going_on(f"{name} in {precision}"):
                        self._step(name, precision)

    def _step(self, name: str, precision: str) -> None:
        options = self.options
        recipe, resolution = chosen(self.plan, name, precision, options.quick)
        row = measure(name, recipe, resolution, options.seconds, self.device)
        row["share_of_peak"] = row["tflops"] * 1e12 / self.machine["peak_flops"][precision]
        self.add("steps", row)
        if options.profile:
            profiled(recipe, resolution, self.device, options.out / f"profile-{name}-{precision}.txt")

    def processes(self) -> None:
        """The table of processes, in the last of the precisions."""
        recipe, resolution = chosen(self.plan, BESIDE, self.options.precisions[-1], self.options.quick)
        counts = [1, 2] if self.device.type == "cpu" else [1, 2, 4, 8]
        seconds = 6 * self.options.seconds
        for row in gpu_beside.compared(recipe, resolution, counts, seconds, self.device.type):
            self.add("processes", {"recipe": BESIDE, "precision": recipe.precision} | row)

    def generators(self) -> None:
        """The table of generators."""
        for name in BATCHED:
            recipe, resolution = chosen(self.plan, name, "fp32", self.options.quick)
            self.add(
                "generators",
                gpu_generators.compared(name, recipe, resolution, 2, self.options.seconds, self.device),
            )

    def features(self) -> None:
        """The table of the feature network."""
        count = 32 if self.device.type == "cpu" else 4096
        precisions = tuple(self.options.precisions)
        self.add("features", *gpu_features.compared(count, self.options.weights, precisions, self.device))


def main() -> None:
    session = Session(arguments())
    # The short ones keep their time: the steps, of which there are many, stop before it is gone.
    session.steps(reserve=150.0)
    for table in (session.processes, session.generators, session.features):
        if session.time_for(table.__name__):
            with session.going_on(table.__name__):
                table()
    if session.tables["steps"]:
        roofline(session.tables["steps"], session.machine, session.options.out / "roofline.png")


if __name__ == "__main__":
    main()

"""The training step on a GPU, measured in one command of less than ten minutes, with its results as files.

    python benchmarks/gpu.py --out FOLDER [--device cuda] [--recipes NAME …] [--precisions fp32 tf32 bf16]
    python benchmarks/gpu.py --out FOLDER --device cpu --quick

For each recipe and precision, the contestants taking turns in one run, each figure the best of its turns:

    captured   our step, replayed from CUDA graphs (where it falls back, and on a CPU, it is plain, and the
               table says so)
    plain      our step, kernel by kernel
    eager      the loop as public research code has it (plain_loop.py), in float32 and with TF32; bf16 is held
               against the latter

FLOPs are counted by PyTorch from the kernels of one iteration; bytes are those of every kernel's arguments and
results, read and written once. FOLDER gets `gpu.csv`, `gpu.md`, `roofline.png`, `machine.json`, and with
--profile the longest kernels of each captured step. Rows are written as they come: a run that is cut off loses
only what it had not measured.
"""

import argparse
import contextlib
import csv
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from gantry.plan import load_plan
from gantry.plan.estimate import flops_per_iteration
from gantry.plan.recipe import Recipe
from gantry.training.capture import build_step
from gantry.training.device import choose_device
from gantry.training.game import Game, Latents
from gantry.training.provenance import device_name
from gantry.training.step import Step
from plain_loop import plain_loop
from training import synchronised, turn

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ("bcgan", "realnessgan", "edgan", "synthetic_bcgan")
PRECISIONS = ("fp32", "tf32", "bf16")
TURNS = 3
COLUMNS = (
    "recipe", "size", "batch", "precision", "gflop", "gflop_by_layers", "gbyte", "captured_ms", "plain_ms",
    "eager_ms", "times_plain", "times_eager", "tflops", "share_of_peak", "images_per_second", "captured_mib",
    "plain_mib", "eager_mib", "first_step_s", "how",
)  # fmt: skip

Iteration = Callable[[], object]


class Traffic(TorchDispatchMode):
    """Bytes that the kernels of a step read and write, if each tensor goes to memory and back."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = kernel(*args, **(kwargs or {}))
        if not kernel.is_view:
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return result


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Let float32 products and convolutions run in float32 proper for fp32, else in TF32."""
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    yield


def ours(step: Step, recipe: Recipe, shape: tuple[int, ...], device: torch.device) -> Iteration:
    """One iteration of Gantry on standing data, in the order of memory that batches have."""
    latents = Latents(recipe.latent, recipe.batch_size, device)
    real = torch.rand(recipe.batch_size, *shape, device=device) * 2 - 1
    if len(shape) == 3:
        real = real.to(memory_format=torch.channels_last)

    def iteration() -> None:
        step.game.objective.redraw(device)
        for _ in range(recipe.updates.discriminator):
            step.discriminator(real, latents.next())
        for _ in range(recipe.updates.generator):
            step.generator(real, latents.next())

    return iteration


def reserved(device: torch.device) -> int:
    """Peak bytes that PyTorch has taken from the GPU, graphs included; 0 on a CPU."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


def product_rate(size: int, precision: str, seconds: float, device: torch.device) -> float:
    """FLOP/s of PyTorch's product of two square matrices: the peak that steps are held against."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    with products_in(precision):
        return 2 * size**3 / min(turn(lambda: a @ b, seconds, device) for _ in range(TURNS))


def copy_rate(seconds: float, device: torch.device) -> float:
    """Bytes/s of a copy within memory, read and write counted."""
    source = torch.randn(1 << (28 if device.type == "cuda" else 22), device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(turn(lambda: target.copy_(source), seconds, device) for _ in range(TURNS))


def counted(iteration: Iteration) -> tuple[int, int]:
    """FLOPs and bytes of one iteration."""
    # oneDNN's own linear layer, which CPUs get, is none that PyTorch's counter knows.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as flops:
        iteration()
    with Traffic() as traffic:
        iteration()
    return flops.get_total_flops(), traffic.bytes


def measure(name: str, recipe: Recipe, resolution: int | None, seconds: float, device: torch.device) -> dict:
    """Measure one recipe at its precision; its row of the table."""
    shape = (2,) if resolution is None else (3, resolution, resolution)
    torch.manual_seed(0)
    memory: dict[str, int] = {}
    rounds: dict[str, Iteration] = {}
    first_step, how = 0.0, ""
    for which in ("eager", "plain", "captured"):
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_reserved(device) if device.type == "cuda" else 0
        start = time.perf_counter()
        if which == "eager":
            with products_in(recipe.precision):
                rounds[which] = plain_loop(recipe, shape, device).iteration
                rounds[which]()
        else:
            game = Game(recipe, shape).to(device).train()
            step = Step(game, recipe, device) if which == "plain" else build_step(game, recipe, device)
            rounds[which] = ours(step, recipe, shape, device)
            rounds[which]()
            synchronised(device)
            first_step, how = time.perf_counter() - start, step.how
        memory[which] = reserved(device) - before
    flops, traffic = counted(rounds["plain"])
    times = dict.fromkeys(rounds, float("inf"))
    for _ in range(TURNS):
        for which, iteration in rounds.items():
            # Beside autocast our step keeps to float32; see `Step`.
            own = "fp32" if recipe.precision == "bf16" else recipe.precision
            with products_in(recipe.precision if which == "eager" else own):
                times[which] = min(times[which], turn(iteration, seconds, device))
    return {
        "recipe": name,
        "size": resolution or "2-D",
        "batch": recipe.batch_size,
        "precision": recipe.precision,
        "gflop": flops / 1e9,
        "gflop_by_layers": flops_per_iteration(recipe, resolution) / 1e9,
        "gbyte": traffic / 1e9,
        **{f"{which}_ms": 1e3 * each for which, each in times.items()},
        "times_plain": times["plain"] / times["captured"],
        "times_eager": times["eager"] / times["captured"],
        "tflops": flops / times["captured"] / 1e12,
        "images_per_second": recipe.batch_size / times["captured"],
        **{f"{which}_mib": each / 2**20 for which, each in memory.items()},
        "first_step_s": first_step,
        "how": how,
    }


def profiled(recipe: Recipe, resolution: int | None, device: torch.device, path: Path) -> None:
    """Write the longest kernels of ten iterations of our step."""
    shape = (2,) if resolution is None else (3, resolution, resolution)
    game = Game(recipe, shape).to(device).train()
    iteration = ours(build_step(game, recipe, device), recipe, shape, device)
    iteration()
    with torch.profiler.profile() as profile:
        for _ in range(10):
            iteration()
        if device.type == "cuda":
            torch.cuda.synchronize()
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    path.write_text(profile.key_averages().table(sort_by=key, row_limit=30, max_name_column_width=80) + "\n")


def write(rows: list[dict], machine: dict, out: Path) -> None:
    """Write everything measured so far."""
    (out / "machine.json").write_text(json.dumps(machine, indent=2) + "\n")
    with (out / "gpu.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    lines = [
        f"{machine['device']}; PyTorch {machine['torch']}; best of {TURNS} turns in one run",
        "",
        "| recipe | size | batch | precision | GFLOP/it | captured ms | plain ms | eager ms | × plain | × eager "
        "| of peak | MiB: captured, plain, eager | images/s | first step s | how |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        lines.append(
            f"| {r['recipe']} | {r['size']} | {r['batch']} | {r['precision']} | {r['gflop']:.1f} "
            f"| {r['captured_ms']:.2f} | {r['plain_ms']:.2f} | {r['eager_ms']:.2f} | {r['times_plain']:.2f} "
            f"| {r['times_eager']:.2f} | {r['share_of_peak']:.0%} | {r['captured_mib']:.0f}, "
            f"{r['plain_mib']:.0f}, {r['eager_mib']:.0f} | {r['images_per_second']:.0f} "
            f"| {r['first_step_s']:.1f} | {r['how']} |"
        )
    (out / "gpu.md").write_text("\n".join(lines) + "\n")


def roofline(rows: list[dict], machine: dict, path: Path) -> None:
    """Plot FLOP/s over FLOPs a byte, under what memory and matrix products allow."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    colours = dict(zip(machine["peak_flops"], ("tab:blue", "tab:orange", "tab:green"), strict=False))
    intensities = [r["gflop"] / r["gbyte"] for r in rows]
    ends = [min(intensities) / 4, max(intensities) * 100]
    for precision, peak in machine["peak_flops"].items():
        knee = peak / machine["copy_bytes_per_second"]
        x = sorted([ends[0], *([knee] if ends[0] < knee < ends[1] else []), ends[1]])
        roof = [min(peak, each * machine["copy_bytes_per_second"]) for each in x]
        axes.plot(x, roof, color=colours[precision], label=f"{precision}: products and copies")
    for r, x in zip(rows, intensities, strict=True):
        y = r["tflops"] * 1e12
        axes.plot(x, y, "o", color=colours[r["precision"]])
        axes.annotate(f"{r['recipe']} {r['size']}", (x, y), (4, 4), textcoords="offset points", fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="FLOPs a byte (unfused kernels)", ylabel="FLOP/s")
    axes.set_title(machine["device"])
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


SMALL = {"dcgan": {"width": 4}, "dcgan32": {"width": 8}, "mlp": {"width": 64}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    parser.add_argument(
        "--budget", type=float, default=480.0, help="start no measurement after these seconds"
    )
    parser.add_argument("--quick", action="store_true", help="narrow networks, images of at most 64²")
    parser.add_argument("--profile", action="store_true", help="write the longest kernels, too")
    options = parser.parse_args()

    start = time.perf_counter()
    device = choose_device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    given = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    plan = load_plan(given, ROOT)
    unknown = sorted(set(options.recipes) - set(plan.recipes))
    if unknown:
        sys.exit(f"unknown recipes: {', '.join(unknown)}; known: {', '.join(plan.recipes)}")
    size = 8192 if device.type == "cuda" else 512
    machine = {
        "device": device_name(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "quick": options.quick,
        "peak_flops": {
            each: product_rate(size, each, options.seconds / 4, device) for each in options.precisions
        },
        "copy_bytes_per_second": copy_rate(options.seconds / 4, device),
    }
    rows: list[dict] = []
    for name in options.recipes:
        for precision in options.precisions:
            if time.perf_counter() - start > options.budget:
                print(f"no time left for {name} in {precision}", file=sys.stderr)
                continue
            recipe, resolution = plan.recipes[name], plan.workloads[plan.recipes[name].workload].resolution
            recipe = recipe.model_copy(update={"precision": precision})
            if options.quick:
                small = recipe.networks.model_copy(update=SMALL[recipe.networks.family])
                recipe = recipe.model_copy(update={"networks": small, "batch_size": 8})
                resolution = resolution and min(resolution, 64)
            row = measure(name, recipe, resolution, options.seconds, device)
            row["share_of_peak"] = row["tflops"] * 1e12 / machine["peak_flops"][precision]
            rows.append(row)
            write(rows, machine, options.out)
            print(
                f"{name} {row['size']} {precision}: captured {row['captured_ms']:.2f} ms, "
                f"plain {row['plain_ms']:.2f}, eager {row['eager_ms']:.2f}; {row['how']}",
                flush=True,
            )
            if options.profile:
                profiled(recipe, resolution, device, options.out / f"profile-{name}-{precision}.txt")
    machine["seconds"] = round(time.perf_counter() - start, 1)
    write(rows, machine, options.out)
    if rows:
        roofline(rows, machine, options.out / "roofline.png")


if __name__ == "__main__":
    main()

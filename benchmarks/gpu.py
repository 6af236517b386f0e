"""Training and scoring on a GPU, measured in one command of less than ten minutes, with its results as files.

    python benchmarks/gpu.py --out FOLDER [--tables steps features …] [--recipes NAME …] [--precisions bf16 tf32 fp32]
    python benchmarks/gpu.py --out FOLDER --device cpu --quick

Tables, each figure the best of its turns, the contestants taking turns in one process:

    steps       each precision and recipe: our step, replayed from CUDA graphs (where it falls back, and on a
                CPU, it is plain, and the table says so); our step kernel by kernel; an eager loop as public
                research code has it (plain_loop.py), in float32 and with TF32 (bf16 is held against the latter);
                with --switches the same step with each of these, a column each
    processes   N processes that train the 32×32 recipe on the GPU at once, and the start-up of each: from the
                first line of Python through imports, CUDA and capture to the end of the first step
    generators  K generators one after the other and batched by vmap
    features    images a second through the feature network, and what precision does to the distance

Each row is made by a process of its own with a deadline: what fails, hangs or spoils its CUDA context loses its own
row, and machine.json says why. Rows are written as they come. bf16 comes first. Needed are PyTorch, NumPy, matplotlib
and pydantic, and the folder `src`: no installation.

FLOPs are counted by PyTorch from the kernels of one iteration; bytes are those of every kernel's arguments and
results, read and written once. FOLDER gets a CSV for each table, `gpu.md`, `roofline.png`, `machine.json`, and
with --profile the longest kernels of each step. `processes` uses MPS where its daemon runs.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # where nothing is installed

import gpu_recipes  # noqa: E402

PRECISIONS = ("bf16", "tf32", "fp32")
TABLES = ("steps", "processes", "generators", "features")
BESIDE = "edgan"
BATCHED = ("edgan", "synthetic_bcgan", "bcgan")
SMALL = {"dcgan": {"width": 4}, "dcgan32": {"width": 8}, "mlp": {"width": 64}, "resnet": {"width": 8}}
MARK = "row: "  # before a row of JSON on a child's standard output


class Job(NamedTuple):
    """What one child measures."""

    table: str
    recipe: str = ""
    precision: str = ""
    count: int = 0

    @property
    def name(self) -> str:
        """How messages and files call it."""
        return "-".join(str(each) for each in self if each)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--recipes", nargs="+", choices=gpu_recipes.RECIPES, default=gpu_recipes.RECIPES)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument(
        "--switches",
        nargs="*",
        default=(),
        help="columns: compile, whole_iterations, streams, fused_oadam; several at once: streams+fused_oadam",
    )
    parser.add_argument("--processes", nargs="+", type=int, help="how many at once (1 2 4 8; on a CPU 1 2)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds after which a row is given up")
    parser.add_argument("--budget", type=float, default=480.0, help="start nothing after these seconds")
    parser.add_argument("--weights", type=Path, help="weights of inception-768 (else random ones)")
    parser.add_argument("--quick", action="store_true", help="narrow networks, images of at most 64²")
    parser.add_argument("--profile", action="store_true", help="write the longest kernels, too")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


# ── the parent: which rows there are, and what became of them; it imports no torch ────────────────────


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Every row, the most wanted first."""
    for table in options.tables:
        if table == "steps":
            for precision in (each for each in PRECISIONS if each in options.precisions):
                yield from (Job(table, name, precision) for name in options.recipes)
        elif table == "processes":
            counts = options.processes or ([1, 2] if options.device == "cpu" else [1, 2, 4, 8])
            first = next(each for each in PRECISIONS if each in options.precisions)
            yield from (Job(table, BESIDE, first, count) for count in counts)
        elif table == "generators":
            yield from (Job(table, name) for name in BATCHED)
        else:
            yield Job(table)


class Session:
    """What has been measured, what time is left, and where it goes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.start = time.perf_counter()
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.machine: dict[str, Any] = {
            "device": "unknown",
            "torch": "unknown",
            "peak_flops": {},
            "failed": {},
        }
        options.out.mkdir(parents=True, exist_ok=True)

    @property
    def seconds_left(self) -> float:
        return float(self.options.budget - (time.perf_counter() - self.start))

    def run(self, job: Job) -> None:
        """Have a child make a row, until the deadline; write what came."""
        from gpu_tables import write

        patience = min(self.options.deadline, self.seconds_left)
        if patience <= 0:
            self.machine["failed"][job.name] = "not begun: the time was up"
        else:
            command = [sys.executable, __file__, *sys.argv[1:], "--job", json.dumps(job)]
            said, failure = child(command, patience)
            for row in said:
                self.take(job, row)
            if failure:
                self.machine["failed"][job.name] = failure
                print(f"{job.name}: {failure}", file=sys.stderr, flush=True)
        self.machine["seconds"] = round(time.perf_counter() - self.start, 1)
        write(self.tables, self.machine, self.options.out)

    def take(self, job: Job, row: dict[str, Any]) -> None:
        """Take in a row, or facts on the machine."""
        if job.table == "machine":
            self.machine |= row
            return
        rows = self.tables[job.table]
        if job.table == "steps":
            peak = self.machine["peak_flops"].get(row["precision"])
            row["share_of_peak"] = row["tflops"] * 1e12 / peak if peak else float("nan")
        if job.table == "processes":
            alone = rows[0]["iterations_per_second"] if rows else row["iterations_per_second"]
            row["speed_up"] = row["iterations_per_second"] / alone
            row["seeds_in_times_of_one"] = row["processes"] / row["speed_up"]
        rows.append(row)
        shown = {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}
        print(job.table, shown, flush=True)


def child(command: list[str], patience: float) -> tuple[list[dict[str, Any]], str]:
    """Run a child and all that it starts for at most `patience` seconds; its rows, and why there are no more."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    failure = ""
    try:
        said, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        failure = f"given up after {patience:.0f} seconds"
    except BaseException:  # asked to end: it goes too
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode and not failure:
        last = [line for line in said.splitlines() if line.strip() and not line.startswith(MARK)]
        failure = f"exit code {process.returncode}: {last[-1] if last else 'without a word'}"
    rows = [json.loads(line.removeprefix(MARK)) for line in said.splitlines() if line.startswith(MARK)]
    return rows, failure


# ── the child: one row ────────────────────────────────────────────────────────────────────────────────


def tell(row: dict[str, Any]) -> None:
    """Hand a row to the parent."""
    print(f"{MARK}{json.dumps(row)}", flush=True)


def chosen(name: str, precision: str, quick: bool) -> tuple[Any, int | None]:
    """The recipe at paper scale, or narrow, and its resolution."""
    from gantry.plan.recipe import Recipe

    told = gpu_recipes.read()[name]
    recipe = Recipe.model_validate({"workload": ""} | told["recipe"] | {"precision": precision})
    resolution = told["resolution"]
    if quick:
        small = recipe.networks.model_copy(update=SMALL[recipe.networks.family])
        recipe = recipe.model_copy(update={"networks": small, "batch_size": 8})
        resolution = resolution and min(resolution, 64)
    return recipe, resolution


def work(job: Job, options: argparse.Namespace) -> None:
    """Be the child that measures `job`."""
    from gantry.system.device import choose_device

    device = choose_device(options.device)
    if job.table == "machine":
        import gpu_peaks

        tell(gpu_peaks.machine(device, tuple(options.precisions), options.seconds / 4, quick=options.quick))
    elif job.table == "steps":
        from gpu_steps import measure

        recipe, resolution = chosen(job.recipe, job.precision, options.quick)
        profile = options.out / f"profile-{job.recipe}-{job.precision}.txt" if options.profile else None
        tell(measure(job.recipe, recipe, resolution, options.seconds, device, options.switches, profile))
    elif job.table == "processes":
        import gpu_beside

        recipe, resolution = chosen(job.recipe, job.precision, options.quick)
        done = gpu_beside.processes(recipe, resolution, job.count, 6 * options.seconds, options.device)
        tell({"recipe": job.recipe, "precision": job.precision, "processes": job.count} | done)
    elif job.table == "generators":
        import gpu_generators

        recipe, resolution = chosen(job.recipe, "fp32", options.quick)
        tell(gpu_generators.compared(job.recipe, recipe, resolution, 2, options.seconds, device))
    else:
        import gpu_features

        count = 32 if options.device == "cpu" else 4096
        for row in gpu_features.compared(count, options.weights, ("fp32", "tf32", "bf16"), device):
            tell(row)


def main() -> int:
    """Be the parent, or one of its children; the parent's exit code is 1 where a row is missing."""
    options = arguments()
    if options.job:
        work(Job(*json.loads(options.job)), options)
        return 0
    session = Session(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for job in (Job("machine"), *jobs(options)):
        session.run(job)
    if session.tables["steps"] and session.machine["peak_flops"]:
        from gpu_tables import roofline

        roofline(session.tables["steps"], session.machine, options.out / "roofline.png")
    return 1 if session.machine["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

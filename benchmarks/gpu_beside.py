"""N processes that train one recipe on one device at once, against one alone. See gpu.py.

    python benchmarks/gpu_beside.py RECIPE-AS-JSON RESOLUTION DEVICE

is one of them: it prints its start-up, waits for a line, which says how many seconds to train, and prints what
it did.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

BEGAN = time.perf_counter()
PATIENCE = 120.0


def processes(recipe: Any, resolution: int | None, count: int, seconds: float, device: str) -> dict[str, Any]:
    """Iterations a second of all `count` processes together, and each one's start-up and memory."""
    command = [
        sys.executable,
        __file__,
        recipe.model_dump_json(exclude_defaults=True),
        str(resolution or 0),
        device,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(count)
    ]
    try:
        ready = [json.loads(worker.stdout.readline()) for worker in workers]  # type: ignore[union-attr]
        for worker in workers:
            worker.stdin.write(f"{seconds}\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        done = [json.loads(worker.stdout.readline()) for worker in workers]  # type: ignore[union-attr]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(PATIENCE)
    return {
        "iterations_per_second": sum(each["iterations"] / each["seconds"] for each in done),
        "start_up_s": max(each["start_up_s"] for each in ready),
        "imports_s": max(each["imports_s"] for each in ready),
        "mib_each": max(each["mib"] for each in done),
        "how": ready[0]["how"],
    }


def work(recipe_json: str, resolution: int, name: str) -> None:
    """Be one of the processes."""
    import torch

    from gantry.plan.recipe import Recipe
    from gantry.system.device import choose_device
    from gpu_steps import quickest
    from timing import synchronised

    imports = time.perf_counter() - BEGAN
    device = choose_device(name)
    step, iteration = quickest(Recipe.model_validate_json(recipe_json), resolution or None, device)
    iteration()
    start_up = synchronised(device) - BEGAN
    print(json.dumps({"start_up_s": start_up, "imports_s": imports, "how": step.backend}), flush=True)
    seconds = float(sys.stdin.readline())
    start, iterations = synchronised(device), 0
    while time.perf_counter() - start < seconds:
        iteration()
        iterations += 1
        if iterations % 100 == 0:  # as training does: else a queue of work piles up beyond the time
            synchronised(device)
    took = synchronised(device) - start
    memory = torch.cuda.max_memory_reserved(device) / 2**20 if name == "cuda" else 0.0
    print(json.dumps({"iterations": iterations, "seconds": took, "mib": memory}), flush=True)


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), sys.argv[3])

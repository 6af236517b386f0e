"""What happened during a run: losses averaged over log intervals, speed, memory."""

import csv
import io
import resource
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from gantry.files import write_text
from gantry.system.disk import writes_to

# After the iteration come the losses, a column for each phase: "loss_d", "loss_g", "loss_classifier".
COSTS = ("iterations_per_second", "images_per_second", "peak_memory_bytes")


def label(key: str) -> str:
    """How a phase is called in a line of progress: D, G, classifier."""
    return key.upper() if len(key) == 1 else key


class LossMeter:
    """Mean loss of each phase since the last reading, summed on the device so that the loop never waits.

    The first loss that is not finite ends the count of healthy updates: `read` says how many there were.
    """

    def __init__(self, device: torch.device, phases: int = 2) -> None:
        self.sums = torch.zeros(phases, dtype=torch.float64, device=device)
        self.counts = torch.zeros(phases, dtype=torch.float64, device=device)
        self.healthy = torch.zeros((), dtype=torch.int64, device=device)
        self.ok = torch.ones((), dtype=torch.bool, device=device)

    def add(self, phase: int, loss: Tensor) -> None:
        """Note one step of a phase, by its number from 0; `loss` is a scalar on the device."""
        self.sums[phase] += loss
        self.counts[phase] += 1
        self.ok &= torch.isfinite(loss)

    def end_iteration(self) -> None:
        """Count the iteration as healthy if every loss so far was finite."""
        self.healthy += self.ok

    def read(self) -> tuple[list[float], int, bool]:
        """Return (mean losses, healthy iterations, all finite) and start anew; waits for the device."""
        means = (self.sums / self.counts.clamp(min=1)).tolist()
        healthy, ok = int(self.healthy), bool(self.ok)
        self.sums.zero_()
        self.counts.zero_()
        self.healthy.zero_()
        return means, healthy, ok

    def state_dict(self) -> dict[str, Tensor]:
        """The running sums, so that an interval cut by a restart reads the same."""
        return {"sums": self.sums, "counts": self.counts, "healthy": self.healthy, "ok": self.ok}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on with the sums of a `state_dict()`."""
        for name, value in state.items():
            getattr(self, name).copy_(value)


def rows_until(path: Path, iteration: int) -> tuple[list[str], list[list[str]]]:
    """Return the columns of a `history.csv` and its rows up to `iteration`; none if there is no file."""
    if not path.exists():
        return [], []
    with path.open(newline="", errors="replace") as stream:
        columns, *lines = list(csv.reader(stream)) or [[]]
    # A line cut by a kill has too few fields; it lies after the state's iteration anyway.
    whole = [row for row in lines if len(row) == len(columns) and row[0].isdecimal()]
    return columns, [row for row in whole if int(row[0]) <= iteration]


def usual_rate(path: Path, iteration: int) -> float | None:
    """Iterations per second in the median interval up to `iteration`: the first ones, and pauses, do not count."""
    columns, rows = rows_until(path, iteration)
    rates = [float(row[columns.index(COSTS[0])]) for row in rows]
    return median(rates) if rates else None


def thinned(path: Path, iteration: int, rows: int = 200) -> dict[str, list[float]]:
    """Return the columns of at most so many lines, evenly spaced, up to `iteration`; the last one is among them."""
    columns, lines = rows_until(path, iteration)
    chosen = [
        lines[(number + 1) * len(lines) // min(rows, len(lines)) - 1]
        for number in range(min(rows, len(lines)))
    ]
    return {
        name: [float(line[place]) for line in chosen]
        for place, name in enumerate(columns)
        if all(line[place] for line in chosen)
    }


class History:
    """`history.csv` of a run: rows after the state's iteration are dropped on resume, then appended to.

    `losses` are the keys of the phases, "d", "g" and so on.
    """

    def __init__(self, path: Path, resumed_at: int, losses: Sequence[str] = ("d", "g")) -> None:
        self.path = path
        self.columns = ["iteration", *(f"loss_{key}" for key in losses), *COSTS]
        _, self.rows = rows_until(path, resumed_at)
        self.flush()

    def add(
        self, iteration: int, losses: Sequence[float], rate: float, batch: int, memory: int | None
    ) -> None:
        """Append one interval that ended at `iteration`; `rate` in iterations per second."""
        values = (
            iteration,
            *(f"{loss:.9g}" for loss in losses),
            f"{rate:.4g}",
            f"{rate * batch:.4g}",
            "" if memory is None else memory,
        )
        self.rows.append([str(value) for value in values])
        with (
            writes_to(self.path, "it goes on from the last saved state"),
            self.path.open("a", newline="") as stream,
        ):
            csv.writer(stream, lineterminator="\n").writerow(self.rows[-1])

    def flush(self) -> None:
        """Write the whole table anew."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


def peak_memory(device: torch.device) -> int | None:
    """Peak bytes allocated on the GPU by this process; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def peak_host_memory() -> int:
    """Peak resident bytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

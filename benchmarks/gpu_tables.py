"""The results of gpu.py as files: tables as CSV and Markdown, and a roofline."""

import csv
import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]

STEPS = (
    "recipe", "size", "batch", "precision", "gflop", "gflop_planned", "gbyte", "captured_ms", "plain_ms",
    "eager_ms", "times_plain", "times_eager", "tflops", "share_of_peak", "images_per_second", "captured_mib",
    "plain_mib", "eager_mib", "first_step_s", "how",
)  # fmt: skip
SHOWN = (
    "recipe", "size", "batch", "precision", "gflop", "captured_ms", "plain_ms", "eager_ms", "times_plain",
    "times_eager", "share_of_peak", "captured_mib", "plain_mib", "eager_mib", "images_per_second",
    "first_step_s", "how",
)  # fmt: skip
TITLES = {
    "steps": "A step: captured and plain (ours), eager (a loop as public research code has it)",
    "processes": "Processes that train one recipe at once",
    "generators": "Generators one after the other, and batched by vmap; forward and backward",
    "features": "The feature network",
}


def write(tables: dict[str, list[Row]], machine: dict[str, Any], out: Path) -> None:
    """Write everything measured so far: machine.json, a CSV for each table, gpu.md with all of them."""
    (out / "machine.json").write_text(json.dumps(machine, indent=2) + "\n")
    lines = [f"{machine['device']}; PyTorch {machine['torch']}; best of three turns in one run"]
    for name, rows in tables.items():
        if not rows:
            continue
        more = tuple(dict.fromkeys(key for row in rows for key in row if key not in STEPS))
        columns = (
            (*STEPS, *more) if name == "steps" else tuple(dict.fromkeys(key for row in rows for key in row))
        )
        with (out / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows({key: text(value) for key, value in row.items()} for row in rows)
        shown = (*SHOWN, *(each for each in more if each.endswith("_ms"))) if name == "steps" else columns
        lines += ["", f"## {TITLES[name]}", "", f"| {' | '.join(each.replace('_', ' ') for each in shown)} |"]
        lines.append("|---" * len(shown) + "|")
        lines += [f"| {' | '.join(text(row.get(key, ''), 3) for key in shown)} |" for row in rows]
    (out / "gpu.md").write_text("\n".join(lines) + "\n")


def text(value: Any, digits: int = 5) -> str:
    """A number to so many digits, without an exponent where it would be short without; all else as it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def roofline(rows: list[Row], machine: dict[str, Any], path: Path) -> None:
    """Plot FLOP/s over FLOPs a byte, under what memory and matrix products allow."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    colours = dict(zip(machine["peak_flops"], ("tab:blue", "tab:orange", "tab:green"), strict=False))
    intensities = [row["gflop"] / row["gbyte"] for row in rows]
    ends = [min(intensities) / 4, max(intensities) * 100]
    for precision, peak in machine["peak_flops"].items():
        knee = peak / machine["copy_bytes_per_second"]
        x = sorted([ends[0], *([knee] if ends[0] < knee < ends[1] else []), ends[1]])
        roof = [min(peak, each * machine["copy_bytes_per_second"]) for each in x]
        axes.plot(x, roof, color=colours[precision], label=f"{precision}: products and copies")
    for row, x in zip(rows, intensities, strict=True):
        y = row["tflops"] * 1e12
        axes.plot(x, y, "o", color=colours[row["precision"]])
        axes.annotate(
            f"{row['recipe']} {row['size']}", (x, y), (4, 4), textcoords="offset points", fontsize=7
        )
    axes.set(xscale="log", yscale="log", xlabel="FLOPs a byte (unfused kernels)", ylabel="FLOP/s")
    axes.set_title(machine["device"])
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)

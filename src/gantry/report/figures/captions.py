"""What figures say in words: which metric, over how many seeds, of whose samples."""

from gantry.metrics import names
from gantry.report.cells import network_of
from gantry.report.layout import ARROWS
from gantry.report.load import Loaded


def metric_title(loaded: Loaded, metric: str) -> str:
    """A metric's label under the network that it was measured with, and an arrow to its better side: FID ↓."""
    return names.label(metric, network_of(loaded.groups, metric)) + ARROWS[names.metric(metric).direction]


def over_seeds(loaded: Loaded, several: str) -> str:
    """`several` with its {seeds} filled in, "3" or "2–3" where recipes differ; or that there is one seed."""
    counts = sorted({len(group.runs) for group in loaded.groups})
    if counts[-1] == 1:
        return "one seed"
    return several.format(seeds="–".join(map(str, dict.fromkeys((counts[0], counts[-1])))))


def shown_runs(loaded: Loaded) -> str:
    """Of which seeds the samples are that a figure shows."""
    seeds = ", ".join(dict.fromkeys(str(group.shown.seed) for group in loaded.groups))
    return f"one run each, seed {seeds}"

"""One table of the same two sets as other programs would score them, and why their numbers differ.

The numbers are computed here, in each program's manner; that the manners are theirs is held to the programs
themselves by tests/metrics and benchmarks/references.py.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gantry.errors import UserError, suggestion
from gantry.evaluation.image_sets import ImageSet, open_set
from gantry.evaluation.score_images import Progress, Scores, score_images
from gantry.evaluation.stored import StoredStatistics


@dataclass(frozen=True)
class Manner:
    """How a program looks at images, and which numbers it gives. `why` is what makes its numbers differ."""

    network: str
    metrics: tuple[str, ...]
    why: tuple[str, ...]


MANNERS: dict[str, Manner] = {
    "clean-fid": Manner(
        "inception",
        ("frechet_distance", "kernel_distance"),
        (
            "resize: Pillow's bicubic, antialiased, in floating point",
            "weights: NVIDIA's TorchScript of the 2015 Inception",
            "KID: a mean over 100 subsets of 1,000 images, drawn by another generator than here",
        ),
    ),
    "pytorch-fid": Manner(
        "inception-legacy-pytorch",
        ("frechet_distance",),
        (
            "resize: bilinear between pixel centres, without antialiasing",
            "weights: the 2015 Inception as ported to PyTorch",
        ),
    ),
    "torch-fidelity": Manner(
        "inception-legacy-tensorflow",
        ("frechet_distance", "kernel_distance", "inception_score"),
        (
            "resize: TensorFlow 1's bilinear between upper left corners, without antialiasing",
            "weights: the 2015 Inception as ported to PyTorch",
            "KID: a mean over 100 subsets of 1,000 images, in its own draws (seed 2020)",
            "IS: a mean over 10 splits; it shuffles the images first, which is not done here",
        ),
    ),
}


@dataclass(frozen=True)
class Likened:
    """The scores of each program's manner, by program."""

    scores: dict[str, Scores]

    def as_json(self) -> dict[str, Any]:
        """As plain values for `json.dumps`."""
        return {
            "format": 1,
            "like": {
                program: asdict(scores) | {"why": list(MANNERS[program].why)}
                for program, scores in self.scores.items()
            },
        }

    def table(self) -> str:
        """A row a metric, a column a program; then the reasons."""
        named = {"frechet_distance": "FID", "kernel_distance": "KID", "inception_score": "IS"}
        found = {
            (score.metric, program): f"{score.value:.6g}"
            for program, scores in self.scores.items()
            for score in scores.scores
        }
        rows = [("like", *self.scores)]
        for metric, title in named.items():
            cells = [found.get((metric, program), "–") for program in self.scores]
            if any(cell != "–" for cell in cells):
                rows.append((title, *cells))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        first = next(iter(self.scores.values()))
        real = "an unstated number of" if first.samples[0] is None else f"{first.samples[0]:,}"
        lines = [
            f"real: {first.real} ({real} images)   generated: {first.generated} ({first.samples[1]:,} images)",
            "",
            *("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows),
            "",
        ]
        for program, scores in self.scores.items():
            lines.append(f"{program}:")
            lines += [f"  {reason}" for reason in (*MANNERS[program].why, *scores.left_out)]
        lines += [
            "all: every image of both sets is looked at; FID falls with more samples, so compare equal counts"
        ]
        return "\n".join(lines)


def score_like(
    programs: Sequence[str],
    real: Path | ImageSet | StoredStatistics,
    generated: Path | ImageSet,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Likened:
    """Score two sets as each of `programs` would. UserError for an unknown program."""
    for program in programs:
        if program not in MANNERS:
            known = ", ".join(MANNERS)
            raise UserError(
                f"--like: unknown program {program!r}{suggestion(program, MANNERS)}; known: {known}"
            )
    sets = [open_set(images) if isinstance(images, Path) else images for images in (real, generated)]
    found = {}
    for program in dict.fromkeys(programs):
        manner = MANNERS[program]
        found[program] = score_images(
            sets[0], sets[1], manner.network, weights, manner.metrics, device, progress=progress
        )
    return Likened(found)

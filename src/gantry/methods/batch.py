"""What one step sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Tensors of fixed shapes, so a graph can copy them into place and processes can divide them."""

    data: Mapping[str, Tensor]
    """By stream, "x" first: images (B, C, H, W) in [−1, 1], points (B, 2); what comes beside them, by name."""
    labels: Tensor | None = None
    """Of `data["x"]`, where the method asks for them: classes (B,) int64 or attributes (B, A)."""
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    """What `Method.draw` has drawn: "z", "z_shifted", "code", "fake_labels", …"""

    @property
    def x(self) -> Tensor:
        """The real samples of the first stream."""
        return self.data["x"]

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by a name of its own, always in the same order."""
        named = {f"data/{name}": value for name, value in self.data.items()}
        if self.labels is not None:
            named["labels"] = self.labels
        return named | {f"noise/{name}": value for name, value in self.noise.items()}

    def mapped(self, change: Callable[[str, Tensor], Tensor]) -> "Batch":
        """Return the batch with `change(name, tensor)` in place of every tensor, named as by `tensors`."""
        return Batch(
            {name: change(f"data/{name}", value) for name, value in self.data.items()},
            None if self.labels is None else change("labels", self.labels),
            {name: change(f"noise/{name}", value) for name, value in self.noise.items()},
        )

    def with_noise(self, noise: Mapping[str, Tensor]) -> "Batch":
        """Return the same data and labels with other noise."""
        return Batch(self.data, self.labels, noise)

    def resized(self, size: int) -> "Batch":
        """Return data and labels of `size` rows, those here again and again; without noise."""

        def rows(name: str, value: Tensor) -> Tensor:
            return value[torch.arange(size, device=value.device) % len(value)]

        return Batch(self.data, self.labels).mapped(rows)

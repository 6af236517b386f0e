"""A network that learns by how much images were turned, for the features that it finds. Gidaris et al. 2018."""

from itertools import pairwise

from torch import Tensor, nn


class TurnNetwork(nn.Module):
    """Images (B, C, R, R) in [−1, 1] → logits (B, 4) of turns by 0, 90, 180 and 270 degrees.

    Four convolutions of stride 2, BatchNorm, ReLU; the sizes are ours (theirs is a network in network).
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width, 4 * width)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(inplace=True),
                )
                for inputs, outputs in pairwise(widths)
            )
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(4 * widths[-1], 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.blocks(images)).flatten(1))

    def features(self, images: Tensor) -> Tensor:
        """Return (B, F): the third block's, whose features tell classes better than the last one's, in 2×2 means."""
        return self.pool(self.blocks[:3](images)).flatten(1)

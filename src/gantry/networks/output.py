"""What a discriminator says of samples: logits, and what its heads say beside them."""

from typing import NamedTuple

from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """What a discriminator returns that has more than one head; one without returns `logits` alone.

    Rows of a sample stand together: (B·v, …), v being the number of logits rows for each sample.
    """

    logits: Tensor
    """What objectives read, (B·v, outputs)."""
    class_logits: Tensor | None = None
    """Of an auxiliary classifier, (B, classes)."""
    code: Tensor | None = None
    """What is recognised of the generator's code, (B, numbers)."""
    features: Tensor | None = None
    """What the last layer reads, (B, features)."""

"""Products of float32 matrices on a CPU by oneDNN, where torch has it.

NumPy's BLAS takes 256-bit instructions on processors that it does not know by name; oneDNN asks the processor.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def packed(rows: NDArray) -> Tensor:
    """Return (N, D) rows as `product` takes them: a copy in oneDNN's keeping for float32, else as they are."""
    tensor = torch.from_numpy(np.ascontiguousarray(rows))
    by_onednn = tensor.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    return tensor.to_mkldnn() if by_onednn else tensor


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return a bᵀ (N, M), dense, for packed (N, D) and (M, D), in their precision."""
    found = torch.nn.functional.linear(a, b)
    return found.to_dense() if found.is_mkldnn else found

"""Products of float32 matrices on a CPU by oneDNN, where torch has it.

NumPy's BLAS takes 256-bit instructions on processors that it does not know by name; oneDNN asks the processor.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Packed = Tensor | NDArray


def packed(rows: NDArray) -> Packed:
    """Return (N, D) rows as `product` takes them: a copy in oneDNN's keeping for float32, else the array."""
    if rows.dtype == np.float32 and torch.backends.mkldnn.is_available():
        return torch.from_numpy(rows).to_mkldnn()
    return rows


def product(a: Packed, b: Packed) -> NDArray:
    """Return a bᵀ (N, M) for packed (N, D) and (M, D), in their precision."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.nn.functional.linear(a, b).to_dense().numpy()
    assert isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return a @ b.T

"""Data sets: from the files as they are distributed to the rows that training reads.

`prepare` writes a prepared set, `open_prepared` opens one, `gantry.data.batches` draws batches from it,
`fetch` gets the files. Only `batches` needs torch at import time.
"""

from gantry.data.prepare import prepare
from gantry.data.prepared import PreparedSet, open_prepared, verify_digests

__all__ = ["PreparedSet", "open_prepared", "prepare", "verify_digests"]

"""Run files and published numbers in; tables, figures, claims and one page out. No torch here."""

import os

# A notebook names its own canvas for whatever is started from it, which matplotlib would look for on import; figures
# here are drawn on one of their own.
os.environ.pop("MPLBACKEND", None)

"""The file contract: where the files of every step lie, and what their records say. No torch, no NumPy.

A run lies in `<results>/<scale>/runs/<dataset>/<recipe>/seed<k>/<digest of its spec>/`. Whatever else a step makes
has a record beside it: `<name>.record.json` says what it was told, what it read and the digests of what it wrote.
"""

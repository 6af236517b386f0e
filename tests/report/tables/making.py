"""What the tests of tables ask for, the runs behind it, and how they find a cell."""

import pandas as pd

STATISTICS = {"at": ["min", "max", "mean", "std"], "skip": 1}
BEST = {"at": ["best"]}
COSTS = {
    "side_by_side": True,
    "costs": ["gpu_memory", "seconds_per_iteration"],
    "column": "{metric}_{dataset}",
}
CURVES = {0: [80.0, 40.0, 30.0, 35.0], 1: [90.0, 50.0, 20.0, 25.0], 2: [70.0, 60.0, 40.0, 45.0]}


def cell(frame: pd.DataFrame, quantity: str, part: str = "main", **keys) -> pd.Series:
    rows = frame[frame["quantity"].str.contains(quantity, regex=False) & (frame["part"] == part)]
    for key, value in keys.items():
        rows = rows[rows[key] == value]
    assert len(rows) == 1, rows
    return rows.iloc[0]


def write_runs(results, recipe="bcgan", dataset="digits", **options):
    for seed, curve in CURVES.items():
        results.set("frechet_distance", recipe, seed, curve)
        results.run(dataset, recipe, seed, **options)


def real(make_group, recipe="bcgan", label="BCGAN", **options):
    """A group on the paper's own data."""
    return make_group(recipe, label, dataset="celeba", proxy=None, **options)


def edgan_table(tmp_path, number, text):
    """A published table in the form of EDGAN's."""
    path = tmp_path / f"edgan_table{number}.csv"
    path.write_text(text)
    return str(path)

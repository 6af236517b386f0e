"""The numbers of tables against NumPy, and what may be compared with the papers."""

import numpy as np
import pytest
from tests.report.tables.making import BEST, COSTS, CURVES, STATISTICS, cell, edgan_table, real, write_runs

from gantry.report.cells import COLUMNS


def test_statistics_over_checkpoints_and_seeds(results, make, make_group):
    write_runs(results, generators=2)
    frame = make(results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS)
    assert list(frame.columns) == COLUMNS
    after_first = np.array([curve[1:] for curve in CURVES.values()])
    for title, statistic in (("minimum", np.min), ("maximum", np.max), ("mean", np.mean), ("sd", np.std)):
        per_seed = statistic(after_first, axis=1)
        row = cell(frame, f"FD (embedded classifier), {title}")
        assert row["ours_mean"] == pytest.approx(per_seed.mean())
        assert row["ours_sd"] == pytest.approx(per_seed.std(ddof=1))
        assert row["n"] == 3
    assert set(frame["source"]) == {"mixture", "G1", "G2"}
    assert set(frame.loc[frame["part"] == "main", "source"]) == {"mixture"}


def test_difference_with_the_true_inception_on_the_papers_data(results, make, make_group, published):
    write_runs(results, dataset="celeba", generators=2, network="inception")
    frame = make(results, "scores", [real(make_group)], options=STATISTICS, published=published[2])
    row = cell(frame, "FID, minimum")
    assert row["published"] == 21.83
    assert row["difference"] == pytest.approx(30.0 - 21.83)
    assert row["note"] == ""


@pytest.mark.parametrize("network", ["embedded", "inception-768", "efficientnet-lite0"])
def test_published_fid_is_never_compared_with_another_network(
    results, make, make_group, published, network, tmp_path
):
    metrics = ["frechet_distance", "swd"]
    write_runs(results, dataset="celeba", generators=2, network=network)
    frame = make(
        results, "scores", [real(make_group)], options=STATISTICS, published=published[2], metrics=metrics
    )
    rows = frame[frame["metric"] == "frechet_distance"]
    assert rows["difference"].isna().all()
    # The paper's numbers stand in columns of their own, which are the only ones that are called FID.
    theirs = rows["quantity"].str.startswith("FID as published,")
    assert not rows["quantity"].str.startswith("FID,").any()
    assert rows.loc[theirs, "published"].tolist() == [21.83, 64.69, 29.44, 9.19]
    assert rows.loc[theirs, "ours_mean"].isna().all() and rows.loc[~theirs, "published"].isna().all()
    assert "of another feature network" in cell(frame, "FID as published, minimum")["note"]
    text = (tmp_path / "t.md").read_text()
    row = next(line for line in text.splitlines() if "| BCGAN" in line)
    assert "| 21.83<sup>" in row and "difference |" not in text


def test_no_difference_on_proxy_data_even_with_the_true_inception(results, make, make_group, published):
    write_runs(results, generators=2, network="inception")
    frame = make(
        results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS, published=published[2]
    )
    assert frame["published"].notna().any()
    assert frame["difference"].isna().all()
    assert "trained on handwritten digits" in cell(frame, "FID, minimum")["note"]


def test_diverged_runs_are_counted_and_left_out(results, make, make_group, tmp_path):
    write_runs(results)
    results.run("digits", "bcgan", 1, diverged_at=130)
    frame = make(results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS)
    row = cell(frame, "FD (embedded classifier), minimum")
    assert (row["n"], row["diverged"], row["runs"]) == (2, 1, 3)
    assert row["ours_mean"] == pytest.approx((30 + 40) / 2)
    assert "1 of 3 diverged" in (tmp_path / "t.md").read_text()


def test_recipe_of_which_every_run_diverged(results, make, make_group, tmp_path):
    for seed in range(3):
        results.run("digits", "bcgan", seed, diverged_at=10)
    frame = make(results, "scores", [make_group("bcgan", "BCGAN")], options=BEST)
    assert frame["ours_mean"].isna().all()
    for suffix in ("md", "tex"):
        assert "diverged (3 of 3)" in (tmp_path / f"t.{suffix}").read_text()


def test_ablation_takes_the_lowest_fid_and_the_highest_is(results, make, make_group, published):
    write_runs(results, dataset="celeba", generators=2, network="inception")
    for seed in CURVES:
        results.set("inception_score", "bcgan", seed, [1.0, 2.5, 2.0 + seed, 1.5])
        results.run("celeba", "bcgan", seed, generators=2, network="inception")
    frame = make(
        results,
        "scores",
        [real(make_group, method={"constraint": "both"})],
        published=published[5],
        options=BEST,
    )
    best_fid, best_is = cell(frame, "FID, best"), cell(frame, "IS, best")
    assert best_fid["ours_mean"] == pytest.approx(30.0) and best_fid["published"] == 21.83
    assert best_is["ours_mean"] == pytest.approx((2.5 + 3.0 + 4.0) / 3) and best_is["published"] == 2.80


def test_cost_has_no_gpu_memory_for_cpu_runs(results, make, make_group, published):
    write_runs(results, generators=2)
    frame = make(
        results,
        "scores",
        [make_group("bcgan", "BCGAN")],
        options=COSTS,
        metrics=["swd"],
        published=published[3],
    )
    memory = cell(frame, "GPU memory")
    assert np.isnan(memory["ours_mean"]) and memory["n"] == 0 and memory["published"] == 3.0
    assert cell(frame, "time of one iteration")["ours_mean"] == pytest.approx(0.05)


def test_cost_on_a_gpu(results, make, make_group, published, tmp_path):
    write_runs(results, dataset="celeba", generators=2, device="NVIDIA H200")
    frame = make(
        results, "scores", [real(make_group)], options=COSTS, metrics=["swd"], published=published[3]
    )
    memory = cell(frame, "GPU memory")
    assert memory["ours_mean"] == pytest.approx(3.0)  # 2, 3 and 4 GiB
    assert memory["difference"] == pytest.approx(0.0)
    assert cell(frame, "SWD×10³, CelebA", source="mixture")["published"] == 8.96
    assert "measured on NVIDIA H200" in (tmp_path / "t.md").read_text()


def test_mode_statistics_has_end_snapshots_generators_and_modes(results, make, make_group):
    for seed in range(2):
        results.set("modes_covered", "bcgan", seed, [1, 4, 6, 8 + seed])
        results.run("mixture", "bcgan", seed, generators=2, points=True)
    group = make_group("bcgan", "BCGAN", dataset="mixture", name="mixture", proxy=None, seeds=(0, 1))
    frame = make(results, "mode_statistics", [group], metrics=["modes_covered", "js"])
    assert cell(frame, "modes covered")["ours_mean"] == 8.5
    snapshots = frame[(frame["part"] == "over the iterations") & (frame["quantity"] == "modes covered")]
    assert snapshots["iteration"].tolist() == [60, 120, 240]
    assert snapshots["ours_mean"].tolist() == [1, 4, 8.5]
    shares = frame[frame["part"] == "share of the samples at each mode"]
    assert len(shares) == 9 * 3 and set(shares["source"]) == {"mixture", "G1", "G2"}


def test_papers_iterations_become_the_same_share_of_a_shorter_run(results, make, make_group, tmp_path):
    write_runs(results, "dcgan", dataset="cifar10", network="inception")
    published = edgan_table(
        tmp_path, 1, "network,batch_size,fid_70k,fid_140k\nd,64,1.5,2.5\nd,128,121.54,110\n"
    )
    group = make_group(
        "dcgan", "DCGAN", dataset="cifar10", name="cifar10", title="CIFAR-10", proxy=None,
        method={"network": "d", "batch_size": 128},
    )  # fmt: skip
    options = {"at": [70000, 140000]}
    common = {"metrics": ["frechet_distance"], "published": published, "options": options}
    frame = make(results, "scores", [group], paper_iterations=200000, **common)
    # 35 % and 70 % of 240 iterations are 84 and 168; the checkpoints there are 60 and 180.
    assert frame["quantity"].tolist() == ["FID, 70k (here 60)", "FID, 140k (here 180)"]
    for row, place, expected in zip(frame.to_dict("records"), (0, 2), (121.54, 110), strict=True):
        values = [curve[place] for curve in CURVES.values()]
        assert row["ours_mean"] == pytest.approx(np.mean(values)) and row["n"] == 3
        assert row["ours_sd"] == pytest.approx(np.std(values, ddof=1))
        assert row["published"] == expected
        assert row["difference"] == pytest.approx(np.mean(values) - expected)
    same = make(results, "scores", [group], paper_iterations=240, **common | {"options": {"at": [120, 240]}})
    assert same["quantity"].tolist() == ["FID, 120", "FID, 240"]

"""Tables: their numbers against NumPy, what may be compared with the papers, and how they are written."""

import numpy as np
import pandas as pd
import pytest

from gantry.errors import UserError
from gantry.report.cells import COLUMNS, read_tidy
from gantry.report.layout import arrange, decimals, number
from gantry.report.tables import make_table

STATISTICS = {"at": ["min", "max", "mean", "std"], "skip": 1}
BEST = {"at": ["best"]}
COSTS = {
    "side_by_side": True,
    "costs": ["gpu_memory", "seconds_per_iteration"],
    "column": "{metric}_{dataset}",
}
CURVES = {0: [80.0, 40.0, 30.0, 35.0], 1: [90.0, 50.0, 20.0, 25.0], 2: [70.0, 60.0, 40.0, 45.0]}


@pytest.fixture
def make(tmp_path, make_order):
    def table(results, kind, groups, **changes) -> pd.DataFrame:
        order = make_order(results, kind, groups, **changes)
        return make_table(order, tmp_path / "t.csv", tmp_path / "t.md", tmp_path / "t.tex")

    return table


@pytest.fixture
def published(repository):
    return {n: str(repository / f"workflow/published/bcgan_table{n}.csv") for n in (2, 3, 5)}


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
    return make_group(recipe, label, dataset="celeba", stand_in=None, **options)


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
    assert "different feature networks" in cell(frame, "minimum", metric="frechet_distance")["note"]
    assert not rows["quantity"].str.startswith("FID,").any()
    text = (tmp_path / "t.md").read_text()
    assert "the paper's is FID: different feature networks, so no difference is given" in text
    assert "difference |" not in text


def test_no_difference_on_stand_in_data_even_with_the_true_inception(results, make, make_group, published):
    write_runs(results, generators=2, network="inception")
    frame = make(
        results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS, published=published[2]
    )
    assert frame["published"].notna().any()
    assert frame["difference"].isna().all()
    assert "stand-in" in cell(frame, "FID, minimum")["note"]


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
    group = make_group("bcgan", "BCGAN", dataset="mixture", name="mixture", stand_in=None, seeds=(0, 1))
    frame = make(results, "mode_statistics", [group], metrics=["modes_covered", "js"])
    assert cell(frame, "modes covered")["ours_mean"] == 8.5
    snapshots = frame[(frame["part"] == "over the iterations") & (frame["quantity"] == "modes covered")]
    assert snapshots["iteration"].tolist() == [60, 120, 240]
    assert snapshots["ours_mean"].tolist() == [1, 4, 8.5]
    shares = frame[frame["part"] == "share of the samples at each mode"]
    assert len(shares) == 9 * 3 and set(shares["source"]) == {"mixture", "G1", "G2"}


def edgan_table(tmp_path, number, text):
    """A published table in the form of EDGAN's."""
    path = tmp_path / f"edgan_table{number}.csv"
    path.write_text(text)
    return str(path)


def test_papers_iterations_become_the_same_share_of_a_shorter_run(results, make, make_group, tmp_path):
    write_runs(results, "dcgan", dataset="cifar10", network="inception")
    published = edgan_table(
        tmp_path, 1, "network,batch_size,fid_70k,fid_140k\nd,64,1.5,2.5\nd,128,121.54,110\n"
    )
    group = make_group(
        "dcgan", "DCGAN", dataset="cifar10", name="cifar10", title="CIFAR-10", stand_in=None,
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


def test_data_sets_side_by_side_and_real_against_real(results, make, make_group, tmp_path):
    for dataset in ("cifar10", "svhn"):
        write_runs(results, "edgan", dataset=dataset, network="inception")
    path = results.root / "runs/svhn/edgan/seed0/metrics-240.csv"
    with path.open("a") as stream:
        stream.write("svhn,edgan,0,240,real,frechet_distance,0.25,500,inception\n")
    published = edgan_table(
        tmp_path, 6, "method,year,fid_cifar10,fid_svhn\nedgan,,14.02,3.88\nreal_data,,0.45,0.24\n"
    )
    groups = [
        make_group("edgan", "EDGAN", dataset=name, name=name, title=title, stand_in=None)
        for name, title in (("cifar10", "CIFAR-10"), ("svhn", "SVHN"))
    ]
    options = {"side_by_side": True, "column": "{metric}_{dataset}", "real": {"method": "real_data"}}
    frame = make(
        results, "scores", groups, metrics=["frechet_distance"], published=published, options=options
    )
    ours, real_data = frame[frame["method"] == "EDGAN"], frame[frame["method"] == "real data"]
    assert ours["quantity"].tolist() == ["FID, CIFAR-10", "FID, SVHN"]
    assert ours["published"].tolist() == [14.02, 3.88]
    assert ours["ours_mean"].tolist() == pytest.approx([35.0, 35.0])
    assert real_data["published"].tolist() == [0.45, 0.24]
    assert real_data["n"].tolist() == [0, 1] and real_data["ours_mean"].iloc[1] == 0.25
    assert set(frame["source"]) == {"G1", "real"} and set(frame["part"]) == {"main"}
    text = (tmp_path / "t.md").read_text()
    assert text.count("EDGAN") == 1 and "| real data |" in text


def test_data_sets_as_rows_and_methods_as_published_columns(results, make, make_group, tmp_path):
    write_runs(results, "edgan_js", dataset="cifar10", network="inception")
    published = edgan_table(tmp_path, 5, "dataset,no_penalty,js_penalty\ncifar10,17.92,31.63\nsvhn,4,10\n")
    group = make_group(
        "edgan_js", "JS", dataset="cifar10", name="cifar10", stand_in=None, method="js_penalty"
    )
    frame = make(
        results, "scores", [group], published=published, metrics=["frechet_distance"],
        options={"column": "{method}"},
    )  # fmt: skip
    assert frame["published"].tolist() == [31.63] and frame["quantity"].tolist() == ["FID"]


def test_second_half_of_a_label_becomes_a_column(results, make, make_group, tmp_path):
    write_runs(results, "hinge")
    write_runs(results, "hinge_two", generators=2)
    groups = [make_group("hinge", "Hinge | one generator"), make_group("hinge_two", "Hinge | two")]
    frame = make(
        results, "scores", groups, metrics=["frechet_distance"], options=BEST | {"split_labels": True}
    )
    main = frame[frame["part"] == "main"]
    assert main["method"].tolist() == ["Hinge", "Hinge"]
    assert main["quantity"].str.partition(", ")[2].tolist() == ["one generator, best", "two, best"]
    (part, _), _ = arrange(frame)
    assert len(part.lines) == 1 and len(part.lines[0].entries) == 2


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"constraint": "nothing"}, r"no row with constraint nothing"),
        ({"constrain": "none"}, r'no column .constrain.; did you mean "constraint"'),
        ("bcgan", r"4 rows with method bcgan: give every key column"),
    ],
)
def test_published_rows_must_be_named_exactly(results, make, make_group, published, method, words):
    write_runs(results)
    with pytest.raises(UserError, match=words):
        make(
            results,
            "scores",
            [make_group("bcgan", "BCGAN", method=method)],
            published=published[5],
            options=BEST,
        )


def test_the_lines_of_a_row_sort_together_and_by_ours(results, make, make_group, published):
    write_runs(results)
    results.run("digits", "realnessgan", 0, diverged_at=30)
    groups = [make_group("realnessgan", "RealnessGAN", seeds=(0,)), make_group("bcgan", "BCGAN")]
    frame = make(results, "scores", groups, published=published[2], options=STATISTICS)
    (part,), _ = arrange(frame)
    keys = {"RealnessGAN": [], "BCGAN": []}
    for line in part.lines:
        # A label that the line above has is kept, for when other lines come between them.
        keys[line.labels[0].text or line.labels[0].repeats].append(line.entries[0].key)
    assert len(keys["BCGAN"]) == 2 and len(set(keys["BCGAN"])) == 1
    assert keys["BCGAN"][0] == pytest.approx(np.mean([min(curve[1:]) for curve in CURVES.values()]))
    assert set(keys["RealnessGAN"]) == {22.59}  # diverged: what was published


def test_intervals_take_the_place_of_deviations_where_asked(results, make, make_group, tmp_path):
    write_runs(results)
    frame = make(
        results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS | {"spread": "interval"}
    )
    lowest = [min(curve[1:]) for curve in CURVES.values()]
    # Student's t at 97.5 % for two degrees of freedom.
    half = 4.302653 * np.std(lowest, ddof=1) / 3**0.5
    mean = np.mean(lowest)
    shown = f"{mean:.2f} ({mean - half:.2f} to {mean + half:.2f})".replace("-", "−")
    text = (tmp_path / "t.md").read_text()
    assert shown in text and "±" not in text and "In brackets: the 95 % interval" in text
    assert cell(frame, "FD (embedded classifier), minimum").ours_sd == pytest.approx(np.std(lowest, ddof=1))
    # One seed has no interval.
    make(results, "scores", [make_group("bcgan", "BCGAN", seeds=(0,))], options={"spread": "interval"})
    assert "| 35.00 |" in (tmp_path / "t.md").read_text()


def test_missing_metric_is_named_with_the_command(results, make, make_group):
    write_runs(results)
    with pytest.raises(
        UserError, match=r"metrics-240\.csv: no coverage, which bcgan/table2 needs; .*snakemake"
    ):
        make(results, "scores", [make_group("bcgan", "BCGAN")], metrics=["coverage"])


def test_networks_do_not_mix_in_one_table(results, make, make_group):
    write_runs(results)
    results.run("digits", "bcgan", 1, network="inception")
    with pytest.raises(UserError, match="different feature networks do not share a table"):
        make(results, "scores", [make_group("bcgan", "BCGAN")], options=BEST)


def test_skipping_every_checkpoint_is_refused(results, make, make_group):
    write_runs(results)
    with pytest.raises(UserError, match=r"4 scored checkpoints .* first 4"):
        make(results, "scores", [make_group("bcgan", "BCGAN")], options=BEST | {"skip": 4})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "score"}, r'unknown kind .*did you mean "scores"'),
        ({"options": {"skipp": 1}}, r"bcgan/table2: options: skipp"),
    ],
)
def test_unknown_kind_or_option(results, make, make_group, changes, words):
    write_runs(results)
    kind = changes.pop("kind", "scores")
    with pytest.raises(UserError, match=words):
        make(results, kind, [make_group("bcgan", "BCGAN")], **changes)


def test_csv_gives_the_same_table_back(results, make, make_group, published, tmp_path):
    write_runs(results, generators=2)
    frame = make(
        results, "scores", [make_group("bcgan", "BCGAN")], options=STATISTICS, published=published[2]
    )
    assert arrange(read_tidy(tmp_path / "t.csv")) == arrange(frame)


def test_markup_escapes_what_would_be_markup(results, make, make_group, tmp_path):
    write_runs(results)
    label = "λ_D = 0 & a_long|name <b> 50%"
    make(results, "scores", [make_group("bcgan", label)])
    assert r"λ<sub>D</sub> = 0 & a\_long\|name &lt;b&gt; 50%" in (tmp_path / "t.md").read_text()
    tex = (tmp_path / "t.tex").read_text()
    assert r"$\lambda_{D}$ = 0 \& a\_long|name <b> 50\%" in tex
    assert tex.index(r"\toprule") < tex.index(r"\midrule") < tex.index(r"\bottomrule")
    rows = [line for line in (tmp_path / "t.md").read_text().splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1


def test_numbers_are_written_with_three_digits_and_a_minus():
    assert decimals(np.array([22.59, 92.55])) == 2
    assert decimals(np.array([0.0123, np.nan])) == 4
    assert decimals(np.array([np.nan, 0.0])) == 2
    assert number(-1234.5, 2) == "−1,234.50"
    assert number(float("nan"), 2) == "–"


def test_what_others_publish_is_a_last_column_with_its_source(
    results, make, make_group, repository, tmp_path
):
    for recipe in ("sngan", "lsgan"):
        results.run("cifar10", recipe, 0, network="inception")
    groups = [
        make_group(
            recipe, label, dataset="cifar10", name="cifar10", title="CIFAR-10", stand_in=None, seeds=(0,)
        )
        for recipe, label in (("sngan", "SNGAN"), ("lsgan", "LSGAN"))
    ]
    elsewhere = {"title": "FID elsewhere", "column": "fid_cifar10_elsewhere", "source": "elsewhere_source"}
    frame = make(
        results,
        "scores",
        groups,
        metrics=["frechet_distance"],
        published=str(repository / "workflow/published/edgan_table6.csv"),
        options={"column": "fid_{dataset}", "side_by_side": True, "elsewhere": elsewhere},
    )
    assert frame["quantity"].iloc[-1] == "FID elsewhere"
    sngan = cell(frame, "FID elsewhere", method="SNGAN")
    assert sngan["published"] == 21.7 and np.isnan(sngan["ours_mean"]) and "Miyato" in sngan["note"]
    assert np.isnan(cell(frame, "FID elsewhere", method="LSGAN")["published"])
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert any("| SNGAN | published | 20.70 | 21.70<sup>a</sup> |" in line for line in lines), lines
    assert any(line.startswith("<sup>a</sup> Miyato et al. 2018") for line in lines), lines

"""What becomes a row and what a column."""

import numpy as np
import pytest
from tests.report.tables.making import BEST, CURVES, STATISTICS, cell, edgan_table, write_runs

from gantry.report import layout
from gantry.report.cells import Cell
from gantry.report.layout import Footnotes


def test_data_sets_side_by_side_and_real_against_real(results, make, make_group, tmp_path):
    for dataset in ("cifar10", "svhn"):
        write_runs(results, "edgan", dataset=dataset, network="inception")
    path = results.metrics("svhn", "edgan", 0)
    with path.open("a") as stream:
        stream.write("svhn,edgan,0,240,real,frechet_distance,0.25,500,inception\n")
    published = edgan_table(
        tmp_path, 6, "method,year,fid_cifar10,fid_svhn\nedgan,,14.02,3.88\nreal_data,,0.45,0.24\n"
    )
    groups = [
        make_group("edgan", "EDGAN", dataset=name, name=name, title=title, proxy=None)
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
    group = make_group("edgan_js", "JS", dataset="cifar10", name="cifar10", proxy=None, method="js_penalty")
    frame = make(
        results, "scores", [group], published=published, metrics=["frechet_distance"],
        options={"column": "{method}"},
    )  # fmt: skip
    assert frame["published"].tolist() == [31.63] and frame["quantity"].tolist() == ["FID"]


def test_second_half_of_a_label_becomes_a_column(results, make, arrange_of, make_group):
    write_runs(results, "hinge")
    write_runs(results, "hinge_two", generators=2)
    groups = [make_group("hinge", "Hinge | one generator"), make_group("hinge_two", "Hinge | two")]
    asked = {"metrics": ["frechet_distance"], "options": BEST | {"split_labels": True}}
    frame = make(results, "scores", groups, **asked)
    main = frame[frame["part"] == "main"]
    assert main["method"].tolist() == ["Hinge", "Hinge"]
    assert main["quantity"].str.partition(", ")[2].tolist() == ["one generator, best", "two, best"]
    part, _ = arrange_of(results, groups, **asked)
    assert len(part.lines) == 1 and len(part.lines[0].entries) == 2


def test_the_lines_of_a_row_sort_together_and_by_ours(results, arrange_of, make_group, published):
    write_runs(results, network="inception")
    results.run("digits", "realnessgan", 0, diverged_at=30, network="inception")
    groups = [make_group("realnessgan", "RealnessGAN", seeds=(0,)), make_group("bcgan", "BCGAN")]
    part, _ = arrange_of(results, groups, published=published[2], options=STATISTICS)
    keys = {"RealnessGAN": [], "BCGAN": []}
    for line in part.lines:
        # A label that the line above has is kept, for when other lines come between them.
        keys[line.labels[0].text or line.labels[0].repeats].append(line.entries[0].key)
    assert len(keys["BCGAN"]) == 2 and len(set(keys["BCGAN"])) == 1
    assert keys["BCGAN"][0] == pytest.approx(np.mean([min(curve[1:]) for curve in CURVES.values()]))
    assert set(keys["RealnessGAN"]) == {22.59}  # diverged: what was published


def test_what_others_publish_is_a_last_column_with_its_source(
    results, make, make_group, repository, tmp_path
):
    for recipe in ("sngan", "lsgan"):
        results.run("cifar10", recipe, 0, network="inception")
    groups = [
        make_group(recipe, label, dataset="cifar10", name="cifar10", title="CIFAR-10", proxy=None, seeds=(0,))
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


@pytest.mark.parametrize(
    ("published", "ours", "shown"),
    [(0.45, 0.0123, "0.45"), (0.4567, 0.0123, "0.4567"), (12.0, 0.0123, "12.00"), (0.4, 0.0123, "0.40")],
)
def test_a_published_number_has_the_digits_that_were_printed(published, ours, shown):
    """Two decimals, as the papers have, however many ours need; more where it has more."""
    cell = Cell("main", "", "", "", ("FID",), [ours], 1, 0, (), published=published)
    assert layout._published(cell, 4, Footnotes()).text == shown


def test_footnotes_go_on_after_z():
    notes = Footnotes()
    letters = [notes.mark(f"note {number}") for number in range(26 * 27 + 1)]
    assert letters[:2] == ["a", "b"] and letters[25:29] == ["z", "aa", "ab", "ac"]
    assert letters[51:54] == ["az", "ba", "bb"] and letters[-2:] == ["zz", "aaa"]
    assert len(set(letters)) == len(letters) and notes.mark("note 30") == letters[30]

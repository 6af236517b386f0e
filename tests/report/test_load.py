"""Orders and run files: what is read, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest

from gantry.errors import UserError
from gantry.report.load import Loaded, load
from gantry.report.specs import parse_spec


@pytest.fixture
def make(make_spec, make_group):
    def loaded(results, groups=None, **changes) -> Loaded:
        groups = groups or [make_group("bcgan", "BCGAN", seeds=(0,))]
        return load(parse_spec(make_spec(results, "scores", groups, **changes)))

    return loaded


def test_segments_are_joined(results, make, make_group):
    results.run("digits", "bcgan", 0, generators=2, ends=(120, 240))
    run = make(results, [make_group("bcgan", "BCGAN", seeds=(0,), ends=(120, 240))]).groups[0].runs[0]
    assert sorted(run.metrics["iteration"].unique()) == [60, 120, 180, 240]
    assert run.samples["iterations"].tolist() == [60, 120, 180, 240]
    assert run.samples["G2"].shape == (4, 16, 32, 32, 3)
    assert run.generators == ["G1", "G2"]
    assert run.largest("wall_seconds") == 12.5
    assert run.iterations == 240 and not run.diverged


def test_headline_is_the_mixture_or_the_only_generator(results, make, make_group):
    results.run("digits", "bcgan", 0, generators=2)
    results.run("digits", "realnessgan", 0)
    groups = [make_group("bcgan", "BCGAN", seeds=(0,)), make_group("realnessgan", "RealnessGAN", seeds=(0,))]
    several, one = make(results, groups).groups
    assert (several.headline, one.headline) == ("mixture", "G1")


def test_a_run_that_diverged_in_an_early_segment(results, make, make_group):
    results.run("digits", "bcgan", 0, ends=(120, 240), diverged_at=100)
    run = make(results, [make_group("bcgan", "BCGAN", seeds=(0,), ends=(120, 240))]).groups[0].runs[0]
    assert run.diverged_at == 100 and run.iterations == 100
    assert run.samples["iterations"].tolist() == [60]


def test_stale_record_is_refused_with_the_command(results, make, make_group):
    results.run("digits", "bcgan", 0)
    group = make_group("bcgan", "BCGAN", seeds=(0,))
    group["runs"][0]["spec_digest"] = "another"
    with pytest.raises(UserError) as error:
        make(results, [group])
    record = results.root / "runs/digits/bcgan/seed0/record-240.json"
    assert str(error.value).startswith(f"{record}: stale")
    assert f"uv run snakemake {record} --cores all --config scale=smoke --forcerun {record}" in str(
        error.value
    )


@pytest.mark.parametrize("missing", ["record-240.json", "metrics-240.csv"])
def test_missing_file_is_named(results, make, missing):
    results.run("digits", "bcgan", 0)
    (results.root / "runs/digits/bcgan/seed0" / missing).unlink()
    with pytest.raises(UserError, match=rf"{missing}: .*not found; run: uv run snakemake"):
        make(results)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("record-240.json", "{", "cannot be read"),
        ("record-240.json", "{}", "not a record"),
        ("metrics-240.csv", "a,b\n1,2\n", "without the columns dataset"),
        ("metrics-240.csv", "", "cannot be read"),
    ],
)
def test_damaged_file_is_named(results, make, name, content, words):
    results.run("digits", "bcgan", 0)
    path = results.root / "runs/digits/bcgan/seed0" / name
    path.write_text(content)
    with pytest.raises(UserError, match=words) as error:
        make(results)
    assert str(path) in str(error.value)


def test_damaged_or_pickled_samples_are_refused(results, make):
    results.run("digits", "bcgan", 0)
    path = results.root / "runs/digits/bcgan/seed0/samples-240.npz"
    np.savez(path, iterations=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="samples cannot be read"):
        _ = make(results).groups[0].runs[0].samples
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="samples cannot be read"):
        _ = make(results).groups[0].runs[0].samples


def test_every_wrong_key_of_an_order_is_reported(results, make_spec, make_group):
    spec = make_spec(results, "scores", [make_group("bcgan", "BCGAN")], colour="red")
    spec["groups"][0]["runs"][0]["seed"] = "zero"
    with pytest.raises(UserError) as error:
        parse_spec(spec)
    assert "bcgan/table2: colour" in str(error.value)
    assert "bcgan/table2: groups.0.runs.0.seed" in str(error.value)


def test_shared_cache_reads_each_run_once(results, make_spec, make_group):
    results.run("digits", "bcgan", 0)
    spec = parse_spec(make_spec(results, "scores", [make_group("bcgan", "BCGAN", seeds=(0,))]))
    cache: dict = {}
    load(spec, cache)
    Path(results.root / "runs/digits/bcgan/seed0/metrics-240.csv").unlink()
    assert len(load(spec, cache).groups[0].runs[0].metrics)
    with pytest.raises(UserError):
        load(spec)

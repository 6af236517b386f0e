"""Orders and run files: what is read, and what is refused with which words."""

import os
from pathlib import Path

import numpy as np
import pytest

from gantry.errors import UserError
from gantry.report.load import Loaded, load
from gantry.report.specs import parse_spec
from gantry.runs.outputs import record_of

METRICS, SAMPLES = "metrics-240-5c0de5c0.csv", "samples-240-5c0de5c0.npz"


def path_of(results, name: str) -> Path:
    """A file of the only run there is."""
    (folder,) = (results.root / "runs/digits/bcgan/seed0").iterdir()
    return folder / name


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


def test_record_of_another_spec_is_refused(results, make, make_group):
    results.run("digits", "bcgan", 0)
    (folder,) = (results.root / "runs/digits/bcgan/seed0").iterdir()
    folder.rename(folder.with_name("another"))
    group = make_group("bcgan", "BCGAN", seeds=(0,))
    group["runs"][0]["spec_digest"] = "another"
    with pytest.raises(UserError, match=r"another/record-240\.json: of a run of another spec"):
        make(results, [group])


@pytest.mark.parametrize("missing", ["record-240.json", METRICS])
def test_missing_file_is_named(results, make, missing):
    results.run("digits", "bcgan", 0)
    path_of(results, missing).unlink()
    with pytest.raises(UserError, match=rf"{missing}: .*not found; run the same snakemake command again"):
        make(results)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("record-240.json", "{", "cannot be read"),
        ("record-240.json", "{}", "not a record"),
        (METRICS, "a,b\n1,2\n", "without the columns dataset"),
        (METRICS, "", "cannot be read"),
    ],
)
def test_damaged_file_is_named(results, make, name, content, words):
    results.run("digits", "bcgan", 0)
    path = path_of(results, name)
    record_of(path).unlink(missing_ok=True)  # as if it were whole
    path.write_text(content)
    with pytest.raises(UserError, match=words) as error:
        make(results)
    assert str(path) in str(error.value)


def test_damaged_or_pickled_samples_are_refused(results, make):
    results.run("digits", "bcgan", 0)
    path = path_of(results, SAMPLES)
    record_of(path_of(results, METRICS)).unlink()  # as if they were whole
    np.savez(path, iterations=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="samples cannot be read"):
        _ = make(results).groups[0].runs[0].samples
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="samples cannot be read"):
        _ = make(results).groups[0].runs[0].samples


@pytest.mark.parametrize("name", [METRICS, SAMPLES, "record-240.json"])
def test_a_single_bit_is_noticed(results, make, name):
    """Of every file that numbers are read from, one bit in the middle, with the file's time kept."""
    results.run("digits", "bcgan", 0)
    path = path_of(results, name)
    content, facts = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(UserError, match=f"{name}: .*(damaged|cannot be read)"):
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
    path_of(results, METRICS).unlink()
    assert len(load(spec, cache).groups[0].runs[0].metrics)
    with pytest.raises(UserError):
        load(spec)

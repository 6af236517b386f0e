"""Everything at paper scale is planned in seconds, and starts nothing while data are missing."""

from pathlib import Path

import pytest
from tests.workflow.checkout import Checkout, Done, SnakemakeServer


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, snakemake: SnakemakeServer) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("paper"), snakemake)


@pytest.fixture(scope="module")
def planned(checkout: Checkout) -> Done:
    return checkout.snakemake("-n", scale="paper", seeds=[0, 1, 2])


def test_a_dry_run_plans_every_job_without_data(planned: Done) -> None:
    assert planned.code == 0
    assert "Traceback" not in planned.output
    # BCGAN's recipes, of which two are continued; EDGAN's, and two of the entropy distance alone; three seeds each.
    runs = 21 + 2 + 132 + 2
    assert len(planned.outputs("train")) == runs * 3
    assert len(planned.outputs("score")) == runs * 3
    assert planned.outputs("page") == {"results/paper/report.html"}
    assert len(planned.outputs("prepare")) == 9
    assert "classifier" not in {rule for rule, _ in planned.jobs}


def test_a_dry_run_takes_seconds(planned: Done) -> None:
    """Of CPU, after Snakemake's own import: a busy machine says nothing about the plan."""
    assert planned.seconds < 15  # 4.7 with AVX-512; up to 9.2 on a slower processor that tests share


def test_a_dry_run_says_which_data_are_missing(planned: Done) -> None:
    for name in ("celeba (CelebA)", "lsun_bedroom (LSUN bedroom, 10 %)", "lsun_bridge (LSUN bridge, 50 %)"):
        assert f"gantry: data set {name} is missing" in planned.output
    assert "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in planned.output


def test_a_real_run_stops_before_any_job(checkout: Checkout) -> None:
    done = checkout.snakemake("--cores", "1", scale="paper", seeds=[0])
    assert done.code != 0
    assert "data set celeba (CelebA) is missing: looked for img_align_celeba.zip" in done.output
    assert "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in done.output
    assert "Traceback" not in done.output and "WorkflowError" not in done.output
    assert done.output.splitlines()[-1] == "gantry: nothing was started"
    assert done.jobs == set(), "a job was started"
    assert not Path(checkout.folder, "results/data").exists()


def test_an_output_that_needs_no_missing_data_is_not_stopped(checkout: Checkout) -> None:
    done = checkout.snakemake("results/paper/bcgan/figure12.png", "-n", scale="paper", seeds=[0])
    assert done.code == 0
    assert done.outputs("prepare") == {"results/data/mixture/manifest.json"}
    assert len(done.outputs("train")) == 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"scale": "quik"}, 'workflow/scales/quik.yaml: no such file; did you mean "quick"?'),
        ({"scale": "smoke", "seeds": ["a"]}, "config: seeds.0: should be a valid integer"),
    ],
)
def test_a_mistake_is_said_in_one_message(
    checkout: Checkout, setting: dict[str, object], message: str
) -> None:
    done = checkout.snakemake("-n", **setting)
    assert done.code != 0
    assert f"gantry: {message}" in done.output
    assert "Traceback" not in done.output


def test_a_key_given_twice_is_refused(checkout: Checkout) -> None:
    """Snakemake itself would take the last."""
    config = checkout.folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text + "\nscale: smoke\n", encoding="utf-8")
    try:
        done = checkout.snakemake("-n", seeds=[0])
    finally:
        config.write_text(text, encoding="utf-8")
    assert done.code != 0
    assert "config.yaml: line" in done.output
    assert "key 'scale' given twice" in done.output


def test_numbers_inside_a_setting_are_numbers(checkout: Checkout) -> None:
    """Snakemake reads them as words: '64' is no resolution, and 'null' is no end."""
    patch = {"images": {"resolution": 64, "extended_iterations": None}}
    figure = "results/paper/bcgan/figure9.png"
    done = checkout.snakemake(figure, "-n", scale="paper", seeds=[0], workloads=patch)
    assert done.code == 0, done.output
    assert "results/data/celeba-64/manifest.json" in done.outputs("prepare")

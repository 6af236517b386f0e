"""What the files may get wrong: everything is said at once, and of the text that is to blame."""

import pytest
from tests.plan.conftest import BCGAN, DATASETS, TRIAL, Checkout

# (file, what is replaced in it, by what, how the one message begins, what else it says)
FILES = [
    (
        BCGAN,
        "generators: 2",
        "generatos: 2",
        f"{BCGAN}: recipes.bcgan.generatos: unknown key",
        '"generators"',
    ),
    (BCGAN, "atoms: 51", "atoms: 1", f"{BCGAN}: recipes.realnessgan.objective.atoms:", "2"),
    (
        BCGAN,
        "extends: realnessgan",
        "extends: realnesgan",
        f"{BCGAN}: recipes.bcgan.extends:",
        '"realnessgan"',
    ),
    (BCGAN, "workload: images", "workload: imags", f"{BCGAN}: recipes.realnessgan.workload:", '"images"'),
    (
        BCGAN,
        "options: {last_only: true}",
        "options: {last_onyl: true}",
        f"{BCGAN}: outputs.figure12.options.last_onyl: unknown key",
        'did you mean "last_only"',
    ),
    (
        BCGAN,
        "of: {recipe: synthetic_bcgan}",
        "of: {recipe: bcgan}",
        f"{BCGAN}: outputs.claims_synthetic.options.claims.0.test: unknown recipe of this output 'bcgan'",
        "synthetic_bcgan",
    ),
    (
        BCGAN,
        "metric: middle_mode_error",
        "metric: mode_4",
        f"{BCGAN}: outputs.claims_synthetic.options.claims.0.test.metric: unknown metric 'mode_4'",
        "known metrics",
    ),
    (BCGAN, "type: scatter", "type: scater", f"{BCGAN}: outputs.figure3.type: should be", '"scatter"'),
    (
        BCGAN,
        "datasets: [celeba]",
        "datasets: [celba]",
        f"{BCGAN}: outputs.table4.runs.0.datasets:",
        '"celeba"',
    ),
    (
        BCGAN,
        "    metrics: [swd]\n    published",
        "    metrics: [swdd]\n    published",
        f"{BCGAN}: outputs.table3.metrics: unknown",
        '"swd"',
    ),
    (BCGAN, "table2:", "table 2:", f"{BCGAN}: outputs.table 2: should be a name", "without spaces"),
    (BCGAN, "checkpoint_every: 1000", "checkpoint_every: 999", f"{BCGAN}: workloads.synthetic:", "999"),
    (BCGAN, "resolution: 256", "resolution: 96", f"{BCGAN}: workloads.images.resolution:", "power of two"),
    (TRIAL, "width: 16", "widht: 16", f"{TRIAL}: workloads.images.recipe.networks.widht: unknown", '"width"'),
    (TRIAL, "  images:", "  imges:", f"{TRIAL}: workloads.imges: unknown workload", '"images"'),
    (TRIAL, "celeba: digits", "celeba: digit", f"{TRIAL}: substitute.celeba: unknown data set", '"digits"'),
    (TRIAL, "seeds: [0, 1]", "seeds: two", f"{TRIAL}: seeds: should be a list", "'two'"),
    (TRIAL, "features: embedded", "features: embeded", f"{TRIAL}: features: unknown", '"embedded"'),
    (TRIAL, "samples: 500", "sampels: 500", f"{TRIAL}: workloads.images.sampels: unknown key", '"samples"'),
    (DATASETS, "fraction: 0.1", "fraction: 10", f"{DATASETS}: lsun_bedroom.fraction: should be", "1"),
    (DATASETS, "source: digits", "source: digit", f"{DATASETS}: digits.source: should be", '"digits"'),
]


@pytest.mark.parametrize(("file", "old", "new", "begins", "says"), FILES, ids=[case[3] for case in FILES])
def test_a_wrong_file_is_named_with_its_key(
    checkout: Checkout, file: str, old: str, new: str, begins: str, says: str
) -> None:
    checkout.edit(file, old, new)
    problems = checkout.problems()
    assert any(problem.startswith(begins) and says in problem for problem in problems), problems


def test_everything_wrong_is_said_at_once(checkout: Checkout) -> None:
    """Seven mistakes in four files, at every depth: seven messages."""
    checkout.edit(TRIAL, "features: embedded", "features: embedde")
    checkout.edit(DATASETS, "source: photograph", "source: photo")
    checkout.edit(BCGAN, "type: mode_statistics", "type: mode_statistic")
    checkout.edit(BCGAN, "batch_size: 100", "batch_size: 1")
    problems = checkout.problems(seeds=["x"], device="gpu", datasets={"mine": {"source": "array"}})
    expected = (
        "config: seeds.0:",
        "config: device:",
        "config: datasets.mine.title: missing",
        f"{TRIAL}: features:",
        f"{DATASETS}: flower.source:",
        f"{BCGAN}: outputs.synthetic.type:",
        f"{BCGAN}: recipes.synthetic_realnessgan.batch_size:",
    )
    for begins in expected:
        assert any(problem.startswith(begins) for problem in problems), f"{begins} not in {problems}"
    assert len(problems) == len(expected), "what follows from a mistake is reported too"


def test_missing_files_are_all_named(checkout: Checkout) -> None:
    problems = checkout.problems(scale="huge", papers=["nobody", "noone"])
    assert [problem.partition(":")[0] for problem in problems] == [
        "workflow/scales/huge.yaml",
        "workflow/experiments/nobody.yaml",
        "workflow/experiments/noone.yaml",
    ]


def test_segments_off_the_grid_are_named_for_each_workload(checkout: Checkout) -> None:
    assert checkout.problems(segment_iterations=60) == [
        "config: segment_iterations: 60 is not a multiple of checkpoint_every 100 of workload synthetic",
        "config: segment_iterations: 60 is not a multiple of checkpoint_every 40 of workload images",
    ]


def test_scores_from_classes_need_a_network_with_classes(checkout: Checkout) -> None:
    (problem,) = checkout.problems(features="inception-768")
    assert problem.startswith(f"{BCGAN}: workloads.images.metrics: inception_score needs class probabilities")
    assert "embedded" in problem


def test_the_text_that_is_to_blame_is_named(checkout: Checkout) -> None:
    """The same key stands in three texts; the one with the last word has made the mistake."""
    checkout.edit(TRIAL, "resolution: 32", "resolution: 33")
    assert checkout.problems()[0].startswith(f"{TRIAL}: workloads.images.resolution:")
    assert checkout.problems(workloads={"images": {"resolution": 31}})[0].startswith(
        "config: workloads.images"
    )
    assert checkout.plan(workloads={"images": {"resolution": 64}}).workloads["images"].resolution == 64

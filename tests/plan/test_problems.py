"""Whatever is wrong is said at once: file, key, what is allowed, and the name that was meant."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.conftest import BCGAN, DATASETS, TRIAL, Checkout

from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.plan.configuration import Config, Experiment, Output
from gantry.plan.dataset import DatasetSpec
from gantry.plan.problems import Problems
from gantry.plan.recipe import Recipe, Workload

# (configuration on top of the trial scale, how the one message begins, what else it says)
CONFIGURATIONS: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({"scal": "quick"}, "config: scal: unknown key", ('did you mean "scale"?', "known keys: scale, papers")),
    (
        {"scale": "quik"},
        "workflow/scales/quik.yaml: no such file",
        ('did you mean "quick"?', "laptop, paper"),
    ),
    ({"papers": ["bcgn"]}, "workflow/experiments/bcgn.yaml: no such file", ('did you mean "bcgan"?',)),
    ({"papers": []}, "config: papers: should have at least one item", ()),
    ({"papers": "bcgan"}, "config: papers: should be a list", ("'bcgan'",)),
    ({"papers": ["../bcgan"]}, "config: papers.0: should be a name of letters", ("'../bcgan'",)),
    ({"seeds": 3}, "config: seeds: should be a list", ("3",)),
    ({"seeds": ["a"]}, "config: seeds.0: should be a valid integer", ("'a'",)),
    ({"seeds": [0, 0.5]}, "config: seeds.1: should be a valid integer", ("0.5",)),
    ({"seeds": [True]}, "config: seeds.0: should be a whole number", ("True",)),
    ({"seeds": [-1]}, "config: seeds.0: should be greater than or equal to 0", ("-1",)),
    ({"seeds": [1, 2, 1]}, "config: seeds: each seed once", ("1",)),
    ({"seeds": []}, "config: seeds: should have at least one item", ()),
    ({"device": "gpu"}, "config: device: should be 'cpu' or 'cuda'", ("'gpu'",)),
    ({"features": "inceptoin"}, "config: features: unknown feature network", ('did you mean "inception"?',)),
    ({"weights": {"incption": "x"}}, "config: weights.incption: unknown feature network", ("inception",)),
    ({"segment_iterations": 0}, "config: segment_iterations: should be greater than or equal to 1", ("0",)),
    ({"substitute": {"celba": "digits"}}, "config: substitute.celba: unknown data set", ('"celeba"',)),
    ({"substitute": {"celeba": "digit"}}, "config: substitute.celeba: unknown data set", ('"digits"',)),
    ({"recipes": {"bcgn": {}}}, "config: recipes.bcgn: unknown recipe", ('did you mean "bcgan"?', "known:")),
    ({"workloads": {"image": {}}}, "config: workloads.image: unknown workload", ('did you mean "images"?',)),
    ({"recipes": {"bcgan": 3}}, "config: recipes.bcgan: should be a mapping", ("3",)),
    # recipes
    (
        {"recipes": {"bcgan": {"terms": {"sample_spread": -0.5}}}},
        "config: recipes.bcgan.terms.sample_spread: should be greater than or equal to 0",
        ("-0.5",),
    ),
    (
        {"recipes": {"bcgan": {"terms": {"sample_spred": 0.5}}}},
        "config: recipes.bcgan.terms.sample_spred: unknown key",
        ('did you mean "sample_spread"?', "known keys: verdict_agreement, sample_spread, entropy_distance, "),
    ),
    (
        {"recipes": {"bcgan": {"generators": 1}}},
        "config: recipes.bcgan: terms verdict_agreement and sample_spread compare two generators",
        ("set generators: 2 (or more), or their weights to 0",),
    ),
    (
        {"recipes": {"bcgan": {"objective": {"outcomes": 1}}}},
        "config: recipes.bcgan.objective.outcomes: should be greater than or equal to 2",
        ("1",),
    ),
    (
        {"recipes": {"bcgan": {"objective": {"name": "realnes"}}}},
        "config: recipes.bcgan.objective: name 'realnes' is unknown",
        ('did you mean "realness"?', "known: minimax, non_saturating"),
    ),
    (
        {"recipes": {"bcgan": {"networks": {"family": "dcgn"}}}},
        "config: recipes.bcgan.networks: family 'dcgn' is unknown",
        ('did you mean "dcgan"?', "mlp, dcgan"),
    ),
    (
        {"recipes": {"bcgan": {"networks": {"widht": 8}}}},
        "config: recipes.bcgan.networks.widht: unknown key",
        ('did you mean "width"?', "family, initialisation, width, generator"),
    ),
    (
        {"recipes": {"bcgan": {"networks": "dcgan"}}},
        "config: recipes.bcgan.networks: should be a mapping",
        ("'dcgan'",),
    ),
    (
        {"recipes": {"bcgan": {"networks": {"family": "mlp"}}}},
        "config: recipes.bcgan.networks.family: mlp makes points",
        ("workload images is about images",),
    ),
    (
        {"recipes": {"bcgan": {"workload": "synthetic"}}},
        "config: recipes.bcgan.networks.family: dcgan makes images",
        ("synthetic",),
    ),
    (
        {
            "workloads": {"images": {"resolution": 64}},
            "recipes": {"synthetic_bcgan": {"workload": "images", "networks": {"family": "dcgan32"}}},
        },
        "config: recipes.synthetic_bcgan.networks.family: dcgan32 is for images of 32 pixels a side",
        ("workload images has resolution 64",),
    ),
    (
        {"recipes": {"bcgan": {"workload": "imags"}}},
        "config: recipes.bcgan.workload: unknown workload 'imags'",
        ('did you mean "images"?',),
    ),
    (
        {"recipes": {"bcgan": {"optimiser": {"lr_g": "fast"}}}},
        "config: recipes.bcgan.optimiser.lr_g: should be a valid number",
        ("'fast'",),
    ),
    (
        {"recipes": {"bcgan": {"optimiser": {"betas": [0.5]}}}},
        "config: recipes.bcgan.optimiser.betas.1: missing",
        (),
    ),
    (
        {"recipes": {"bcgan": {"precision": "fp31"}}},
        "config: recipes.bcgan.precision: should be",
        ('"fp32"',),
    ),
    # workloads
    (
        {"workloads": {"images": {"resolution": 48}}},
        "config: workloads.images.resolution: should be a power of two from 32 to 256",
        ("48",),
    ),
    ({"workloads": {"images": {"resolution": "64"}}}, "config: workloads.images.resolution:", ("'64'",)),
    (
        {"workloads": {"images": {"iterations": 100}}},
        "config: workloads.images: iterations 100 is not a multiple of checkpoint_every 40",
        (),
    ),
    (
        {"workloads": {"images": {"extended_iterations": 120}}},
        "config: workloads.images: extended_iterations 120 is not above iterations",
        (),
    ),
    (
        {"workloads": {"synthetic": {"iterations": 200}}},
        "config: workloads.synthetic: snapshot 300 is not on the grid of checkpoints",
        ("every 100 up to 200",),
    ),
    (
        {"workloads": {"images": {"metrics": ["frechet_distanc"]}}},
        "config: workloads.images.metrics: unknown metric 'frechet_distanc'",
        ('did you mean "frechet_distance"?', "inception_score"),
    ),
    (
        {"workloads": {"images": {"metrics": ["js"]}}},
        "config: workloads.images.metrics: js is of points, and this workload makes images",
        (),
    ),
    (
        {"workloads": {"synthetic": {"final_metrics": ["swd"]}}},
        "config: workloads.synthetic.final_metrics: swd is of images",
        (),
    ),
    (
        {"workloads": {"images": {"metrics": ["swd_16"]}}},
        "config: workloads.images.metrics: swd_16 is one of several numbers",
        ("ask for swd",),
    ),
    # data sets
    ({"datasets": {"mine": {"source": "folder"}}}, "config: datasets.mine.title: missing", ()),
    (
        {"datasets": {"celeba": {"source": "celeb"}}},
        "config: datasets.celeba.source: should be 'gaussian_grid', 'digits'",
        ('did you mean "celeba"?',),
    ),
    (
        {"datasets": {"celeba": {"optoins": {}}}},
        "config: datasets.celeba.optoins: unknown key",
        ('did you mean "options"?',),
    ),
    (
        {"datasets": {"celeba": {"fraction": 0}}},
        "config: datasets.celeba.fraction: should be greater than 0",
        (),
    ),
    (
        {"datasets": {"../mine": {"title": "x", "source": "folder"}}},
        "config: datasets.../mine: should be a name of letters",
        ("without spaces or slashes",),
    ),
]


@pytest.mark.parametrize(
    ("config", "begins", "says"), CONFIGURATIONS, ids=[begins for _, begins, _ in CONFIGURATIONS]
)
def test_a_wrong_configuration_gets_one_message(
    checkout: Checkout, config: dict[str, Any], begins: str, says: tuple[str, ...]
) -> None:
    """One: what follows from a mistake is not reported as a mistake too."""
    (problem,) = checkout.problems(**config)
    assert problem.startswith(begins)
    for part in says:
        assert part in problem


# (file, what is replaced in it, by what, how the one message begins, what else it says)
FILES = [
    (
        BCGAN,
        "generators: 2",
        "generatos: 2",
        f"{BCGAN}: recipes.bcgan.generatos: unknown key",
        '"generators"',
    ),
    (BCGAN, "outcomes: 51", "outcomes: 1", f"{BCGAN}: recipes.realnessgan.objective.outcomes:", "2"),
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
        "metric: mode_share_4",
        "metric: mode_4",
        f"{BCGAN}: outputs.claims_synthetic.options.claims.0.test.metric: unknown metric 'mode_4'",
        "known metrics",
    ),
    (BCGAN, "kind: scatter", "kind: scater", f"{BCGAN}: outputs.figure3.kind: should be", '"scatter"'),
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
    checkout.edit(BCGAN, "kind: mode_statistics", "kind: mode_statistic")
    checkout.edit(BCGAN, "batch_size: 100", "batch_size: 1")
    problems = checkout.problems(seeds=["x"], device="gpu", datasets={"mine": {"source": "array"}})
    expected = (
        "config: seeds.0:",
        "config: device:",
        "config: datasets.mine.title: missing",
        f"{TRIAL}: features:",
        f"{DATASETS}: flower.source:",
        f"{BCGAN}: outputs.synthetic.kind:",
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


NUMBERS = st.none() | st.booleans() | st.integers(-3, 70) | st.floats() | st.text(max_size=4)
WORDS = st.sampled_from(
    [
        *(field for model in (Config, Experiment, Recipe, Workload) for field in model.model_fields),
        *("family", "name", "mlp", "dcgan", "realness", "width", "outcomes", "extends", "kind", "a/b"),
    ]
)
KEYS = WORDS | st.integers(0, 1) | st.none()
ANYTHING = st.recursive(
    NUMBERS | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)


@settings(max_examples=100, deadline=None)
@given(data=ANYTHING, model=st.sampled_from([Config, Experiment, Output, Recipe, Workload, DatasetSpec]))
def test_no_data_whatever_break_the_explanation(data: Any, model: Any) -> None:
    problems = Problems()
    patches = [("top", "", data), ("middle", "key", {"networks": 3, "terms": [1]})]
    valid = problems.validated(model, data, "file", "key", patches)
    assert (valid is None) == bool(problems.messages)
    if isinstance(data, dict):
        problems.validated_in_part(model, data, "file")


@settings(max_examples=40, deadline=None)
@given(config=st.dictionaries(st.sampled_from(sorted(Config.model_fields)), ANYTHING, max_size=3))
def test_no_configuration_whatever_ends_in_a_traceback(config: dict[str, Any]) -> None:
    try:
        load_plan({"scale": "quick"} | config)
    except UserError as error:
        assert str(error)

"""What config.yaml or the command line may get wrong, a mistake at a time: file, key, what is allowed."""

from typing import Any

import pytest
from tests.plan.conftest import Checkout

# (configuration on top of the trial scale, how the one message begins, what else it says)
CONFIGURATIONS: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({"scal": "smoke"}, "config: scal: unknown key", ('did you mean "scale"?', "known keys: scale, papers")),
    (
        {"scale": "quik"},
        "workflow/scales/quik.yaml: no such file",
        ('did you mean "quick"?', "laptop, paper"),
    ),
    ({"papers": ["bcgn"]}, "workflow/experiments/bcgn.yaml: no such file", ('did you mean "bcgan"?',)),
    ({"papers": []}, "config: papers: should have at least one item", ()),
    ({"papers": "bcgan"}, "config: papers: should be a list", ("'bcgan'",)),
    ({"papers": ["../bcgan"]}, "config: papers.0: should be the name of a file in", ("'../bcgan'",)),
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
    # sweeps and tables of images
    (
        {"workloads": {"images": {"sweep": {"psi": [0.5]}}}},
        "config: workloads.images.sweep.psi: family dcgan has no w",
        ("take it out, or family stylegan",),
    ),
    (
        {"workloads": {"synthetic": {"montages": ["classes"]}}},
        "config: workloads.synthetic.montages: these are of images, and this workload is about points",
        ("take them out",),
    ),
    (
        {"workloads": {"images": {"montages": ["clases"]}}},
        "config: workloads.images.montages.0: should be 'classes', ",
        ("'clases'",),
    ),
    # recipes
    (
        {"recipes": {"bcgan": {"terms": {"sample_spread": -0.5}}}},
        "config: recipes.bcgan.terms.sample_spread: should be greater than or equal to 0",
        ("-0.5",),
    ),
    (
        {"recipes": {"bcgan": {"terms": {"sample_spred": 0.5}}}},
        "config: recipes.bcgan.terms.sample_spred: unknown key",
        ('did you mean "sample_spread"?', "known keys: logit_agreement, sample_spread, entropy_distance, "),
    ),
    (
        {"recipes": {"bcgan": {"generators": 1}}},
        "config: recipes.bcgan: terms logit_agreement and sample_spread compare two generators",
        ("set generators: 2 (or more), or their weights to 0",),
    ),
    (
        {"recipes": {"bcgan": {"objective": {"atoms": 1}}}},
        "config: recipes.bcgan.objective.atoms: should be greater than or equal to 2",
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
        ('did you mean "dcgan"?', "known: mlp, "),
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
        {"workloads": {"images": {"extended_iterations": 240}}},
        "config: workloads.images: extended_iterations 240 is not above iterations",
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
        "config: datasets.celeba.source: should be 'gaussian_grid', ",
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

"""Each check of benchmarks/fidelity.py that takes seconds, and that it can fail."""

import pytest
from tests.fidelity import mathematics, training  # noqa: F401 (importing a file registers its checks)
from tests.fidelity.beside import apart_after, image_recipe, toy_recipe
from tests.fidelity.checks import CHECKS, Figure, Missing
from tests.fidelity.training import PAIR

from gantry.plan.recipe import Recipe


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", CHECKS)
def test_what_is_computed_is_what_the_authors_code_computes(name: str) -> None:
    try:
        figures = list(CHECKS[name]())
    except Missing as missing:
        pytest.skip(str(missing))
    assert figures and all(figure.right for figure in figures), figures


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "recipe",
    [
        toy_recipe(1, objective={"name": "realness", "atoms": 5, "relativistic": False}),
        toy_recipe(2, objective={"name": "realness", "atoms": 5, "formulation": "paper"}),
        toy_recipe(2, terms=PAIR | {"formulation": "paper"}),
        toy_recipe(3, objective={"name": "realness", "atoms": 5}),
        image_recipe(1, networks={"power_iteration": "shared"}),
    ],
    ids=["target", "divergence", "terms", "third generator", "power iteration"],
)
def test_another_step_is_found_to_be_another(recipe: Recipe) -> None:
    apart = apart_after(recipe, iterations=3)
    assert max(apart.discriminator, apart.generators) > 1e-3


def test_a_figure_is_right_between_its_limits_only() -> None:
    assert Figure("", 1.0, 1.0, 1.0).right
    assert not Figure("", 1.1, 1.0).right and not Figure("", 0.9, 1.0, 0.95).right
    assert not Figure("", float("nan"), 1.0).right

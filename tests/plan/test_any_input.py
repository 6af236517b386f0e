"""Whatever is given: mistakes are explained, and nothing ends in a traceback."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.plan.configuration import Config, Experiment, Output
from gantry.plan.dataset import DatasetSpec
from gantry.plan.problems import Problems
from gantry.plan.recipe import Recipe, Workload

NUMBERS = st.none() | st.booleans() | st.integers(-3, 70) | st.floats() | st.text(max_size=4)
WORDS = st.sampled_from(
    [
        *(field for model in (Config, Experiment, Recipe, Workload) for field in model.model_fields),
        *(
            "family",
            "name",
            "mlp",
            "dcgan",
            "realness",
            "width",
            "atoms",
            "outcomes",
            "extends",
            "type",
            "kind",
            "a/b",
        ),
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
        load_plan({"scale": "smoke"} | config)
    except UserError as error:
        assert str(error)

"""Output types: every entry leads to what makes it."""

import pytest

from gantry.plan.output_types import OUTPUT_TYPES


@pytest.mark.parametrize("name", OUTPUT_TYPES)
def test_an_entry_leads_to_its_maker(name):
    made = OUTPUT_TYPES[name]
    assert callable(made.make())
    on_page = made.make_on_page()
    assert on_page is None or callable(on_page)

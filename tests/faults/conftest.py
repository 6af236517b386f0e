"""What the tests of mistakes start from."""

from tests.status.conftest import half_made, here
from tests.workflow.conftest import gantry

__all__ = ["gantry", "half_made", "here"]

"""What every block of configuration is made of."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gantry.errors import UserError
from gantry.paths import expanded_text

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Formulation = Literal["paper", "reference"]


def _filled_in(path: str) -> str:
    try:
        return expanded_text(path)
    except UserError as error:
        raise ValueError(str(error)) from None


# A path as people write it: ~ and $VARIABLES are filled in where it is read.
FilePath = Annotated[str, AfterValidator(_filled_in)]


class Strict(BaseModel):
    """A block of configuration: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

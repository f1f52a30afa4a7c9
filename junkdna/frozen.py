"""Base of everything that is read from YAML."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]
KnobValue = Annotated[StrictInt, Field(le=10**9)] | StrictStr  # strict: `true` would else be read as 1
PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"  # no line breaks, nothing that a terminal takes as a command
Line = Annotated[str, Field(pattern=PLAIN, max_length=300)]


class Frozen(BaseModel):
    """Unknown keys are errors, so are infinite numbers; values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _none_to_empty(value: object) -> object:
    return {} if value is None else value


EmptyAsDict = BeforeValidator(_none_to_empty)

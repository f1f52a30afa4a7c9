"""Base of everything that is read from YAML."""

import re
import unicodedata
from typing import Annotated, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]
KnobValue = Annotated[StrictInt, Field(le=10**9)] | StrictStr  # strict: `true` would else be read as 1
PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"  # no line breaks, nothing that a terminal takes as a command
Line = Annotated[str, Field(pattern=PLAIN, max_length=300)]


def legal_name(text: str) -> str:
    """A name that looks like `text` and that `NAME_PATTERN` allows; "" where nothing of it can stand in a name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-").rstrip("-")[:80]


class Frozen(BaseModel):
    """Unknown keys are errors, so are infinite numbers and true or false for a number; values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic would read `true` as 1."""
        inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
        if any(isinstance(part, bool) for part in inner):
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if bool not in kinds and {int, float} & kinds:
                told = "true and false are no numbers: write digits, or put the word in quotes where a text is meant"
                raise PydanticCustomError("not_a_number", told)
        return value


def _kinds(annotation: object) -> set:
    """The types that an annotation is made of."""
    inner = get_args(annotation)
    return set().union(*map(_kinds, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


def _none_to_empty(value: object) -> object:
    return {} if value is None else value


EmptyAsDict = BeforeValidator(_none_to_empty)

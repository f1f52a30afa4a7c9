"""`StrictModel`, the base of all models that are read from YAML, and the types of their fields."""

import re
import unicodedata
from functools import cache
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, model_validator

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]
KnobValue = Annotated[StrictInt, Field(le=10**9)] | StrictStr  # strict, or `true` would be read as 1
PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""No line breaks, control characters of a terminal, or characters that reverse the direction of the text after them."""
Line = Annotated[str, Field(pattern=PLAIN, max_length=300)]


def valid_name(text: str) -> str:
    """A valid name (`NAME_PATTERN`) similar to `text`; "" if `text` has no character that a name may contain."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-").rstrip("-")[:80]


class StrictModel(BaseModel):
    """A frozen model that rejects unknown keys, infinite numbers, and true or false instead of a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _reject_booleans_as_numbers(cls, data: object) -> object:
        """Pydantic would read true as 1, but rejects the text "true"."""
        if not isinstance(data, dict):
            return data
        return data | {name: _booleans_as_text(data[name]) for name in _number_fields(cls) if name in data}


@cache
def _number_fields(model: type[StrictModel]) -> tuple[str, ...]:
    """The fields of a model that may be numbers but neither booleans nor texts."""
    types = {name: _types(field.annotation) for name, field in model.model_fields.items()}
    return tuple(name for name, legal in types.items() if {int, float} & legal and not {bool, str} & legal)


def _booleans_as_text(value: object) -> object:
    if isinstance(value, list):
        return [_booleans_as_text(item) for item in value]
    if isinstance(value, dict):
        return {key: _booleans_as_text(item) for key, item in value.items()}
    return str(value).lower() if isinstance(value, bool) else value


def _types(annotation: object) -> set:
    """The types that occur in an annotation; for a mapping, those of its values."""
    inner = get_args(annotation)[1 if get_origin(annotation) is dict else 0 :]
    return set().union(*map(_types, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


EmptyAsDict = BeforeValidator(lambda value: {} if value is None else value)

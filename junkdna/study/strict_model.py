"""Base of everything that is read from YAML."""

import re
import unicodedata
from functools import cache
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, model_validator

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]
KnobValue = Annotated[StrictInt, Field(le=10**9)] | StrictStr  # strict: `true` would else be read as 1
PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"  # no line breaks, nothing that a terminal takes as a command
Line = Annotated[str, Field(pattern=PLAIN, max_length=300)]


def valid_name(text: str) -> str:
    """A name that looks like `text` and that `NAME_PATTERN` allows; "" where nothing of it can stand in a name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-").rstrip("-")[:80]


class StrictModel(BaseModel):
    """Unknown keys are errors, so are infinite numbers and true or false for a number; values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, given: object) -> object:
        """Pydantic would read true as 1; it refuses the word at its place."""
        if not isinstance(given, dict):
            return given
        named = [name for name in _number_fields(cls) if name in given and _holds_truth(given[name])]
        return given | {name: _in_words(given[name]) for name in named} if named else given


@cache
def _number_fields(model: type[StrictModel]) -> tuple[str, ...]:
    """The fields of a model that hold numbers, and nothing that may be true, false or a text."""
    kinds = {name: _kinds(field.annotation) for name, field in model.model_fields.items()}
    return tuple(name for name, found in kinds.items() if {int, float} & found and not {bool, str} & found)


def _holds_truth(value: object) -> bool:
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return isinstance(value, bool) or any(map(_holds_truth, inner))


def _in_words(value: object) -> object:
    if isinstance(value, list):
        return [_in_words(part) for part in value]
    if isinstance(value, dict):
        return {key: _in_words(part) for key, part in value.items()}
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def _kinds(annotation: object) -> set:
    """The types that an annotation is made of; of a mapping, those of its values."""
    inner = get_args(annotation)[1 if get_origin(annotation) is dict else 0 :]
    return set().union(*map(_kinds, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


def _none_to_empty(value: object) -> object:
    return {} if value is None else value


EmptyAsDict = BeforeValidator(_none_to_empty)

"""The key `generate` of a task file: how answers of a task of kind `generate` are generated and matched."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from junkdna.study.columns import compiled
from junkdna.study.strict_model import StrictModel


class ExactMatch(StrictModel):
    """What a strict comparison of texts ignores, as in `exact_match` of lm-evaluation-harness.

    `ignore` are regular expressions whose matches are removed (`regexes_to_ignore` there).
    """

    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore: list[str] = []

    @field_validator("ignore")
    @classmethod
    def _patterns(cls, value: list[str]) -> list[str]:
        for pattern in value:
            compiled("ignore", pattern)
        return value


class Generate(StrictModel):
    """How answers are generated and matched.

    Greedy decoding stops after `max_new_tokens`, at the end-of-text token or at a `stop` string. `match` compares
    normalized texts or numbers. `extract` is a regular expression whose first group is the answer (strict match).
    `exact` makes the strict match that of lm-evaluation-harness: equal texts, except for what `ExactMatch` ignores.
    """

    max_new_tokens: int = Field(16, ge=1, le=4096)
    stop: list[Annotated[str, Field(min_length=1)]] = ["\n"]
    match: Literal["text", "number"] = "text"
    extract: str | None = None
    exact: ExactMatch | None = None

    @field_validator("extract")
    @classmethod
    def _has_a_group(cls, value: str | None) -> str | None:
        if compiled("extract", value or "()").groups < 1:
            raise ValueError(f"extract {value!r} has no group; put the part that matches the answer in parentheses")
        return value

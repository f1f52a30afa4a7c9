"""What a study may say of calibration texts, and what the rows drawn from them depend on. Imports nothing heavy."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from junkdna.study.base import Name, StrictModel
from junkdna.study.sources import HubName, MemberPath, Place, Text

PLACES = {  # the place that is named -> the keys that go with it, with their defaults (None: must be given)
    "task": {"role": "train"},
    "wheel": {"path": None, "column": "text"},
    "local": {"path": None, "column": "text"},
    "hub": {"split": "train", "column": "text", "revision": "main"},
}
KEYS_OF = {place: {*keys, *(["config"] if place == "hub" else [])} for place, keys in PLACES.items()}


class Calibration(StrictModel):
    """Texts that a compression method reads its statistics from: `samples` rows of at most `context_tokens` tokens of
    the model, special tokens included.

    The texts come from exactly one of: `task` (the examples of one of the study's tasks in `role` train or evaluate,
    as its limits leave them, each as one text with its right answer: `calibration.example_text`); `wheel` or `local`
    with `path` (a file, or files with `*`); `hub` with `split`, `config` and `revision`. Except for a task, `column`
    names the column of the text, inside structs and lists too ("answer.text", "paragraphs.0").

    windows: `texts`: each sample is one text, its end cut off at context_tokens; shorter ones stay short. `joined`:
    full windows of texts that follow one another. `long`: a full window, at a random place, of texts that are long
    enough. `calibration.draw` says what each does to the letter.
    """

    task: Name | None = None
    role: Literal["train", "evaluate"] | None = None
    wheel: Text | None = None
    local: Place | None = None
    hub: HubName | None = None
    path: MemberPath | None = None
    config: Text | None = None
    revision: Text | None = None
    split: Text | None = None
    column: Text | None = None
    samples: int = Field(ge=1, le=100_000)
    context_tokens: int = Field(ge=8, le=131_072)
    windows: Literal["texts", "joined", "long"] = "texts"

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_place(cls, given: object) -> object:
        """The defaults of the one place that is named, so that a key of another place can be told from a default."""
        named = [place for place in PLACES if given.get(place) is not None] if isinstance(given, dict) else []
        if len(named) != 1:
            return given
        return {**{key: value for key, value in PLACES[named[0]].items() if value}, **given}

    @field_validator("column")
    @classmethod
    def _one_value(cls, value: str | None) -> str | None:
        if value is not None and ("{" in value or "}" in value or "*" in value.split(".")):
            raise ValueError("column is the name of one value of a row, without braces and '*', such as answers.0")
        return value

    @model_validator(mode="after")
    def _keys_fit_the_place(self) -> "Calibration":
        given = [place for place in PLACES if getattr(self, place) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of {', '.join(PLACES)} (given: {', '.join(given) or 'none'})")
        for key in sorted(set().union(*KEYS_OF.values())):
            if getattr(self, key) is not None and key not in KEYS_OF[given[0]]:
                fitting = [place for place, keys in KEYS_OF.items() if key in keys]
                raise ValueError(f"{key} goes with {' or '.join(fitting)}, not with {given[0]}")
        if "path" in KEYS_OF[given[0]] and self.path is None:
            raise ValueError(f"{given[0]} needs path: the file with the texts, or files with *, such as '*.parquet'")
        return self

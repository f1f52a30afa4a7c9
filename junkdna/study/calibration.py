"""What a study may say of calibration texts. Imports nothing heavy."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from junkdna.study.sources import MemberPath, Source, Text
from junkdna.study.strict_model import Name

DEFAULTS = {
    "task": {"role": "train"},
    "wheel": {"column": "text"},
    "local": {"column": "text"},
    "hub": {"split": "train", "column": "text", "revision": "main"},
}


class Calibration(Source):
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

    KINDS: ClassVar = {
        "task": ("role",),
        "wheel": ("column", "path"),
        "local": ("column", "path"),
        "hub": ("column", "config", "revision", "split"),
    }

    task: Name | None = None
    role: Literal["train", "evaluate"] | None = None
    path: MemberPath | None = None
    config: Text | None = None
    split: Text | None = None
    column: Text | None = None
    samples: int = Field(ge=1, le=100_000)
    context_tokens: int = Field(ge=8, le=131_072)
    windows: Literal["texts", "joined", "long"] = "texts"

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, given: object) -> object:
        """The defaults of the one kind that is named, so that a key of another kind can be told from a default."""
        named = [kind for kind in cls.KINDS if given.get(kind) is not None] if isinstance(given, dict) else []
        return {**DEFAULTS[named[0]], **given} if len(named) == 1 else given

    @field_validator("column")
    @classmethod
    def _one_value(cls, value: str | None) -> str | None:
        if value is not None and ("{" in value or "}" in value or "*" in value.split(".")):
            raise ValueError("column is the name of one value of a row, without braces and '*', such as answers.0")
        return value

    @model_validator(mode="after")
    def _files_are_named(self) -> "Calibration":
        for kind in ("wheel", "local"):
            if getattr(self, kind) is not None and self.path is None:
                raise ValueError(f"{kind} needs path: the file with the texts, or files with *, such as '*.parquet'")
        return self

"""The `calibrations` entries of a study. Imports nothing heavy."""

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
    """Texts from which a compression method computes its statistics: `samples` rows of at most `context_tokens` tokens
    of the model, special tokens included.

    The texts come from exactly one source: `task` (the examples of one of the study's tasks in `role` train or
    evaluate, within its limits, each as one text with its right answer: `data.calibration.example_text`), `wheel` or
    `local` with `path` (a file, or several with `*`), or `hub` with `split`, `config` and `revision`. Except for a
    task, `column` is the column of the text, also inside structs and lists ("answer.text", "paragraphs.0").

    `windows`: with `texts`, each sample is one text, truncated to context_tokens; with `joined`, a full window of
    consecutive texts; with `long`, a full window at a random position of a text that is long enough. Details:
    `data.calibration.draw`.
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
    def _add_defaults_of_kind(cls, data: object) -> object:
        """Adds only the defaults of the kind of source, so keys of another kind remain errors."""
        kinds = [kind for kind in cls.KINDS if data.get(kind) is not None] if isinstance(data, dict) else []
        return {**DEFAULTS[kinds[0]], **data} if len(kinds) == 1 else data

    @field_validator("column")
    @classmethod
    def _check_column(cls, value: str | None) -> str | None:
        if value is not None and ("{" in value or "}" in value or "*" in value.split(".")):
            raise ValueError("column must name a single value of a row, without braces and '*', such as answers.0")
        return value

    @model_validator(mode="after")
    def _check_path(self) -> "Calibration":
        for kind in ("wheel", "local"):
            if getattr(self, kind) is not None and self.path is None:
                raise ValueError(
                    f"{kind} needs path: the file with the texts, or several files with *, such as '*.parquet'"
                )
        return self

"""What a study says of compressions: one method at one or several levels, with its options, read and checked."""

import re
from collections.abc import Iterator

from pydantic import Field, field_validator, model_validator

from junkdna.errors import unknown_name
from junkdna.study.base import Name, StrictModel
from junkdna.study.cell import Compression
from junkdna.study.levels import LEVEL_KINDS, Level, problem
from junkdna.study.methods import METHODS, Method
from junkdna.study.options import option_texts

LEVEL_KEYS = {  # the key of a study that gives levels of a kind, and an example of it
    "sparsity": ("sparsity", "sparsity: [0.3, 0.5]"),
    "keep_of": ("keep", "keep: [2], of: 4"),
    "band": ("band", "band: [[0.1, 0.2], [0.2, 0.3]]"),
    "bits": ("bits", "bits: [3, 4, 8]"),
    "rank": ("rank", "rank: [0.25, 0.5]"),
}
MAX_TAG = 200  # characters of a compression's name, which is a folder's: file systems take 255 bytes
LAYER_PATTERN = r"^[A-Za-z0-9_]+(-[0-9]+)?(\.[A-Za-z0-9_]+(-[0-9]+)?)*$"


class CompressionGrid(StrictModel):
    """One method at one or several levels, all with the same options.

    Levels: `sparsity` (fractions pruned), `keep` of `of` consecutive inputs, `band` (pairs of quantiles of |w|),
    `bits`, `rank` (fractions of the full rank kept). Options: `group` (inputs that share a grid; 0: the whole row),
    `symmetric` (a grid without zero point), `act_order` (columns of large inputs first), `reference_ties` (the authors'
    rule: the threshold weight and all its ties are pruned too), `embeddings` (prune embedding tables too), `layers`
    (dotted runs of the names of the matrices to compress, such as "11.mlp"), `calibration` (a name among the study's
    calibrations).
    """

    method: str
    sparsity: list[float] | None = None
    keep: list[int] | None = None
    of: int | None = Field(None, ge=1, le=1024)
    band: list[tuple[float, float]] | None = None
    bits: list[int] | None = None
    rank: list[float] | None = None
    group: int | None = Field(None, ge=0, le=65536)
    symmetric: bool | None = None
    act_order: bool | None = None
    reference_ties: bool | None = None
    embeddings: bool | None = None
    layers: list[str] | None = None
    calibration: Name | None = None

    @field_validator("sparsity", "keep", "bits", "rank", "layers", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return value if isinstance(value, list) or value is None else [value]

    @field_validator("band", mode="before")
    @classmethod
    def _one_pair_is_a_list(cls, value: object) -> object:
        flat = isinstance(value, list) and not any(isinstance(part, list) for part in value)
        if flat and len(value) != 2:
            raise ValueError("a band is a pair [from, to] of quantiles of |w|, or a list of such pairs")
        return [value] if flat else value

    @field_validator("layers", mode="before")
    @classmethod
    def _some_layers(cls, value: object) -> object:
        if value == []:
            raise ValueError("layers is empty; leave it out to compress all matrices")
        return [str(part) if isinstance(part, int) else part for part in value] if isinstance(value, list) else value

    @field_validator("layers")
    @classmethod
    def _layers_are_names(cls, value: list[str] | None) -> list[str] | None:
        for pattern in value or []:
            if not re.fullmatch(LAYER_PATTERN, pattern):
                raise ValueError(f"layers {pattern!r} must be a dotted run of names, such as 11.mlp or 8-11.attention")
        return sorted({*value}) if value else value

    @model_validator(mode="after")
    def _levels_and_options_fit_method(self) -> "CompressionGrid":
        if self.method not in METHODS:
            raise ValueError(str(unknown_name("compression method", self.method, [*METHODS])))
        method = METHODS[self.method]
        self._check_levels(method)
        self._check_options(method)
        longest = max((len(found.tag) for found in self.compressions()), default=0)
        if longest > MAX_TAG:
            raise ValueError(
                f"levels and options make a file name of {longest} characters, more than {MAX_TAG}; take fewer or "
                f"shorter layers (ranges such as 8-11, parts of names such as mlp), or two entries"
            )
        return self

    def _check_levels(self, method: Method) -> None:
        given = {kind for kind, (key, _) in LEVEL_KEYS.items() if getattr(self, key)}
        named = {key for _, (key, _) in LEVEL_KEYS.items() if getattr(self, key) is not None}
        if self.of is not None:
            named.add("of")
        legal = {key for kind in method.levels for key in {LEVEL_KEYS[kind][0], *(["of"] if kind == "keep_of" else [])}}
        if (
            len(given) != 1
            or not given <= {*method.levels}
            or not named <= legal
            or (self.of is None) == bool(self.keep)
        ):
            examples = " or ".join(LEVEL_KEYS[kind][1] for kind in method.levels)
            raise ValueError(f"method {self.method} takes {examples}")
        for kind, value in self.levels():
            wrong = problem(kind, value)
            if wrong:
                shown = f"keep {self.keep}" if kind == "keep_of" else f"{LEVEL_KEYS[kind][0]} {_shown(value)}"
                raise ValueError(f"{shown} {wrong}")

    def _check_options(self, method: Method) -> None:
        options = {name for name in type(self).model_fields if name in _ALL_OPTIONS and getattr(self, name) is not None}
        extra = sorted(options - {*method.options})
        if extra:
            has = ", ".join(method.options) or "none"
            raise ValueError(f"method {self.method} has no option {', '.join(extra)}; its options: {has}")
        if "calibration" in method.options and self.calibration is None:
            raise ValueError(f"method {self.method} needs calibration: a name among the study's calibrations")

    def levels(self) -> Iterator[tuple[str, Level]]:
        """(kind, value) of every level."""
        for keep in self.keep or []:
            yield "keep_of", (keep, self.of)
        for kind in ("sparsity", "band", "bits", "rank"):
            for value in getattr(self, kind) or []:
                yield kind, value

    def compressions(self) -> list[Compression]:
        """Every compression; a level that changes nothing (sparsity 0, keep = of, rank 1) is dense."""
        options = option_texts(self.method, {name: getattr(self, name) for name in METHODS[self.method].options})
        return [
            Compression()
            if LEVEL_KINDS[kind].is_identity(value)
            else Compression(self.method, LEVEL_KINDS[kind].write(value), options)
            for kind, value in self.levels()
        ]


_ALL_OPTIONS = {name for method in METHODS.values() for name in method.options}


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.12g}" if isinstance(value, float) else str(value)

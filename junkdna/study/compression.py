"""The compressions of a study: one method at one or several levels, with its options, read and checked."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import Field, create_model, field_validator, model_validator

from junkdna.errors import unknown_name
from junkdna.study.allocation import Allocation, check_allocation, check_fit
from junkdna.study.cell import Compression
from junkdna.study.external import MASK_SUFFIX, external_name
from junkdna.study.levels import LEVEL_KINDS, Level, family, read_format
from junkdna.study.methods import METHODS, SCOPE_OPTIONS, Method, Option
from junkdna.study.options import misplaced_option, option_error, option_texts
from junkdna.study.sources import Place
from junkdna.study.strict_model import Name, StrictModel

MAX_TAG = 200  # characters of a compression's name, which names a folder; file systems allow 255 bytes
OPTIONS = {name: option for method in METHODS.values() for name, option in method.options.items()}
LAYER_PATTERN = r"^[A-Za-z0-9_]+(-[0-9]+)?(\.[A-Za-z0-9_]+(-[0-9]+)?)*$"


class _Grid(StrictModel):
    """One method at one or several levels, all with the same options.

    Levels: `sparsity` (fractions pruned), `keep` of `of` consecutive inputs (N:M sparsity), `band` (pairs of quantiles
    of |w|), `bits`, `format` (names of number formats), `rank` (fractions of the full rank kept), `path` (checkpoints
    or mask files of other tools, each called `name` or as its file). The options here select matrices and texts
    (`methods.SCOPE_OPTIONS`); `CompressionGrid` adds the options that the methods declare.
    """

    method: str
    sparsity: list[float] | None = None
    keep: list[int] | None = None
    of: int | None = Field(None, ge=1, le=1024)
    band: list[tuple[float, float]] | None = None
    bits: list[int] | None = None
    format: list[str] | None = None
    rank: list[float] | None = None
    path: list[Place] | None = None
    name: Name | None = None
    embeddings: bool | None = Field(None, description=SCOPE_OPTIONS["embeddings"].meaning)
    layers: list[str] | None = Field(None, description=SCOPE_OPTIONS["layers"].meaning)
    allocation: Allocation | None = Field(None, description=SCOPE_OPTIONS["allocation"].meaning)
    owl_threshold: float | None = Field(None, allow_inf_nan=False, description=SCOPE_OPTIONS["owl_threshold"].meaning)
    owl_lambda: float | None = Field(None, allow_inf_nan=False, description=SCOPE_OPTIONS["owl_lambda"].meaning)
    calibration: Name | None = Field(None, description=SCOPE_OPTIONS["calibration"].meaning)

    @field_validator("sparsity", "keep", "bits", "format", "rank", "path", "layers", mode="before")
    @classmethod
    def _list_of_one(cls, value: object) -> object:
        return value if isinstance(value, list) or value is None else [value]

    @field_validator("band", mode="before")
    @classmethod
    def _list_of_one_pair(cls, value: object) -> object:
        flat = isinstance(value, list) and not any(isinstance(item, list) for item in value)
        if flat and len(value) != 2:
            raise ValueError("a band is a pair [from, to] of quantiles of |w|, or a list of such pairs")
        return [value] if flat else value

    @field_validator("layers", mode="before")
    @classmethod
    def _nonempty_layers(cls, value: object) -> object:
        if value == []:
            raise ValueError("layers is empty; omit it to compress all matrices")
        return [str(item) if isinstance(item, int) else item for item in value] if isinstance(value, list) else value

    @field_validator("layers")
    @classmethod
    def _layers_are_names(cls, value: list[str] | None) -> list[str] | None:
        for pattern in value or []:
            if not re.fullmatch(LAYER_PATTERN, pattern):
                raise ValueError(f"layers {pattern!r} must be names joined by dots, such as 11.mlp or 8-11.attention")
            for first, last in re.findall(r"(?:^|\.)([0-9]+)-([0-9]+)(?=\.|$)", pattern):
                if int(first) > int(last):
                    raise ValueError(
                        f"layers {pattern!r}: the range {first}-{last} is decreasing; write {last}-{first}"
                    )
        return sorted({*value}) if value else value

    @field_validator("allocation", mode="before")
    @classmethod
    def _allocation_is_valid(cls, value: object) -> object:
        if value is not None:
            check_allocation(value)
        return value

    @model_validator(mode="after")
    def _levels_and_options_fit_method(self) -> "_Grid":
        if self.method not in METHODS:
            raise unknown_name("compression method", self.method, METHODS)
        method = METHODS[self.method]
        self._check_levels(method)
        self._check_options(method)
        longest = max((len(compression.tag) for compression in self.compressions()), default=0)
        if longest > MAX_TAG:
            raise ValueError(
                f"levels and options give a file name of {longest} characters, more than {MAX_TAG}; use fewer or "
                "shorter layers (ranges such as 8-11, short names such as mlp), whole numbers in allocation (they are "
                "relative, so 3 and 5 do as well as 0.3 and 0.5), or two entries"
            )
        return self

    def _check_levels(self, method: Method) -> None:
        kinds = [kind for kind in method.levels if all(getattr(self, key) for key in LEVEL_KINDS[kind].keys)]
        keys = {key for kind in LEVEL_KINDS.values() for key in kind.keys if getattr(self, key) is not None}
        if len(kinds) != 1 or keys != {*LEVEL_KINDS[kinds[0]].keys}:
            examples = " or ".join(LEVEL_KINDS[kind].example for kind in method.levels)
            both = ", not both" if len(kinds) > 1 else ""
            others = sorted(keys - {key for kind in method.levels for key in LEVEL_KINDS[kind].keys})
            wrong = f"; {', '.join(others)} {'is' if len(others) == 1 else 'are'} of other methods" if others else ""
            raise ValueError(f"method {self.method} takes {examples}{both}{wrong}")
        if self.name is not None and len(self.path or ()) != 1:
            raise ValueError("name is for one path: write an entry for each path, with its own name")
        for kind, value in self.levels():
            if error := LEVEL_KINDS[kind].error(value):
                text = f"keep {self.keep}" if kind == "keep_of" else f"{kind} {_level_text(value)}"
                raise ValueError(f"{text} {error}")

    def _check_options(self, method: Method) -> None:
        options = self._options()
        check_fit(method, options, [*self.levels()])
        for name in sorted(options.keys() - method.options):
            close = get_close_matches(name, method.options, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            names = ", ".join(method.options) or "none"
            raise ValueError(f"method {self.method} has no option {name}; {hint}its options: {names}")
        for name, value in options.items():
            self._check_option(name, method.options[name], value)
        masks = [path for path in self.path or () if path.endswith(MASK_SUFFIX)]
        if masks and any(option.no_mask and options.get(name) for name, option in method.options.items()):
            raise ValueError(f"{masks[0]} is a file of masks, so `quantized: true` does not go with it; leave it out")
        if method.statistics and self.calibration is None:
            raise ValueError(f"method {self.method} needs calibration: the name of one of the study's calibrations")

    def _check_option(self, name: str, option: Option, value: object) -> None:
        for level in self.levels():
            if not option.applies(family(*level)):
                raise ValueError(f"option {name} {misplaced_option(name, option, family(*level))}")
        if error := option_error(option, value):
            raise ValueError(f"option {name} of method {self.method} {error}: {option.meaning}")

    def _options(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in sorted(OPTIONS) if getattr(self, name) is not None}

    def levels(self) -> Iterator[tuple[str, Level]]:
        """(kind, value) of every level."""
        for keep in self.keep or []:
            yield "keep_of", (keep, self.of)
        yield from (("external", external_name(path, self.name)) for path in self.path or ())
        for kind in ("sparsity", "band", "bits", "rank"):
            for value in getattr(self, kind) or []:
                yield kind, value
        for name in self.format or []:
            yield read_format(name)

    def compressions(self) -> list[Compression]:
        """Every compression; a level that changes nothing (sparsity 0, keep = of, rank 1) is dense."""
        options = option_texts(self.method, self._options())
        return [
            Compression()
            if LEVEL_KINDS[kind].is_identity(value)
            else Compression(self.method, LEVEL_KINDS[kind].write(value), options)
            for kind, value in self.levels()
        ]


CompressionGrid = create_model(
    "CompressionGrid",
    __base__=_Grid,
    __doc__=_Grid.__doc__,
    __module__=__name__,
    **{  # `_check_options` checks bounds, which differ between methods
        name: (type(option.default) | None, Field(None, description=option.meaning))
        for name, option in sorted(OPTIONS.items())
        if name not in SCOPE_OPTIONS
    },
)


def _level_text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_level_text, value))}]"
    return f"{value:.12g}" if isinstance(value, float) else str(value)

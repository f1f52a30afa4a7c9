"""The compression methods by name, without importing torch. Validation and planning read this table; jobs load
functions from it.

A method is one file, `compress/methods/NAME.py`. It starts with the declaration `METHOD = Method(...)` and defines one
function:

    masks(weights: Mapping[str, Tensor], level, generator, **options) -> Iterator[tuple[str, Tensor]]
    compress(weight: Tensor, statistics: InputStatistics | None, level, **options) -> MatrixResult

A method over the model defines `masks`, which gets all matrices and yields (name, mask) for each. A method over the
matrix defines `compress`, which gets one matrix per call. Matrices are (out, in); neither function changes them.

A precomputed method may also define `prepare(folder, name, weight) -> dict`. It runs before `compress` on each matrix
and returns additional keyword arguments for it. All levels of a model share the files that it writes to `folder`.
Instead, `prepare_all(settings, model, scope)`, called once, may return such a function of name and weight.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Literal

from junkdna.errors import unknown_name
from junkdna.study.declarations import build_declarations
from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.number_formats import NUMBER_FORMATS

PACKAGE = "compress.methods"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a method. Its type is that of `default`: bool, int or float.

    - `minimum`, `maximum`: bounds of a number.
    - `divides_inputs`: the value must divide the inputs of every matrix, unless it is 0.
    - `only`: the levels that it is for: kinds, or names of number formats; empty for all (`levels.family`).
    - `prunes_more`: with this option a method may prune more than it guarantees.
    - `no_mask`: with this option a method gives no mask.
    - `label`: legend text by value. The key "*" applies to all other values; {} is replaced by the value.
    """

    default: object
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    divides_inputs: bool = False
    only: tuple[str, ...] = ()
    prunes_more: bool = False
    no_mask: bool = False
    label: Mapping[object, str] = field(default_factory=dict)

    def applies(self, family: str) -> bool:
        """Whether it is for levels of a family (`levels.family`)."""
        return not self.only or family in self.only


SCOPE_OPTIONS: dict[str, Option] = {
    "embeddings": Option(
        default=False,
        meaning="compress embedding tables too",
        label={True: "with embeddings", False: "without embeddings"},
    ),
    "layers": Option(
        default=(),
        meaning="name patterns of the matrices to compress, such as 11.mlp; the others stay dense",
        label={(): "all layers", "*": "only {}"},
    ),
    "allocation": Option(
        default="uniform",
        meaning="how the sparsity is divided among the blocks: uniform, owl (less for blocks with more outliers), or a "
        "list of relative sparsities of the blocks",
        label={"uniform": "every block alike", "owl": "OWL", "*": "blocks in proportion {}"},
    ),
    "owl_threshold": Option(
        default=5.0,
        minimum=0,
        meaning="with allocation owl: a weight is an outlier if its score is more than this multiple of the block's "
        "mean score (M of the paper)",
        label={"*": "outliers above {} times the mean"},
    ),
    "owl_lambda": Option(
        default=0.08,
        minimum=0,
        maximum=0.5,
        meaning="with allocation owl: how far the sparsity of a block may be from the overall sparsity, as a fraction "
        "of its weights (lambda of the paper)",
        label={"*": "blocks within {} of the sparsity"},
    ),
    "calibration": Option(
        default=None, meaning="a name among the study's calibrations", label={"*": "calibrated on {}"}
    ),
}
"""Options that select the matrices, the level of each and the texts that a method gets. They are not passed to its
function."""

ALLOCATION = ("allocation", "owl_threshold", "owl_lambda")


@dataclass(frozen=True, kw_only=True)
class Method:
    """The declaration of one compression method; `name` is the stem of its file.

    Fields that numbers depend on:
    - `over`: whether its function gets the model (`masks`) or one matrix (`compress`).
    - `levels`: the kinds of level it accepts (`levels.LEVEL_KINDS`).
    - `options`: keyword arguments of its function, as the arguments of `Option`.
    - `scope`: ("embeddings",) if it accepts this one of `SCOPE_OPTIONS`. All methods accept `layers`, methods with
      statistics `calibration`, and those that `allocates` the options of allocations and `calibration`.
    - `gives`: a mask (kept weights do not change), a weight (nothing is pruned), or both.
    - `statistics`: what it needs of each layer's inputs: nothing, square_sums (norms) or gram (second moments).
    - `random`: whether it draws from the generator.
    - `guarantee`: where a sparsity s is exact, as floor(N s) pruned of N weights: in the model, each matrix or each
      row. Jobs check it. Levels of other kinds have their own guarantee (`compress.report.check_achieved`).
    - `precompute`: whether a separate job compresses the model once for all its cells.

    Display fields: `label` (before a level, "SparseGPT 50 %"), `caption` (in a legend; defaults to the label),
    `line_style` (of matplotlib), `meaning` (one line), `source` (authors and arXiv number).
    """

    name: str = ""
    label: str
    caption: str = ""
    line_style: str | tuple
    meaning: str
    source: str = ""
    over: Literal["model", "matrix"]
    levels: tuple[str, ...]
    options: Mapping[str, Option] = field(default_factory=dict)
    scope: tuple[str, ...] = ()
    gives: Literal["mask", "weight", "both"] = "mask"
    statistics: Literal["", "square_sums", "gram"] = ""
    random: bool = False
    guarantee: Literal["", "model", "matrix", "row"] = ""
    precompute: bool = False

    def __post_init__(self) -> None:
        """Replaces the literals of `options` with `Option`s, and adds the options of the scope. Raises ValueError for
        an inconsistent declaration."""
        options = {name: Option(**literals) for name, literals in self.options.items()}
        if unknown := {*self.scope} - {"embeddings"}:
            raise unknown_name("scope", min(unknown), ["embeddings"])
        given = {*self.scope, "layers", *(ALLOCATION if self.allocates else ())}
        given |= {"calibration"} if self.statistics or self.allocates else set()
        scope = tuple(name for name in SCOPE_OPTIONS if name in given)
        object.__setattr__(self, "caption", self.caption or self.label)
        object.__setattr__(self, "options", options | {name: SCOPE_OPTIONS[name] for name in scope})
        self._check()

    def _check(self) -> None:
        for kind in self.levels:
            if kind not in LEVEL_KINDS:
                raise unknown_name("kind of level", kind, LEVEL_KINDS)
        self._check_options()
        if "sparsity" in self.levels and not self.guarantee:
            raise ValueError("a method that takes a sparsity must declare its guarantee: model, matrix or row")
        if self.gives == "weight" and {*self.levels} - {"bits", "format", "rank"}:
            raise ValueError("a method that gives no mask can take only bits, format or rank")
        if "format" in self.levels and "bits" not in self.levels:
            raise ValueError("a method that takes a format must take bits too: int4 is 4 bits")
        if self.statistics and not self.precompute:
            raise ValueError("a method with statistics must be precomputed")
        if self.precompute and self.over == "model":
            raise ValueError("a method over the model cannot be precomputed")

    def _check_options(self) -> None:
        taken = {"method", *SCOPE_OPTIONS, *(key for kind in LEVEL_KINDS.values() for key in kind.keys)}
        for name, option in self.function_options.items():
            if name in taken:
                raise ValueError(f"option {name}: this key already has a meaning in studies; use another name")
            if type(option.default) not in (bool, int, float):
                raise ValueError(f"option {name}: its default must be true, false or a number, not {option.default!r}")
            if unknown := {*option.only} - {*LEVEL_KINDS, *NUMBER_FORMATS}:
                raise unknown_name("level", min(unknown), {*LEVEL_KINDS, *NUMBER_FORMATS}, f"option {name}: only")

    @property
    def function_options(self) -> dict[str, Option]:
        """The options that its function takes: all except those of the scope."""
        return {name: option for name, option in self.options.items() if name not in SCOPE_OPTIONS}

    @property
    def defaults(self) -> dict[str, object]:
        """Default of every option by name."""
        return {name: option.default for name, option in self.options.items()}

    @property
    def allocates(self) -> bool:
        """Whether a sparsity can be divided among blocks: the method prunes a number in each matrix or row."""
        return "sparsity" in self.levels and self.guarantee in ("matrix", "row")

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"junkdna.{PACKAGE}.{self.name}"


def read_methods() -> dict[str, Method]:
    """File stem -> method. Raises ValueError if two methods give an option different types, because a study has one
    key for it."""
    methods = build_declarations(PACKAGE, "METHOD", lambda name, declared: Method(**declared | {"name": name}))
    types: dict[str, tuple[str, type]] = {}
    for method in methods.values():
        for name, option in method.function_options.items():
            first, kind = types.setdefault(name, (method.name, type(option.default)))
            if type(option.default) is not kind:
                raise ValueError(f"option {name} has different types in {first} and {method.name}; rename one of them")
    return methods


METHODS: dict[str, Method] = read_methods()


@contextmanager
def with_methods(others: Iterable[Method]) -> Iterator[None]:
    """Within the block, `METHODS` also has these, in place of methods of the same names.

    They are methods of other tools, under whose names results are analyzed. They have no modules, so no job can run
    them.
    """
    kept = dict(METHODS)
    METHODS.update({method.name: method for method in others})
    try:
        yield
    finally:
        METHODS.clear()
        METHODS.update(kept)


def load(name: str) -> Callable:
    """The function of a method, `masks` or `compress`. Imports torch. Raises UserError for an unknown name."""
    return getattr(load_module(name), "masks" if METHODS[name].over == "model" else "compress")


def load_module(name: str) -> ModuleType:
    """The module of a method. Imports torch. Raises UserError for an unknown name."""
    if name not in METHODS:
        raise unknown_name("compression method", name, METHODS)
    return import_module(METHODS[name].module)

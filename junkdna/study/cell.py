"""Names of cells: what a cell is, and the path its file stands at. No study is needed to read one.

A cell's path and its key hold the same facts; `parse_cell_path` undoes `Cell.path`.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from junkdna.errors import UserError
from junkdna.study.levels import LEVEL_KINDS, Level, parse_level
from junkdna.study.methods import METHODS
from junkdna.study.paths import CALIBRATION, CELLS, COMPRESSED, MODELS, TOKENS

TRAINING_KNOBS = ("data_fraction",)  # choose among encoded rows, so the tokens files do not depend on them

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,=+-]*")  # of one folder on the way: never "..", never empty

_WORD = re.compile(r"[a-z][a-z_]*")

Knobs = tuple[tuple[str, int | str], ...]


def has_shots(knobs: Knobs) -> bool:
    """Whether prompts show in-context examples at these knob values."""
    return bool(dict(knobs).get("shots"))


@dataclass(frozen=True, order=True)
class Compression:
    """One method at one level: level and options as they stand in names ("0.7", "keep2of4", "4bit"; group=64)."""

    method: str = "dense"
    level: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @cached_property
    def tag(self) -> str:
        """Name in paths and tables: "dense", "magnitude-0.7", "nm-keep2of4", "gptq-4bit,calibration=c4,group=64"."""
        named = [f"{name}={value}" for name, value in self.options]
        return ",".join([f"{self.method}-{self.level}" if self.level else self.method, *named])

    @property
    def value(self) -> Level:
        """The level as the method's function takes it."""
        return parse_level(self.level)[1]

    @property
    def nominal_sparsity(self) -> float:
        """Fraction of the scope's weights that the level asks to prune (0 for dense, quantized and low-rank)."""
        if not self.level:
            return 0.0
        kind, value = parse_level(self.level)
        return LEVEL_KINDS[kind].sparsity(value)


@dataclass(frozen=True, order=True)
class Cell:
    """One (model, task, knobs, compression, transfer mode, seed) under one protocol: one job, one Parquet file."""

    model: str
    task: str
    knobs: Knobs
    compression: Compression
    transfer: str
    protocol: str
    seed: int

    @cached_property
    def key(self) -> str:
        """The cell's path below `results/cells`, without its ending: a readable, unique name."""
        parts = (self.model, self.task, knob_text(self.knobs), self.compression.tag, self.transfer, self.protocol)
        return "/".join((*parts, f"seed-{self.seed}"))

    @cached_property
    def path(self) -> str:
        """Where the cell's file stands, relative to the working directory."""
        return f"{CELLS}/{self.key}.parquet"

    @property
    def model_folder(self) -> str:
        """The folder of the model the cell reads."""
        return f"{MODELS}/{self.model}"

    @property
    def compressed_path(self) -> str | None:
        """The stored compression that the cell reads; None for dense and for methods worked out in the cell."""
        method = METHODS.get(self.compression.method)
        if method is None or not method.precompute:
            return None
        return compressed_path(self.model, self.compression, self.seed if method.seeded else 0)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the tokens that the cell reads."""
        return ("evaluate",) if self.transfer == "none" else ("train", "evaluate")

    @property
    def token_knobs(self) -> Knobs:
        """The knobs that the tokens depend on."""
        return tuple(pair for pair in self.knobs if pair[0] not in TRAINING_KNOBS)

    def tokens_path(self, role: str) -> str:
        """The tokens of one role that the cell reads."""
        return f"{TOKENS}/{self.model}/{self.task}/{knob_text(self.token_knobs)}/{self.protocol}/{role}.arrow"


def compressed_path(model: str, compression: Compression, seed: int) -> str:
    """Where a stored compression stands."""
    return f"{COMPRESSED}/{model}/{compression.tag}/seed-{seed}.safetensors"


def calibration_path(model: str, calibration: str, seed: int | str) -> str:
    """Where the calibration rows of one seed stand."""
    return f"{CALIBRATION}/{model}/{calibration}/seed-{seed}.parquet"


def knob_text(knobs: Knobs) -> str:
    """Such as "context=passage,options=3"; "plain" where every knob stands at its default."""
    return ",".join(f"{name}={value}" for name, value in knobs) or "plain"


def parse_knobs(text: str) -> Knobs:
    """The knobs that `knob_text` wrote; whole numbers come back as numbers. ValueError for any other text."""
    if text == "plain":
        return ()
    if not re.fullmatch(r"[a-z_]+=[A-Za-z0-9_.]+(,[a-z_]+=[A-Za-z0-9_.]+)*", text):
        raise ValueError(text)
    pairs = (part.split("=", 1) for part in text.split(","))
    return tuple((name, int(value) if value.isdigit() else value) for name, value in pairs)


def parse_compression(tag: str) -> Compression:
    """The compression that `Compression.tag` wrote; ValueError for any other text. Knows no methods."""
    if tag == "dense":
        return Compression()
    head, *named = tag.split(",")
    method, _, level = head.partition("-")
    kind, value = parse_level(level)
    options = tuple((name, text) for name, text in (part.split("=", 1) for part in named))
    ordered = sorted({name for name, _ in options}) == [name for name, _ in options]
    if method == "dense" or not _WORD.fullmatch(method) or LEVEL_KINDS[kind].is_identity(value) or not ordered:
        raise ValueError(tag)
    return Compression(method, level, options)


def parse_cell_path(path: str) -> Cell:
    """The cell whose file (or key) `path` is. Raises UserError when it is not one that `Cell.path` writes."""
    key = path.removeprefix(f"{CELLS}/").removesuffix(".parquet")
    inner = key.split("/")
    try:
        model, task, knobs, compression, transfer, protocol, seed = inner
        cell = Cell(
            model, task, parse_knobs(knobs), parse_compression(compression), transfer, protocol,
            int(seed.removeprefix("seed-")),
        )  # fmt: skip
        if cell.key != key or cell.seed < 0 or not all(map(_NAME.fullmatch, inner)):
            raise ValueError(path)
    except ValueError:
        raise UserError(
            f"{path!r} is not a cell's path; it should look like "
            f"{CELLS}/MODEL/TASK/KNOBS/COMPRESSION/TRANSFER/PROTOCOL/seed-N.parquet (see `junkdna plan --list`)."
        ) from None
    return cell

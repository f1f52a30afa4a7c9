"""Cells and the paths of their files. A path contains everything that identifies a cell; `parse_cell_path` reads it
without a study."""

import re
from dataclasses import dataclass
from functools import cached_property

from junkdna.errors import UserError
from junkdna.study.levels import LEVEL_KINDS, Level, family, parse_level
from junkdna.study.methods import METHODS
from junkdna.study.paths import CALIBRATION, CELLS, COMPRESSED, MODELS, TOKENS

TRAINING_KNOBS = ("data_fraction",)  # select rows of the tokens files, so the files do not depend on them

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,=+-]*")  # a folder name: never "..", never empty

Knobs = tuple[tuple[str, int | str], ...]


def has_shots(knobs: Knobs) -> bool:
    """Whether prompts show in-context examples at these knob values."""
    return bool(dict(knobs).get("shots"))


@dataclass(frozen=True, order=True)
class Compression:
    """A method at a level. Level and options are texts as in names ("0.7", "keep2of4", "4bit"; group=64)."""

    method: str = "dense"
    level: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @cached_property
    def tag(self) -> str:
        """Name in paths and tables: "dense", "magnitude-0.7", "nm-keep2of4", "gptq-4bit,calibration=c4,group=64"."""
        options = [f"{name}={value}" for name, value in self.options]
        return ",".join([f"{self.method}-{self.level}" if self.level else self.method, *options])

    @property
    def value(self) -> Level:
        """The level as the argument of the method's function."""
        return parse_level(self.level)[1]

    @property
    def family(self) -> str:
        """What its options depend on (`levels.family`); "" if dense."""
        return family(*parse_level(self.level)) if self.level else ""

    @property
    def nominal_sparsity(self) -> float:
        """Fraction of the weights in scope that the level prunes (0 for dense, quantized, low-rank and external)."""
        if not self.level:
            return 0.0
        kind, value = parse_level(self.level)
        return LEVEL_KINDS[kind].sparsity(value)

    @property
    def calibrated(self) -> bool:
        """Whether it reads calibration samples: for its method, or for an allocation by outliers."""
        method = METHODS.get(self.method)
        return method is not None and (bool(method.statistics) or ("allocation", "owl") in self.options)

    @property
    def stored(self) -> bool:
        """Whether a separate job computes it once for all cells of a model."""
        return self.calibrated or (self.method in METHODS and METHODS[self.method].precompute)

    @property
    def seeded(self) -> bool:
        """Whether the result depends on the seed: by random draws or by the calibration samples."""
        return self.calibrated or (self.method in METHODS and METHODS[self.method].random)


@dataclass(frozen=True, order=True)
class Cell:
    """A (model, task, knobs, compression, transfer mode, seed) under a protocol: one job and one Parquet file."""

    model: str
    task: str
    knobs: Knobs
    compression: Compression
    transfer: str
    protocol: str
    seed: int

    @cached_property
    def key(self) -> str:
        """The cell's unique name: its path below `results/cells`, without the file extension."""
        parts = (self.model, self.task, knob_text(self.knobs), self.compression.tag, self.transfer, self.protocol)
        return "/".join((*parts, f"seed-{self.seed}"))

    @cached_property
    def path(self) -> str:
        """Path of the cell's file, relative to the working directory."""
        return f"{CELLS}/{self.key}.parquet"

    @property
    def model_folder(self) -> str:
        """Folder of the model that the cell reads."""
        return f"{MODELS}/{self.model}"

    @property
    def compressed_path(self) -> str | None:
        """Path of the compressed weights that the cell reads; None for compressions that are not `stored`."""
        if not self.compression.stored:
            return None
        return compressed_path(self.model, self.compression, self.seed if self.compression.seeded else 0)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the tokens files that the cell reads."""
        return ("evaluate",) if self.transfer == "none" else ("train", "evaluate")

    @property
    def token_knobs(self) -> Knobs:
        """The knobs on which the tokens files depend."""
        return tuple(pair for pair in self.knobs if pair[0] not in TRAINING_KNOBS)

    def tokens_path(self, role: str) -> str:
        """Path of the tokens file of a role."""
        return f"{TOKENS}/{self.model}/{self.task}/{knob_text(self.token_knobs)}/{self.protocol}/{role}.arrow"


def compressed_path(model: str, compression: Compression, seed: int) -> str:
    """Path of compressed weights."""
    return f"{COMPRESSED}/{model}/{compression.tag}/seed-{seed}.safetensors"


def calibration_path(model: str, calibration: str, seed: int | str) -> str:
    """Path of the calibration rows of a seed."""
    return f"{CALIBRATION}/{model}/{calibration}/seed-{seed}.parquet"


def knob_text(knobs: Knobs) -> str:
    """Knobs as text, such as "context=passage,options=3"; "plain" if every knob has its default."""
    return ",".join(f"{name}={value}" for name, value in knobs) or "plain"


def parse_knobs(text: str) -> Knobs:
    """The knobs that `knob_text` wrote, with whole numbers as int. Raises ValueError for any other text."""
    if text == "plain":
        return ()
    if not re.fullmatch(r"[a-z_]+=[A-Za-z0-9_.]+(,[a-z_]+=[A-Za-z0-9_.]+)*", text):
        raise ValueError(text)
    pairs = (part.split("=", 1) for part in text.split(","))
    return tuple((name, int(value) if value.isdigit() else value) for name, value in pairs)


def parse_compression(tag: str) -> Compression:
    """The compression whose `tag` is given; methods are not checked. Raises ValueError for any other text."""
    if tag == "dense":
        return Compression()
    head, *pairs = tag.split(",")
    method, _, level = head.partition("-")
    kind, value = parse_level(level)
    options = tuple((name, text) for name, text in (part.split("=", 1) for part in pairs))
    ordered = sorted({name for name, _ in options}) == [name for name, _ in options]
    if (
        method == "dense"
        or not re.fullmatch("[a-z][a-z0-9_]*", method)
        or LEVEL_KINDS[kind].is_identity(value)
        or not ordered
    ):
        raise ValueError(tag)
    return Compression(method, level, options)


def parse_cell_path(path: str) -> Cell:
    """The cell with this `path` (or key). Raises UserError for a text that is no path of a cell."""
    key = path.removeprefix(f"{CELLS}/").removesuffix(".parquet")
    folders = key.split("/")
    try:
        model, task, knobs, compression, transfer, protocol, seed = folders
        cell = Cell(
            model, task, parse_knobs(knobs), parse_compression(compression), transfer, protocol,
            int(seed.removeprefix("seed-")),
        )  # fmt: skip
        if cell.key != key or cell.seed < 0 or not all(map(_NAME.fullmatch, folders)):
            raise ValueError(path)
    except ValueError:
        raise UserError(
            f"{path!r} is not the path of a cell. The pattern is "
            f"{CELLS}/MODEL/TASK/KNOBS/COMPRESSION/TRANSFER/PROTOCOL/seed-N.parquet (see `junkdna plan --list`)."
        ) from None
    return cell

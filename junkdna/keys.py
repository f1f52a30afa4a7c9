"""Names of cells: what a cell is, and the path its file stands at. No study is needed to read one.

A cell's path and its key hold the same facts; `parse_cell_path` undoes `Cell.path`.
"""

import re
from dataclasses import dataclass

from junkdna.errors import UserError

CELLS = "results/cells"
TOKENS = "results/tokens"
MODELS = "results/models"
EXAMPLES = "results/examples"
TRAINING_KNOBS = ("data_fraction",)  # choose among encoded rows, so the encoded files do not depend on them
FOOTER_KEY = b"junkdna"  # where a cell file's footer holds its provenance

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,=-]*")  # of one folder on the way: never "..", never empty

Knobs = tuple[tuple[str, int | str], ...]


def has_shots(knobs: Knobs) -> bool:
    """Whether prompts show in-context examples at these knob values."""
    return bool(dict(knobs).get("shots"))


@dataclass(frozen=True, order=True)
class Compression:
    """One method at one level. `sparsity` is the fraction pruned; keep-n-of-m methods give `keep` and `of`."""

    method: str = "dense"
    sparsity: float | None = None
    keep: int | None = None
    of: int | None = None

    @property
    def tag(self) -> str:
        """Name in paths and tables: "dense", "magnitude-0.7", "nm-keep2of4"."""
        if self.method == "dense":
            return "dense"
        level = f"{self.sparsity:.6g}" if self.keep is None else f"keep{self.keep}of{self.of}"
        return f"{self.method}-{level}"

    @property
    def nominal_sparsity(self) -> float:
        """Fraction of the scope's weights that the level asks to prune (0 for dense)."""
        if self.keep is not None:
            return 1 - self.keep / self.of
        return self.sparsity or 0.0

    @property
    def level(self) -> float | tuple[int, int] | None:
        """The level as the method's function takes it."""
        return (self.keep, self.of) if self.keep is not None else self.sparsity


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

    @property
    def key(self) -> str:
        """The cell's path below `results/cells`, without its ending: a readable, unique name."""
        parts = (self.model, self.task, knob_text(self.knobs), self.compression.tag, self.transfer, self.protocol)
        return "/".join((*parts, f"seed-{self.seed}"))

    @property
    def path(self) -> str:
        """Where the cell's file stands, relative to the working directory."""
        return f"{CELLS}/{self.key}.parquet"

    @property
    def model_folder(self) -> str:
        """The folder of the model the cell reads."""
        return f"{MODELS}/{self.model}"

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the encoded examples that the cell reads."""
        return ("evaluate",) if self.transfer == "none" else ("train", "evaluate")

    @property
    def token_knobs(self) -> Knobs:
        """The knobs that the encoded examples depend on."""
        return tuple(pair for pair in self.knobs if pair[0] not in TRAINING_KNOBS)

    def tokens_path(self, role: str) -> str:
        """The encoded examples of one role that the cell reads."""
        return f"{TOKENS}/{self.model}/{self.task}/{knob_text(self.token_knobs)}/{self.protocol}/{role}.arrow"


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
    """The compression that `Compression.tag` wrote."""
    if tag == "dense":
        return Compression()
    keep_of = re.fullmatch(r"([a-z_]+)-keep(\d+)of(\d+)", tag)
    if keep_of:
        found = Compression(keep_of[1], keep=int(keep_of[2]), of=int(keep_of[3]))
        if not 0 <= found.keep < found.of:
            raise ValueError(tag)
        return found
    method, level = tag.split("-", 1)
    if not method or not 0 < float(level) <= 1:
        raise ValueError(tag)
    return Compression(method, sparsity=float(level))


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

"""How large a file that is not there yet will be: from files like it, else by formula. Bytes in whole blocks."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from statistics import fmean
from zipfile import BadZipFile, ZipFile

from junkdna.cell_time import row_count
from junkdna.compress.registry import METHODS
from junkdna.keys import EXAMPLES, MODELS, Cell, has_shots, wheel_path
from junkdna.sources import WHEELS_VARIABLE
from junkdna.study import Resolved

BLOCK = 4096
ROWS = 1000  # of a task whose rows nobody has counted
ROW_BYTES = 200  # of an example
TOKEN_ROW_BYTES, OPTION_BYTES = 90, 20  # of an encoded row besides its token ids
CELL_BYTES, CELL_ROW_BYTES, CELL_OPTION_BYTES = 7_000, 15, 5
FIGURE_BYTES = {"pdf": 32_000, "png": 140_000, "svg": 104_000}
BITS = {"q8_0": 8.5, "q6_k": 6.6, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5, "f16": 16, "bf16": 16, "f32": 32}
ZIPPED = 1.09  # a model's files over the wheel that holds them: weights hardly shrink
MATRICES = 0.55  # of a model's weights are in matrices that compression works on, where nobody has looked
NOT_MATRICES = ("*embed*", "*lm_head*", "*pooler*", "*wte*", "*wpe*")


def whole(size: float) -> int:
    """Bytes in whole blocks."""
    return -int(-size // BLOCK) * BLOCK


class Guesses:
    """Sizes of files that a study will make. Looks at what is there when it is asked; None where nothing is known."""

    def __init__(self, cells: Iterable[Cell], resolved: Resolved) -> None:
        self.resolved = resolved
        self._cells = list(cells)
        self._rows: dict[tuple[str, str], int] = {}
        self._sizes = self._sizes_of_cells()
        self._models: dict[str, int | None] = {}
        self._shapes: dict[str, list[list[int]] | None] = {}

    def _sizes_of_cells(self) -> dict[tuple, list[int]]:
        found: dict[tuple, list[int]] = defaultdict(list)
        for cell in self._cells:
            try:
                size = os.stat(cell.path).st_size
            except OSError:
                continue
            for key in ((cell.model, cell.task, cell.knobs), (cell.model, cell.task)):
                found[key].append(size)
        return found

    def rows(self, task: str, role: str) -> int:
        """Examples of a task in a role, counted or guessed."""
        if (task, role) not in self._rows:
            self._rows[task, role] = row_count(task, role, self.resolved) or ROWS
        return self._rows[task, role]

    def wheel(self, name: str) -> int | None:
        """A pinned wheel, by its pin or where JUNKDNA_WHEELS holds it."""
        pin = self.resolved.study.pins()[name]
        if pin.size_bytes is not None:
            return whole(pin.size_bytes)
        held = self._held(name)
        return whole(held.stat().st_size) if held else None

    def _held(self, name: str) -> Path | None:
        """The file of a wheel that is on this machine."""
        places = [Path(wheel_path(name))]
        if folder := os.environ.get(WHEELS_VARIABLE):
            places.append(Path(folder) / self.resolved.study.pins()[name].filename)
        return next((place for place in places if place.is_file()), None)

    def model(self, name: str) -> int | None:
        """A model's folder. Files of a local folder and of the Hub's cache are linked; what the Hub's cache has yet to
        take in is unknown."""
        if name not in self._models:
            self._models[name] = self._model(name)
        return self._models[name]

    def _model(self, name: str) -> int | None:
        spec = self.resolved.study.models[name]
        if spec.wheel is None:
            return 3 * BLOCK if spec.local is not None or hub_cached(spec.hub, "models") else None
        held = self._held(spec.wheel)
        expands = 32 / _bits(spec.path) if spec.path.endswith(".gguf") else 1
        if held:
            try:
                with ZipFile(held) as archive:
                    inside = [each.file_size for each in archive.infolist() if each.filename.startswith(spec.path)]
                return sum(whole(size * expands) for size in inside) + 2 * BLOCK
            except (BadZipFile, OSError):
                pass
        wheel = self.wheel(spec.wheel)
        return None if wheel is None else whole(wheel * (expands if expands > 1 else ZIPPED))

    def shapes(self, name: str) -> list[list[int]] | None:
        """Shapes of the matrices that compression works on, from the headers of a model's weights that are there."""
        if name not in self._shapes:
            local = self.resolved.study.models[name].local
            folders = [Path(f"{MODELS}/{name}"), *([Path(local).expanduser()] if local else [])]
            files = next((found for folder in folders if (found := sorted(folder.glob("*.safetensors")))), [])
            self._shapes[name] = [shape for file in files for shape in _matrices(file)] or None
        return self._shapes[name]

    def weights(self, name: str) -> float | None:
        """How many numbers those matrices hold."""
        shapes, size = self.shapes(name), self.model(name)
        if shapes:
            return sum(map(prod, shapes))
        return None if size is None else size / 4 * MATRICES

    def factors(self, name: str) -> int:
        """The singular vectors that are kept beside a model for every rank; 0 where its shapes are unknown."""
        shapes = self.shapes(name) or []
        return sum(whole(4 * (out + inner + 1) * min(out, inner)) for out, inner in shapes)

    def compressed(self, cell: Cell) -> int | None:
        """The stored compression that a cell reads: a bit a weight for a mask, the weight itself for a new value."""
        weights = self.weights(cell.model)
        if weights is None:
            return None
        bits = 16 if self.resolved.study.models[cell.model].dtype == "bfloat16" else 32
        gives = METHODS[cell.compression.method].gives
        return whole(weights * {"mask": 1, "weight": bits, "both": bits + 1}[gives] / 8 + BLOCK)

    def examples(self, task: str, role: str) -> int:
        """Examples of a task, by those of its other roles."""
        made = Path(f"{EXAMPLES}/{task}").glob("*.parquet")
        known = [file.stat().st_size / max(self.rows(task, file.stem), 1) for file in made]
        return whole(3_000 + self.rows(task, role) * (fmean(known) if known else ROW_BYTES))

    def tokens(self, cell: Cell, role: str) -> int:
        """Encoded examples, at half the longest length."""
        task = self.resolved.tasks[cell.task]
        kind = self.resolved.study.models[cell.model].kind
        longest = self.resolved.study.protocol(cell.protocol, task).length(kind)
        texts = min(longest / 2, 1024 if has_shots(cell.knobs) else 60)
        return whole(
            4_000 + self.rows(cell.task, role) * (TOKEN_ROW_BYTES + OPTION_BYTES * self._options(cell) + 4 * texts)
        )

    def cell(self, cell: Cell) -> int:
        """A cell's file, by finished ones of its task."""
        for key in ((cell.model, cell.task, cell.knobs), (cell.model, cell.task)):
            if key in self._sizes:
                return whole(fmean(self._sizes[key]))
        row = CELL_ROW_BYTES + CELL_OPTION_BYTES * self._options(cell)
        return whole(CELL_BYTES + row * self.rows(cell.task, "evaluate"))

    def _options(self, cell: Cell) -> int:
        return {**self.resolved.tasks[cell.task].knob_defaults(), **dict(cell.knobs)}.get("options", 1)


def hub_cached(repository: str, kind: str) -> bool:
    """Whether the Hub's cache on this machine holds a repository ("models" or "datasets"), or it is a folder."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return Path(repository).is_dir() or any((cache / f"{kind}--{repository.replace('/', '--')}/snapshots").glob("*"))


def _bits(path: str) -> float:
    """Bits a weight of a GGUF file, as its name says; 8 where it does not."""
    return next((bits for name, bits in BITS.items() if name in path.lower()), 8)


def _matrices(file: Path) -> list[list[int]]:
    try:
        with file.open("rb") as content:
            header = json.loads(content.read(int.from_bytes(content.read(8), "little")))
        shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return []
    return [
        shape
        for name, shape in shapes.items()
        if len(shape) == 2 and not any(fnmatchcase(name, pattern) for pattern in NOT_MATRICES)
    ]

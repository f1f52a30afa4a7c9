"""Patterns in `layers` that match no matrix of a model folder on this machine, found before any job starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from junkdna.compress.layer_patterns import select_layers
from junkdna.dag.model_blocks import all_matrices, block_matrices
from junkdna.errors import UserError
from junkdna.study.cell import Compression
from junkdna.study.options import compression_options


def unmatched_layers(folder: Path, kind: str, compressions: Sequence[Compression], where: str) -> Iterator[str]:
    """One line for each `layers` of the compressions with a pattern that matches no matrix of the model.

    Names in the headers of the files are compared first. They can differ from those of the model (a prefix, for
    example), so if a pattern matches none of them, the model is built without values, which imports torch. A pattern
    that matches in the files only is left to its job.
    """
    all_options = map(compression_options, compressions)
    asked = {(bool(each.get("embeddings")), *each["layers"]) for each in all_options if each.get("layers")}
    for tables, *patterns in sorted(asked):
        stored = all_matrices(folder, where) if tables else block_matrices(folder, where)
        error = _mismatch([*stored], patterns) and _mismatch_in_model(folder, kind, patterns, tables)
        if error:
            yield f"{where}: {error}"


def _mismatch_in_model(folder: Path, kind: str, patterns: Sequence[str], tables: bool) -> UserError | None:
    """The error of `select_layers` on the matrices of the model that a cell loads: plain or, of an encoder that is
    trained, with its head. None if the patterns match in one of them, or if no such model can be built here."""
    from junkdna.compress.scope import body_name, prunable
    from junkdna.models.empty_model import empty_model

    errors = []
    for each in (kind, "classifier") if kind == "encoder" else (kind,):
        try:
            model = empty_model(folder, each)
            heads = [name for name, _ in model.named_parameters() if body_name(model, name) == name]
            matrices = prunable(model, heads if each == "classifier" else None, tables, loaded=False)
        except UserError:  # the job says what is wrong with the model
            continue
        errors.append(_mismatch([matrix.name for matrix in matrices], patterns))
    return errors[0] if errors and all(errors) else None


def _mismatch(names: Sequence[str], patterns: Sequence[str]) -> UserError | None:
    try:
        select_layers(names, patterns)
    except UserError as error:
        return error
    return None

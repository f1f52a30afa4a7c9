"""Read what an external checkpoint or mask file has for the matrices of a model; check that nothing else differs."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from junkdna.compress.scope import Prunable
from junkdna.errors import UserError
from junkdna.models.external_headers import MASKS_KIND, checkpoint_shapes, in_names_of, mask_problem, mask_shapes
from junkdna.models.load import check_finite, load_plain
from junkdna.storage.globs import local_folder
from junkdna.storage.tensor_header import file_kind
from junkdna.storage.tensors import read_tensors, unpack
from junkdna.study.external import MASK_SUFFIX

log = logging.getLogger(__name__)

STORED = (torch.float16, torch.bfloat16)
"""Types to which a tool may have rounded the weights that it did not compress."""
FREE = (
    "architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "id2label", "label2id", "num_labels",
    "problem_type", "pad_token_id", "bos_token_id", "eos_token_id", "output_attentions", "output_hidden_states",
    "return_dict", "initializer_range",
)  # fmt: skip
"""Keys of config.json that change no output of a model without a task head."""


def external_matrices(
    path: str, model: nn.Module, kind: str, dtype: str, scope: Sequence[Prunable], quantized: bool
) -> dict[str, Tensor]:
    """Name -> what the folder or file at `path` has for each matrix of `scope`, as (out, in): its new weights in the
    dtype of the model, or its bool mask (True = kept).

    `model` is the dense model, loaded as `kind` in `dtype`. A file may lack the masks of some matrices, which stay
    dense. Raises UserError if names, shapes or configurations differ, if a weight outside the scope differs by more
    than the rounding to 16 bits, or if nothing is compressed.
    """
    if not local_folder(path).exists():
        raise UserError(f"external compression {path}: does not exist (relative to {str(Path.cwd())!r}). Name another.")
    if path.endswith(MASK_SUFFIX):
        return _masks(local_folder(path), f"external mask file {path}", model, scope)
    return _weights(local_folder(path), f"external checkpoint {path}", model, kind, dtype, scope, quantized)


def _weights(
    folder: Path, where: str, model: nn.Module, kind: str, dtype: str, scope: Sequence[Prunable], quantized: bool
) -> dict[str, Tensor]:
    checkpoint_shapes(folder, where)
    other = load_plain(folder, kind, dtype)
    check_finite(other, folder)
    _check_config(where, model.config.to_dict(), other.config.to_dict())
    theirs = {name: parameter.detach() for name, parameter in other.named_parameters()}
    ours = {name: parameter.detach() for name, parameter in model.named_parameters()}
    _check_names(where, ours, theirs)
    _check_outside(where, ours, theirs, {each.name for each in scope})
    if not quantized and not any(((theirs[each.name] == 0) & (ours[each.name] != 0)).any() for each in scope):
        raise UserError(
            f"{where}: prunes nothing: no weight in scope is 0 that the model has. If it is quantized, low rank or "
            "changed in another way, write `quantized: true`."
        )
    if all(torch.equal(theirs[each.name], ours[each.name]) for each in scope):
        raise UserError(f"{where}: its weights are those of the dense model. Name the compressed checkpoint.")
    return {each.name: theirs[each.name].t() if each.transposed else theirs[each.name] for each in scope}


def _check_config(where: str, ours: dict, theirs: dict) -> None:
    """Raises UserError if a key that may change outputs has another value."""
    keys = [key for key in sorted({*ours, *theirs} - {*FREE}) if not key.startswith("_")]
    if other := [key for key in keys if ours.get(key) != theirs.get(key)]:
        key, more = other[0], f" ({len(other)} keys differ)" if other[1:] else ""
        raise UserError(
            f"{where}: its config.json has {key} {theirs.get(key)!r}, but the model has {ours.get(key)!r}{more}. So "
            "its weights belong to another function. Name a checkpoint of this model; if the difference does not "
            "matter, copy the model's config.json into a copy of the folder."
        )


def _check_names(where: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    if other := sorted({*ours} ^ {*theirs}):
        raise UserError(
            f"{where}: {len(other)} parameters are only in one of checkpoint and model (such as {other[0]}). It was "
            "made of another model."
        )
    for name, weight in theirs.items():
        if weight.shape != ours[name].shape:
            raise UserError(
                f"{where}: {name} is {tuple(weight.shape)}, but {tuple(ours[name].shape)} in the model. It was made of "
                "another model."
            )


def _check_outside(where: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], scope: set[str]) -> None:
    """Raises UserError, with name and count, if a weight outside the scope differs by more than rounding."""
    outside = [name for name in ours if name not in scope and "pooler" not in name]  # poolers are never used
    changed = [name for name in outside if not torch.equal(ours[name], theirs[name])]
    for name in changed:
        if not any(_rounds_to(ours[name], theirs[name], kind) for kind in STORED):
            raise _outside_error(where, name, ours[name], theirs[name], len(changed))
    if changed:
        log.warning("%s: %d parameters outside the scope are rounded; the model's own are used.", where, len(changed))


def _outside_error(where: str, name: str, ours: Tensor, theirs: Tensor, parameters: int) -> UserError:
    return UserError(
        f"{where}: {parameters} parameters outside the scope of compression differ from the model, such as {name} "
        f"({int((ours != theirs).sum()):,} of its {ours.numel():,} values). Scores of the compressed matrices alone "
        "would not be those of this checkpoint. If embeddings were compressed, write `embeddings: true`. A checkpoint "
        "that was fine-tuned after pruning is no compression of this model: name it under `models:` and score it as is."
    )


def _rounds_to(ours: Tensor, theirs: Tensor, kind: torch.dtype) -> bool:
    return torch.equal(ours.to(kind).to(ours.dtype), theirs)


def _masks(file: Path, where: str, model: nn.Module, scope: Sequence[Prunable]) -> dict[str, Tensor]:
    shapes = mask_shapes(file, where)
    targets = {each.name: each for each in scope}
    if problem := mask_problem(shapes, {name: tuple(each.parameter.shape) for name, each in targets.items()}):
        others = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        outside = "" if mask_problem(shapes, others) else " (they are outside the scope of compression)"
        raise UserError(f"{where}: {problem}{outside}. `junkdna doctor --model` lists the matrices in scope.")
    names, stored = in_names_of(shapes, targets), _stored_masks(file, where, shapes)
    masks = {names[name]: mask for name, mask in stored.items()}
    if all(mask.all() for mask in masks.values()):
        raise UserError(f"{where}: prunes nothing: every mask is 1 everywhere. 1 is kept, 0 is pruned.")
    if left := [name for name in targets if name not in masks]:
        log.warning("%s: has no mask for %d of %d matrices; they stay dense.", where, len(left), len(targets))
    return {name: _mask_of(each, masks.get(name)) for name, each in targets.items()}


def _mask_of(target: Prunable, mask: Tensor | None) -> Tensor:
    """The mask as (out, in); all True without one."""
    if mask is None:
        return torch.ones_like(target.matrix(), dtype=torch.bool, memory_format=torch.contiguous_format)
    return mask.t().contiguous() if target.transposed else mask


def _stored_masks(file: Path, where: str, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The masks of a file in the shapes of their parameters, as bool. Raises UserError for values except 0 and 1."""
    if file_kind(file, MASKS_KIND):
        packed, _ = read_tensors(file, MASKS_KIND)
        return {name: unpack(packed[name], shape) for name, shape in shapes.items()}
    masks = load_file(file)
    for name, mask in masks.items():
        if ((mask != 0) & (mask != 1)).any():
            raise UserError(f"{where}: {name} has values other than 0 (pruned) and 1 (kept). Save it as bool.")
    return {name: mask.bool() for name, mask in masks.items()}

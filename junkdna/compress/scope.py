"""Which weights of a model may be pruned, found by the model's structure and never by the names of its parts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from junkdna.compress.checks import DTYPES
from junkdna.errors import UserError, unknown_name


@dataclass(frozen=True)
class Prunable:
    """One weight that may be pruned. `transposed`: stored (in, out), as transformers' Conv1D does."""

    name: str
    parameter: nn.Parameter
    transposed: bool

    def matrix(self) -> Tensor:
        """The weight as (out, in), detached: a view, so writing to it writes to the parameter."""
        stored = self.parameter.detach()
        return stored.t() if self.transposed else stored


def matrices(prunables: Sequence[Prunable]) -> dict[str, Tensor]:
    """{name: (out, in) view}: what the mask functions take."""
    return {prunable.name: prunable.matrix() for prunable in prunables}


def prunable(
    model: nn.Module,
    prune_head: bool = False,
    head_names: Sequence[str] = (),
    embeddings: bool = False,
    loaded: bool = True,
) -> list[Prunable]:
    """The weights of the linear layers (`nn.Linear`, transformers' `Conv1D`) inside the transformer blocks, in order.

    Out are embeddings, norms, biases, poolers, input and output projections and heads. A parameter used twice is listed
    once, at its first place. Behind the blocks come, where asked for:

    - `embeddings`: the tables of all `nn.Embedding`s, in blocks and outside: words, positions, segments, relative
      positions. The paper's code prunes them unless told `--noembed` (it goes by "embed" in the name). A table is
      (rows, width); a language-model head tied to one stands under the table's name.
    - `prune_head`: the 2-D weights among `head_names` (full parameter names, biases in it are passed over).

    `loaded` False takes a model on the meta device, whose weights have shapes but no values, to look at the scope.

    Raises `UserError` where no block is found; where a weight in a block is packed, quantized, or a matrix that belongs
    to no linear layer (fused experts, convolutions: they would stay dense unseen); where a weight to prune is also an
    embedding, and `embeddings` is off; where the head's names match nothing. Blocks of mixed classes (hybrid models)
    are not searched.
    """
    assert prune_head or not head_names, "head_names given without prune_head"
    lists = block_lists(model)
    found = [each for path, blocks in lists for each in _in_blocks(path, blocks)]
    if embeddings:
        found += [_plain(name, table) for name, table in _embeddings(model)]
    if prune_head:
        found += _in_head(model, head_names, inside=[f"{path}." for path, _ in lists])
    if loaded:
        _refuse_meta(found)
    outside = {} if embeddings else {id(table.weight): f"{name}.weight" for name, table in _embeddings(model)}
    return _once(found, outside)


def block_lists(model: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """(path, list) of every list of transformer blocks: the outermost `nn.ModuleList`s whose members are of one class
    and hold linear layers. Raises `UserError` where there is none."""
    lists = list(_block_lists(model, ""))
    if not lists:
        raise UserError(_no_block(model))
    return lists


def body_name(model: nn.Module, name: str) -> str:
    """The name that a parameter of `model` has in its body alone, so that masks made on one fit the other.

    "bert.encoder.layer.0..." of a classifier is "encoder.layer.0..." in the plain model. Names outside the body (heads)
    and of a model that is its own body stay as they are.
    """
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    has_body = getattr(model, "base_model", model) is not model
    return name.removeprefix(prefix) if has_body else name


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _linear_like(module: nn.Module) -> bool:
    """Also the replacements that quantizers put in (QuantLinear, WQLinear, ...), which have to be refused by name."""
    leaf = next(module.children(), None) is None
    return _is_linear(module) or (leaf and "Linear" in type(module).__name__)


def _block_lists(module: nn.Module, path: str) -> Iterator[tuple[str, nn.ModuleList]]:
    """Bare linear layers in a list (heads) are no blocks."""
    for name, child in module.named_children():
        child_path = f"{path}.{name}" if path else name
        if not isinstance(child, nn.ModuleList):
            yield from _block_lists(child, child_path)
        elif _is_block_list(child):
            yield child_path, child


def _is_block_list(blocks: nn.ModuleList) -> bool:
    one_class = len({type(block) for block in blocks}) == 1
    return one_class and not _linear_like(blocks[0]) and any(_linear_like(part) for part in blocks.modules())


def _in_blocks(path: str, blocks: nn.ModuleList) -> Iterator[Prunable]:
    for name, module in blocks.named_modules(prefix=path):
        if _linear_like(module):
            yield _plain(name, module)
        elif not isinstance(module, nn.Embedding):
            for own, parameter in module.named_parameters(recurse=False):
                if parameter.ndim >= 2:
                    raise UserError(
                        f"{name}.{own}: shape {tuple(parameter.shape)} in a {type(module).__name__} is a weight inside "
                        "the blocks that belongs to no linear layer; it would stay dense without being counted. Models "
                        "with fused experts or convolutions in their blocks are not supported: use another model."
                    )


def _plain(name: str, module: nn.Module) -> Prunable:
    """The weight of a linear layer or table; refuses every kind of weight whose scalars cannot be read and set to 0."""
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    problem = None
    if weight is None or not (_is_linear(module) or isinstance(module, nn.Embedding)):
        problem = f"a {type(module).__name__} without a plain weight"
    elif weight.dtype not in DTYPES:
        problem = f"a weight of {weight.dtype}"
    elif type(weight.data) is not Tensor or weight.layout != torch.strided or weight.ndim != 2:
        problem = f"a weight that is a {type(weight.data).__name__} of {weight.layout}, {weight.ndim}-D"
    if problem:
        raise _not_plain(name, problem)
    return Prunable(f"{name}.weight", weight, transposed=not isinstance(module, nn.Linear | nn.Embedding))


def _refuse_meta(found: Sequence[Prunable]) -> None:
    for prunable in found:
        if prunable.parameter.is_meta:
            raise _not_plain(prunable.name.removesuffix(".weight"), "a weight without values (meta device)")


def _not_plain(name: str, problem: str) -> UserError:
    return UserError(
        f"{name}: {problem}; pruning needs plain 2-D weights of float16, bfloat16, float32 or float64. The model is "
        "probably quantized, packed or offloaded: load the original checkpoint."
    )


def _embeddings(model: nn.Module) -> Iterator[tuple[str, nn.Embedding]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            yield name, module


def _in_head(model: nn.Module, head_names: Sequence[str], inside: Sequence[str]) -> list[Prunable]:
    """The linear weights among `head_names`; all names must be parameters outside the blocks."""
    outside = {
        name: parameter
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if not name.startswith(tuple(inside))
    }
    found = []
    for name in head_names:
        if name not in outside:
            raise unknown_name("head parameter", name, outside, where="head_names")
        if outside[name].ndim < 2:
            continue
        owner_name = name.rpartition(".")[0]
        owner = model.get_submodule(owner_name)
        if not _linear_like(owner):
            raise UserError(
                f"head_names: {name} belongs to a {type(owner).__name__}; only linear layers can be pruned."
            )
        found.append(_plain(owner_name, owner))
    if not found:
        legal = ", ".join(name for name, parameter in outside.items() if parameter.ndim == 2) or "none"
        raise UserError(
            f"prune_head is on, but no weight matrix is among head_names {list(head_names)}. A model without a task "
            f"head has none to prune: switch prune_head off. 2-D weights outside the blocks: {legal}."
        )
    return found


def _once(found: Sequence[Prunable], outside: Mapping[int, str]) -> list[Prunable]:
    """Each parameter at its first place; refuses those of `outside` {id: name of the embedding that shares it}."""
    first: dict[int, Prunable] = {}
    for prunable in found:
        if id(prunable.parameter) in outside:
            raise UserError(
                f"{prunable.name} is the same parameter as the embedding {outside[id(prunable.parameter)]} (tied), and "
                "embeddings are not in the scope. Leave it out, prune embeddings too, or load the model with "
                "tie_word_embeddings off."
            )
        first.setdefault(id(prunable.parameter), prunable)
    return list(first.values())


def _no_block(model: nn.Module) -> str:
    lists = [
        f"{name} ({', '.join(sorted({type(block).__name__ for block in module}))})"
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
    ]
    linear = [f"{name} ({type(module).__name__})" for name, module in model.named_modules() if _linear_like(module)]
    return (
        f"{type(model).__name__}: no transformer blocks found. Blocks are an nn.ModuleList whose members are of one "
        "class and hold nn.Linear or Conv1D layers. "
        f"Lists in this model: {', '.join(lists[:20]) or 'none'}. Linear layers: {', '.join(linear[:20]) or 'none'}. "
        "The model may be no transformer, a hybrid of several block classes, or wrapped: pass the model inside."
    )


_RANGE = re.compile(r"(\d+)-(\d+)")
_RULE = (
    "a pattern is consecutive parts of a matrix' name, joined by dots, such as 'attention', '11.mlp' or "
    "'layers.24-29.mlp', where 24-29 stands for the numbers from 24 to 29"
)


def select_layers(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that at least one pattern matches, in the order of `names`.

    A name is cut at its dots, a trailing "weight" apart (in patterns too); a pattern matches where its parts equal
    consecutive parts of the name. A part "24-29" equals each whole number from 24 to 29. Parts are never cut: "1" does
    not match "11", nor "attn" "self_attn".

    Raises `UserError` for no pattern at all, one with an empty part or a range that runs down, and one that matches no
    name (close ones are named): each pattern must match, so that a slip in one of several is seen.
    """
    if not patterns:
        raise UserError("layers: no pattern is given, so nothing would be compressed; leave `layers` out for all.")
    split = {name: _parts(name) for name in names}
    picked: set[str] = set()
    for pattern in patterns:
        wanted = [_allowed(part, pattern) for part in _parts(pattern)]
        found = {name for name, parts in split.items() if _matches(parts, wanted)}
        if not found:
            raise _no_match(pattern, len(wanted), split)
        picked |= found
    return [name for name in names if name in picked]


def _parts(text: str) -> list[str]:
    return text.removesuffix(".weight").split(".")


def _allowed(part: str, pattern: str) -> str | range:
    """A part of a pattern as the text or the numbers that it stands for."""
    if not part:
        raise UserError(f"layers: pattern {pattern!r} has an empty part: {_RULE}.")
    bounds = _RANGE.fullmatch(part)
    if not bounds:
        return part
    first, last = int(bounds[1]), int(bounds[2])
    if first > last:
        raise UserError(f"layers: pattern {pattern!r}: the range {part} runs down; write {last}-{first}.")
    return range(first, last + 1)


def _matches(parts: list[str], wanted: list[str | range]) -> bool:
    def equal(part: str, allowed: str | range) -> bool:
        return part == allowed if isinstance(allowed, str) else part.isdecimal() and int(part) in allowed

    width = len(wanted)
    return any(all(map(equal, parts[start : start + width], wanted)) for start in range(len(parts) - width + 1))


def _no_match(pattern: str, width: int, split: dict[str, list[str]]) -> UserError:
    """Says the runs of as many parts that look most like the pattern, and what names there are."""
    runs = {
        ".".join(parts[start : start + width]) for parts in split.values() for start in range(len(parts) - width + 1)
    }
    close = get_close_matches(pattern, sorted(runs), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    names = list(split)
    shown = ", ".join(names if len(names) <= 4 else [*names[:2], "...", *names[-2:]])
    return UserError(
        f"layers: pattern {pattern!r} matches none of the {len(names)} matrices.{hint} Rule: {_RULE}. "
        f"Matrices: {shown}."
    )

"""What pruning would touch in a model and what it leaves alone: the page of `junkdna doctor --model`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, cause

if TYPE_CHECKING:
    from torch import nn

    from junkdna.compress.scope import Prunable

LOADERS = {
    "encoder": "AutoModel",
    "decoder": "AutoModelForCausalLM",
    "classifier": "AutoModelForSequenceClassification",
}


def empty_model(folder: Path, kind: str) -> "nn.Module":
    """The model that `config.json` in `folder` describes, with shapes but no values: no weight is read or made.

    `kind` is encoder (no head), decoder (with its language-model head) or classifier (with a head of as many classes
    as the configuration says). No remote code. Raises UserError where the configuration gives no such model.
    """
    import torch
    import transformers

    from junkdna.models.load_checks import check_architecture

    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # whatever transformers raises of what the file says
        raise UserError(f"{folder}: no {kind} can be made of its config.json: {cause(error)}") from error
    check_architecture(folder, kind, config)
    with torch.device("meta"):
        return getattr(transformers, LOADERS[kind]).from_config(config, trust_remote_code=False)


def scope_text(model: "nn.Module", name: str, prune_head: bool = False, embeddings: bool = False) -> str:
    """A page of text on a model, loaded or empty: matrices that would be pruned, their share, and what stays dense.

    Matrices that differ only by the number of their block make one line; shapes are outputs x inputs (rows x width of a
    table). Counts are of single weights, tied ones once. `prune_head` takes in the matrices outside the body, which are
    the task head. Raises UserError as `scope.prunable` does.
    """
    from junkdna.compress.scope import block_lists, prunable

    lists = block_lists(model)
    heads = _head_names(model) if prune_head else ()
    found = prunable(model, prune_head=prune_head, head_names=heads, embeddings=embeddings, loaded=False)
    pruned = sum(each.parameter.numel() for each in found)
    total = sum(parameter.numel() for parameter in model.parameters())
    blocks = ", ".join(f"{len(blocks)} x {type(blocks[0]).__name__} in {path}" for path, blocks in lists)
    lines = [f"{name}: {type(model).__name__}, blocks: {blocks}", "", "pruned"]
    lines += _table([path for path, _ in lists], found)
    lines += [f"  in all {len(found):,} matrices of {pruned:,} weights: {100 * pruned / total:.1f} % of {total:,}"]
    lines += ["", "left dense by design", *_left_out(model, found)]
    return "\n".join(lines)


def _head_names(model: "nn.Module") -> list[str]:
    from junkdna.compress.scope import body_name

    body = getattr(model, "base_model", model)
    names = [name for name, _ in model.named_parameters()]
    return [name for name in names if body is not model and body_name(model, name) == name]


def _table(paths: Sequence[str], found: Sequence["Prunable"]) -> list[str]:
    """One line for each name, the block's number apart, and shape."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    weights: dict[tuple[str, str], int] = defaultdict(int)
    for each in found:
        line = _without_number(each.name, paths), _shape(each.matrix().shape)
        counts[line] += 1
        weights[line] += each.parameter.numel()
    rows = [(name, shape, f"x {counts[name, shape]}", f"{weights[name, shape]:,}") for name, shape in counts]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"  {name:<{widths[0]}}  {shape:>{widths[1]}}  {count:<{widths[2]}}  {size:>{widths[3]}}"
        for name, shape, count, size in rows
    ]


def _without_number(name: str, paths: Sequence[str]) -> str:
    for path in paths:
        if name.startswith(f"{path}."):
            return f"{path}.*.{name.removeprefix(f'{path}.').partition('.')[2]}"
    return name


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)


def _left_out(model: "nn.Module", found: Sequence["Prunable"]) -> Iterator[str]:
    """A line for each kind of what is not in `found`, with single weights and, of matrices, names and shapes."""
    pruned = {id(each.parameter) for each in found}
    kinds: dict[str, list] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if id(parameter) not in pruned:
            kinds[_kind(model, name, parameter)].append((name, parameter))
    for kind in sorted(kinds):
        text = f"  {kind}: {sum(parameter.numel() for _, parameter in kinds[kind]):,}"
        named = [f"{name} {_shape(parameter.shape)}" for name, parameter in kinds[kind] if parameter.ndim > 1]
        yield f"{text} ({', '.join(named)})" if named else text
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            yield f"  {name} is {first[id(parameter)]} (tied), counted once"


def _kind(model: "nn.Module", name: str, parameter: "nn.Parameter") -> str:
    from torch import nn

    owner = model.get_submodule(name.rpartition(".")[0])
    if isinstance(owner, nn.Embedding):
        return "embeddings"
    if parameter.ndim > 1:
        return "heads, poolers and projections outside the blocks"
    linear = isinstance(owner, nn.Linear) or type(owner).__name__ == "Conv1D"
    return "biases of linear layers" if linear else "norms and other vectors"

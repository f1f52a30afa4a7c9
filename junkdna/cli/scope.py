"""The weights of a model that pruning changes and those that stay dense: the page of `junkdna doctor --model`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from junkdna.compress.scope import Prunable


def scope_text(model: "nn.Module", name: str, prune_head: bool = False, embeddings: bool = False) -> str:
    """A page of text on a model, loaded or empty: the matrices that pruning changes, their share, and the dense rest.

    Matrices that differ only in their block number share a line. Shapes are outputs x inputs (rows x width of an
    embedding table). Counts are of single weights; tied ones count once. `prune_head` adds the matrices of the task
    head, which are those outside the body. Raises UserError as `scope.prunable` does.
    """
    from junkdna.compress.scope import block_lists, body_name, prunable

    lists = block_lists(model)
    body = getattr(model, "base_model", model)
    names = [name for name, _ in model.named_parameters()] if body is not model else []
    heads = [name for name in names if body_name(model, name) == name] if prune_head else None
    matrices = prunable(model, heads, embeddings, loaded=False)
    pruned = sum(each.parameter.numel() for each in matrices)
    total = sum(parameter.numel() for parameter in model.parameters())
    blocks = ", ".join(f"{len(blocks)} x {type(blocks[0]).__name__} in {path}" for path, blocks in lists)
    lines = [f"{name}: {type(model).__name__}, blocks: {blocks}", "", "pruned"]
    lines += _table([path for path, _ in lists], matrices)
    lines += [f"  total: {len(matrices):,} matrices, {pruned:,} weights, {100 * pruned / total:.1f} % of {total:,}"]
    lines += ["", "left dense by design", *_left_out(model, matrices)]
    return "\n".join(lines)


def _table(paths: Sequence[str], matrices: Sequence["Prunable"]) -> list[str]:
    """One line per shape and name without its block number."""
    weights: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in matrices:
        weights[_without_number(each.name, paths), _shape(each.matrix().shape)].append(each.parameter.numel())
    rows = [(name, shape, f"x {len(sizes)}", f"{sum(sizes):,}") for (name, shape), sizes in weights.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
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


def _left_out(model: "nn.Module", matrices: Sequence["Prunable"]) -> Iterator[str]:
    """One line per kind of parameters not in `matrices`: number of weights, and names and shapes of their matrices."""
    pruned = {id(each.parameter) for each in matrices}
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

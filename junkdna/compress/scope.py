"""Which weights of a model may be compressed, determined from the structure of the model, never from the names of its
modules.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from junkdna.compress.checks import DTYPES
from junkdna.errors import UserError, unknown_name


@dataclass(frozen=True)
class Prunable:
    """One weight that may be compressed. `transposed`: stored as (in, out), as in transformers' Conv1D. `block`: the
    path of its transformer block, such as encoder.layer.0; "" outside the blocks.
    """

    name: str
    parameter: nn.Parameter
    transposed: bool
    block: str = ""

    def matrix(self) -> Tensor:
        """The weight as (out, in), detached. It is a view: writing to it writes to the parameter."""
        stored = self.parameter.detach()
        return stored.t() if self.transposed else stored


def matrices(prunables: Sequence[Prunable]) -> dict[str, Tensor]:
    """{name: (out, in) view}, the input of the mask functions."""
    return {prunable.name: prunable.matrix() for prunable in prunables}


def prunable(
    model: nn.Module, head_names: Sequence[str] | None = None, embeddings: bool = False, loaded: bool = True
) -> list[Prunable]:
    """The weights of the linear layers (`nn.Linear`, transformers' `Conv1D`) in the transformer blocks, in model order.

    Excludes embeddings, norms, biases, poolers, input and output projections, and heads. A parameter that is used twice
    is listed once, at its first use. Two arguments append more:

    - `embeddings`: the tables of all `nn.Embedding`s, inside and outside the blocks: words, positions, segments,
      relative positions. The paper's code prunes them by default, unless `--noembed` is set (it selects names with
      "embed"). A table is (rows, width). A language-model head that is tied to a table is listed under the name of the
      table.
    - `head_names`, given if prune_head is on: the 2-D weights among these full parameter names (biases are ignored).

    `loaded=False` accepts a model on the meta device, whose weights have shapes but no values.

    Raises `UserError` if there is no block; if a weight in a block is packed, quantized, or a matrix outside a linear
    layer (fused experts, convolutions), which would silently stay dense; if a selected weight is also an embedding and
    `embeddings` is off; or if `head_names` matches nothing. Lists of blocks of different classes (hybrid models) are
    not searched.
    """
    lists = block_lists(model)
    prunables = [item for path, blocks in lists for item in _in_blocks(path, blocks)]
    tables = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Embedding)]
    if embeddings:
        prunables += [_prunable(name, table) for name, table in tables]
    if head_names is not None:
        prunables += _in_head(model, head_names, inside=[f"{path}." for path, _ in lists])
    empty = [item.name.removesuffix(".weight") for item in prunables if item.parameter.is_meta]
    if loaded and empty:
        raise _not_plain_error(empty[0], "a weight without values (meta device)")
    outside = {} if embeddings else {id(table.weight): f"{name}.weight" for name, table in tables}
    return _deduplicate(prunables, outside)


def block_lists(model: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """(path, list) of every list of transformer blocks: the outermost `nn.ModuleList`s whose members have one class and
    contain linear layers.

    Raises `UserError` if there is none.
    """
    lists = list(_block_lists(model, ""))
    if not lists:
        raise UserError(_no_block_error(model))
    return lists


def body_name(model: nn.Module, name: str) -> str:
    """The name of a parameter of `model` in its body alone, so that masks of one model fit the other.

    "bert.encoder.layer.0..." of a classifier is "encoder.layer.0..." in the plain model. Names outside the body
    (heads), and all names of a model without a separate body, stay the same.
    """
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    has_body = getattr(model, "base_model", model) is not model
    return name.removeprefix(prefix) if has_body else name


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _linear_like(module: nn.Module) -> bool:
    """Includes the replacements that quantizers insert (QuantLinear, WQLinear, ...), which must be refused by name."""
    leaf = next(module.children(), None) is None
    return _is_linear(module) or (leaf and "Linear" in type(module).__name__)


def _block_lists(module: nn.Module, path: str) -> Iterator[tuple[str, nn.ModuleList]]:
    """A list of bare linear layers (heads) is not a list of blocks."""
    for name, child in module.named_children():
        child_path = f"{path}.{name}" if path else name
        if not isinstance(child, nn.ModuleList):
            yield from _block_lists(child, child_path)
        elif _is_block_list(child):
            yield child_path, child


def _is_block_list(blocks: nn.ModuleList) -> bool:
    one_class = len({type(block) for block in blocks}) == 1
    return one_class and not _linear_like(blocks[0]) and any(_linear_like(module) for module in blocks.modules())


def _in_blocks(path: str, blocks: nn.ModuleList) -> Iterator[Prunable]:
    for name, module in blocks.named_modules(prefix=path):
        if _linear_like(module):
            number = name.removeprefix(f"{path}.").partition(".")[0]
            yield replace(_prunable(name, module), block=f"{path}.{number}")
        elif not isinstance(module, nn.Embedding):
            for parameter_name, parameter in module.named_parameters(recurse=False):
                if parameter.ndim >= 2:
                    raise UserError(
                        f"{name}.{parameter_name}: shape {tuple(parameter.shape)} in a {type(module).__name__} is a "
                        "weight in a block but not in a linear layer; it would stay dense without being counted. "
                        "Models with fused experts or convolutions in blocks are not supported: use another model."
                    )


def _prunable(name: str, module: nn.Module) -> Prunable:
    """The weight of a linear layer or table. Raises UserError if its scalars cannot be read and set to 0."""
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    problem = None
    if weight is None or not (_is_linear(module) or isinstance(module, nn.Embedding)):
        problem = f"a {type(module).__name__} without a plain weight"
    elif weight.dtype not in DTYPES:
        problem = f"a weight of {weight.dtype}"
    elif type(weight.data) is not Tensor or weight.layout != torch.strided or weight.ndim != 2:
        problem = f"a weight that is a {type(weight.data).__name__} of {weight.layout}, {weight.ndim}-D"
    if problem:
        raise _not_plain_error(name, problem)
    return Prunable(f"{name}.weight", weight, transposed=not isinstance(module, nn.Linear | nn.Embedding))


def _not_plain_error(name: str, problem: str) -> UserError:
    return UserError(
        f"{name}: {problem}; pruning needs plain 2-D weights of float16, bfloat16, float32 or float64. The model is "
        "probably quantized, packed or offloaded: load the original checkpoint."
    )


def _in_head(model: nn.Module, head_names: Sequence[str], inside: Sequence[str]) -> list[Prunable]:
    """The linear weights among `head_names`, which must all be parameters outside the blocks."""
    outside = {
        name: parameter
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if not name.startswith(tuple(inside))
    }
    weights = []
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
        weights.append(_prunable(owner_name, owner))
    if not weights:
        valid = ", ".join(name for name, parameter in outside.items() if parameter.ndim == 2) or "none"
        raise UserError(
            f"prune_head is on, but head_names {list(head_names)} contain no weight matrix. A model without a task "
            f"head has none to prune: turn prune_head off. 2-D weights outside the blocks: {valid}."
        )
    return weights


def _deduplicate(prunables: Sequence[Prunable], outside: Mapping[int, str]) -> list[Prunable]:
    """Each parameter at its first use. Raises UserError for those in `outside`, {id: name of the embedding that shares
    it}.
    """
    first: dict[int, Prunable] = {}
    for prunable in prunables:
        if id(prunable.parameter) in outside:
            raise UserError(
                f"{prunable.name} is the same parameter as the embedding {outside[id(prunable.parameter)]} (tied), and "
                "embeddings are not in the scope. Leave it out, include embeddings, or load the model with "
                "tie_word_embeddings off."
            )
        first.setdefault(id(prunable.parameter), prunable)
    return list(first.values())


def _no_block_error(model: nn.Module) -> str:
    lists = [
        f"{name} ({', '.join(sorted({type(block).__name__ for block in module}))})"
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
    ]
    linear = [f"{name} ({type(module).__name__})" for name, module in model.named_modules() if _linear_like(module)]
    return (
        f"{type(model).__name__}: no transformer blocks found. Blocks are an nn.ModuleList whose members are of one "
        "class and contain nn.Linear or Conv1D layers. "
        f"Lists in this model: {', '.join(lists[:20]) or 'none'}. Linear layers: {', '.join(linear[:20]) or 'none'}. "
        "The model may not be a transformer, may mix several block classes, or may be wrapped: pass the inner model."
    )

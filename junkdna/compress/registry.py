"""The mask methods by name, without importing torch: validation and planning read this table, cells load from it.

Adding a method is one file with a function of the signature below and one entry here:

    mask(weights: Mapping[str, Tensor], level, generator: torch.Generator | None) -> dict[str, Tensor]

It returns bool tensors of the weights' shapes on the weights' devices, True = kept. It does not touch the weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from junkdna.errors import unknown_name


@dataclass(frozen=True)
class Method:
    """One mask method.

    `loader` is "module:function", imported only by `load`. `level_kind` says what a level is: "sparsity" is the
    fraction pruned (0..1), "keep_of" the pair (keep, of). `random` methods draw from the generator, so seeds matter
    to the mask itself. `meaning` is one line for tables and reports.
    """

    name: str
    loader: str
    level_kind: Literal["sparsity", "keep_of"]
    random: bool
    meaning: str


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "magnitude",
            "junkdna.compress.magnitude:mask",
            level_kind="sparsity",
            random=False,
            meaning="prune the smallest |w| under one threshold over all matrices",
        ),
        Method(
            "random",
            "junkdna.compress.random:mask",
            level_kind="sparsity",
            random=True,
            meaning="prune weights drawn uniformly over all matrices",
        ),
        Method(
            "largest",
            "junkdna.compress.largest:mask",
            level_kind="sparsity",
            random=False,
            meaning="prune the largest |w| above one threshold over all matrices",
        ),
        Method(
            "nm",
            "junkdna.compress.nm:mask",
            level_kind="keep_of",
            random=False,
            meaning="keep the n largest |w| of every m consecutive inputs in each output row",
        ),
    )
}


def load(name: str) -> Callable:
    """The mask function of a method; imports its module (and torch). An unknown name is a `UserError`."""
    if name not in METHODS:
        raise unknown_name("compression method", name, METHODS)
    module, function = METHODS[name].loader.split(":")
    return getattr(import_module(module), function)

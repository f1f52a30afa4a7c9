"""The compression methods by name, without importing torch: validation and planning read this table, jobs load from it.

Adding a method is one file with a function of one of two signatures, and one entry here:

    masks(weights: Mapping[str, Tensor], level, generator, **options) -> Iterator[tuple[str, Tensor]]
    compress(weight: Tensor, statistics: InputStatistics | None, level, **options) -> MatrixResult

The first sees all matrices together and yields (name, mask) one by one; the second sees one matrix at a time. Matrices
are (out, in); neither function touches the weights it is given.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

from junkdna.errors import unknown_name


@dataclass(frozen=True)
class Method:
    """One compression method.

    `loader` is "module:function", imported only by `load`. `over` says which signature it has: model or matrix.
    `levels` are the kinds of level it takes (`levels.LEVEL_KINDS`), `options` what else it can be told, with defaults.
    `gives`: a mask (kept weights stay as they are), a weight (nothing is pruned), or both. `statistics` is what it
    needs of each layer's inputs: nothing, square_sums (a norm per input) or gram (their second moments). `random`
    methods draw from the generator. `stored` methods get a job of their own, whose result all cells of a model share.
    `meaning` is one line for tables and reports.
    """

    name: str
    loader: str
    over: Literal["model", "matrix"]
    levels: tuple[str, ...]
    meaning: str
    gives: Literal["mask", "weight", "both"] = "mask"
    options: dict[str, object] = field(default_factory=dict)
    statistics: Literal["", "square_sums", "gram"] = ""
    random: bool = False
    stored: bool = False

    @property
    def seeded(self) -> bool:
        """Whether the result depends on the seed: by its own draws, or by the calibration samples."""
        return self.random or bool(self.statistics)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "magnitude",
            "junkdna.compress.methods.magnitude:masks",
            over="model",
            levels=("sparsity",),
            options={"reference_ties": False, "embeddings": False},
            meaning="prune the smallest |w| under one threshold over all matrices",
        ),
        Method(
            "magnitude_layer",
            "junkdna.compress.methods.magnitude_layer:compress",
            over="matrix",
            levels=("sparsity",),
            options={"embeddings": False},
            meaning="prune the smallest |w| of each matrix",
        ),
        Method(
            "nm",
            "junkdna.compress.methods.nm:compress",
            over="matrix",
            levels=("keep_of",),
            meaning="keep the n largest |w| of every m consecutive inputs in each output row",
        ),
        Method(
            "random",
            "junkdna.compress.methods.random:masks",
            over="model",
            levels=("sparsity",),
            options={"embeddings": False},
            random=True,
            meaning="prune weights drawn uniformly over all matrices",
        ),
        Method(
            "largest",
            "junkdna.compress.methods.largest:masks",
            over="model",
            levels=("sparsity",),
            options={"embeddings": False},
            meaning="prune the largest |w| above one threshold over all matrices",
        ),
        Method(
            "band",
            "junkdna.compress.methods.band:masks",
            over="model",
            levels=("band",),
            options={"embeddings": False},
            meaning="prune the weights between two quantiles of |w| over all matrices",
        ),
        Method(
            "wanda",
            "junkdna.compress.methods.wanda:compress",
            over="matrix",
            levels=("sparsity", "keep_of"),
            options={"calibration": None},
            statistics="square_sums",
            stored=True,
            meaning="prune the smallest |w| x norm of the input in each output row",
        ),
        Method(
            "sparsegpt",
            "junkdna.compress.methods.sparsegpt:compress",
            over="matrix",
            levels=("sparsity", "keep_of"),
            options={"calibration": None},
            gives="both",
            statistics="gram",
            stored=True,
            meaning="prune by second-order saliency, moving the kept weights to make up for it",
        ),
        Method(
            "rtn",
            "junkdna.compress.methods.rtn:compress",
            over="matrix",
            levels=("bits",),
            options={"group": 128, "symmetric": False},
            gives="weight",
            meaning="round each weight to the nearest point of its group's uniform grid",
        ),
        Method(
            "gptq",
            "junkdna.compress.methods.gptq:compress",
            over="matrix",
            levels=("bits",),
            options={"group": 128, "symmetric": False, "act_order": False, "calibration": None},
            gives="weight",
            statistics="gram",
            stored=True,
            meaning="round column by column, moving the weights still to come to make up for it",
        ),
        Method(
            "svd",
            "junkdna.compress.methods.svd:compress",
            over="matrix",
            levels=("rank",),
            options={"layers": ()},
            gives="weight",
            stored=True,
            meaning="keep the largest singular values of each matrix",
        ),
    )
}


def load(name: str) -> Callable:
    """The function of a method; imports its module (and torch). An unknown name is a `UserError`."""
    if name not in METHODS:
        raise unknown_name("compression method", name, METHODS)
    module, function = METHODS[name].loader.split(":")
    return getattr(import_module(module), function)

"""Compare the headers of an external checkpoint or mask file with those of the model that it was made of.

Reads no weights and imports no torch: planning runs these checks before any job starts.
"""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from junkdna.errors import UserError
from junkdna.models.fetch import CONVERT, WEIGHTS, check_safetensors, check_size, read_header, weight_files
from junkdna.storage.tensor_header import file_kind
from junkdna.study.model_files import INDEX, PICKLES

MASK_TYPES = ("BOOL", "U8", "I8")
MASKS_KIND = "masks 1"
"""The kind of file of masks at one bit per weight (`storage.tensors.write_tensors`)."""
SAVE_DENSE = (
    "Save it as plain weights of the original names and shapes: load it with the tool that made it, dequantize or "
    "decompress it there, and call save_pretrained."
)

Shape = tuple[int, ...]


def checkpoint_shapes(folder: Path, where: str) -> dict[str, Shape]:
    """Name -> shape of every tensor of a checkpoint folder, from the headers of its safetensors files.

    Raises UserError, starting with `where`, for a folder without a configuration or without complete safetensors files,
    and for packed or quantized weights, whose values only the tool that made them can read.
    """
    files = {path.name for path in folder.iterdir()}
    if not {WEIGHTS, INDEX} & files:
        pickled = sorted({path.name for pattern in PICKLES for path in folder.glob(pattern)})
        fix = CONVERT if pickled else "Name a folder that save_pretrained wrote, or a file of masks (.safetensors)."
        raise UserError(f"{where}: has neither {WEIGHTS} nor {INDEX}. {fix}")
    _check_config(folder, where)
    shapes: dict[str, Shape] = {}
    for name in sorted(weight_files(folder, where)):
        if name not in files:
            raise UserError(f"{where}: {INDEX} names {name}, which is missing. Copy the checkpoint again.")
        check_safetensors(folder / name, f"{where}: {name}", f"they are packed or quantized. {SAVE_DENSE}")
        shapes |= {key: tuple(entry["shape"]) for key, entry in read_header(folder / name, where)[0].items()}
    return shapes


def _check_config(folder: Path, where: str) -> None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{where}: config.json is missing. Copy it to the folder of the weights.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{where}: config.json cannot be read as JSON: {error}. Copy it from the model.") from None
    if isinstance(config, dict) and (
        named := [key for key in ("quantization_config", "sparsity_config") if config.get(key)]
    ):
        raise UserError(f"{where}: config.json has `{named[0]}`, so its weights are packed or quantized. {SAVE_DENSE}")


def mask_shapes(file: Path, where: str) -> dict[str, Shape]:
    """Name -> shape of every mask in a safetensors file: one element per weight, or one bit per weight (`MASKS_KIND`).

    Raises UserError, starting with `where`, for a file that is not of masks or is incomplete.
    """
    header, start = read_header(file, where)
    check_size(file, where, header, start)
    if not header:
        raise UserError(f"{where}: has no tensors. Save one mask for each matrix, named as its parameter.")
    if shapes := file_kind(file, MASKS_KIND).get("shapes"):
        return {name: tuple(shape) for name, shape in shapes.items()}
    if wrong := [name for name, entry in header.items() if entry["dtype"] not in MASK_TYPES]:
        raise UserError(
            f"{where}: {wrong[0]} is {header[wrong[0]]['dtype']}, but masks are bool or uint8 (1 is kept, 0 is "
            "pruned). For a checkpoint, name its folder, not a file in it."
        )
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def in_names_of(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Each of `names` -> the name of that parameter in `known`, whose model may have a prefix that the other lacks.

    "bert.encoder.layer.0..." of a classifier is "encoder.layer.0..." in the plain model. Of no change, a prefix removed
    and a prefix added, the one that gives the most known names is taken for all.
    """
    names, known = list(names), {*known}
    removed = {name.partition(".")[0] + "." for name in names}
    added = {name.partition(".")[0] + "." for name in known}
    ways = [
        {name: name for name in names},
        *({name: name.removeprefix(prefix) for name in names} for prefix in sorted(removed)),
        *({name: name if name in known else prefix + name for name in names} for prefix in sorted(added)),
    ]
    return max(ways, key=lambda way: len(known & {*way.values()}))


def block_matrices(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The 2-D weights in numbered blocks, without embedding tables: what compression may change, judged by names."""
    return {
        name: shape
        for name, shape in shapes.items()
        if name.endswith(".weight")
        and len(shape) == 2
        and _in_block(name)
        and not ("embed" in name or "relative" in name)
    }


def _in_block(name: str) -> bool:
    return any(part.isdecimal() for part in name.split("."))


def checkpoint_problem(theirs: Mapping[str, Shape], model: Mapping[str, Shape]) -> str:
    """How the block matrices of a checkpoint differ from those of a model in names or shapes, or its vectors (biases,
    norms) in shapes; "" if they do not."""
    wanted, given = block_matrices(model), block_matrices(theirs)
    names = in_names_of(given, wanted)
    given = {names[name]: shape for name, shape in given.items()}
    if missing := [name for name in wanted if name not in given]:
        return (
            f"lacks {len(missing)} of the {len(wanted)} matrices in the blocks of the model (such as {missing[0]}). It "
            f"was made of another model, or its weights are packed. {SAVE_DENSE}"
        )
    if extra := [name for name in given if name not in wanted]:
        return f"has {len(extra)} matrices that the model lacks (such as {extra[0]}). It was made of another model"
    names = in_names_of(theirs, model)
    vectors = {
        names[name]: shape
        for name, shape in theirs.items()
        if len(shape) == 1 and _in_block(name) and names[name] in model
    }
    return _shape_problem(given, wanted) or _shape_problem(vectors, model)


def mask_problem(theirs: Mapping[str, Shape], model: Mapping[str, Shape]) -> str:
    """How a file of masks differs from the parameters of a model in names or shapes; "" if it does not."""
    names = in_names_of(theirs, model)
    given = {names[name]: shape for name, shape in theirs.items()}
    if unknown := [name for name in given if name not in model]:
        close = get_close_matches(unknown[0], model, n=2)
        hint = f"; did you mean {' or '.join(close)}?" if close else "."
        return (
            f"{len(unknown)} of {len(given)} masks in it have no parameter of this name in the model (such as "
            f"{unknown[0]}){hint} Masks are named as the parameters of the model"
        )
    return _shape_problem(given, model)


def _shape_problem(given: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> str:
    other = [name for name in given if given[name] != wanted[name]]
    if not other:
        return ""
    first = other[0]
    return (
        f"{first} is {_text(given[first])}, but {_text(wanted[first])} in the model ({len(other)} of {len(given)} "
        "shapes differ). It was made of another model, or is stored transposed"
    )


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a single number"

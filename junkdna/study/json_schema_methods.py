"""The JSON Schema of a compression: its levels, and for every method the levels and options that it takes."""

from junkdna.study.allocation import ALLOCATIONS
from junkdna.study.levels import BITS, LEVEL_KINDS
from junkdna.study.methods import METHODS, Method, Option
from junkdna.study.number_formats import NUMBER_FORMATS

Schema = dict

FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
LEVELS: dict[str, Schema] = {
    "sparsity": FRACTION,
    "keep": {"type": "integer", "minimum": 0},
    "band": {"type": "array", "items": FRACTION, "minItems": 2, "maxItems": 2},
    "bits": {"enum": [*BITS]},
    "format": {"enum": [*(f"int{bits}" for bits in BITS), *NUMBER_FORMATS]},
    "rank": FRACTION,
    "path": {"type": "string", "minLength": 1},
}
"""Schema of one level by the key that lists levels. `of` is one number."""


def with_methods(schema: Schema) -> Schema:
    """The schema of a compression, which lists all keys, with one condition for each method. A list of one level or of
    one layer may be written without brackets, and a layer in a list may be a number."""
    keys = schema["properties"]
    for key, level in LEVELS.items():
        keys[key] = keys[key] | {"anyOf": [level, {"type": "array", "items": level}, {"type": "null"}]}
    layers = {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1}
    keys["layers"] = keys["layers"] | {"anyOf": [{"type": "string"}, layers, {"type": "null"}]}
    relative = {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1}
    keys["allocation"] = keys["allocation"] | {"anyOf": [{"enum": [*ALLOCATIONS]}, relative, {"type": "null"}]}
    names = {"enum": [*METHODS], "enumDescriptions": [method.meaning for method in METHODS.values()]}
    keys["method"] = keys["method"] | names
    return schema | {"allOf": [_condition(method, [*keys]) for method in METHODS.values()]}


def _condition(method: Method, keys: list[str]) -> Schema:
    """What follows from the name of a method: its keys, the bounds of its options, and that it needs a level. Which
    options go with which level or allocation is left to the study."""
    kinds = [LEVEL_KINDS[kind].keys for kind in method.levels]
    fitting = {"method", *method.options, *(key for each in kinds for key in each)}
    fitting |= {"name"} if "external" in method.levels else set()
    options = {name: _bounds(option) for name, option in method.function_options.items()}
    then = {
        "properties": {key: False for key in keys if key not in fitting} | {k: v for k, v in options.items() if v},
        "oneOf": [{"required": [*each]} for each in kinds],
    }
    needed = {"required": ["calibration"]} if method.statistics else {}
    return {"if": {"properties": {"method": {"const": method.name}}, "required": ["method"]}, "then": then | needed}


def _bounds(option: Option) -> Schema:
    bounds = {"minimum": option.minimum, "maximum": option.maximum}
    return {name: value for name, value in bounds.items() if value is not None}

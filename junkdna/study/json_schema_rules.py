"""What the JSON Schema of a file adds to that of its pydantic models, by the name of the model.

A rule gets the built schema of its model and returns it with what the model accepts in other forms or checks in code.
`tests/study/test_json_schema.py` compares the result with the models.
"""

from collections.abc import Callable
from functools import partial

from junkdna.study.calibration import Calibration
from junkdna.study.columns import TaskSource
from junkdna.study.json_schema_methods import Schema, with_methods
from junkdna.study.metrics import METRIC_KINDS
from junkdna.study.sources import Source
from junkdna.study.strict_model import NAME_PATTERN
from junkdna.study.study import Model
from junkdna.study.task_files import builtin_tasks

TASK_NAME = {"type": "string", "pattern": NAME_PATTERN, "maxLength": 80}


def _study(schema: Schema) -> Schema:
    """Entries may be empty. The tasks of the package are offered by name."""
    keys = schema["properties"]
    for name in ("tasks", "protocols"):
        patterns = keys[name]["patternProperties"]
        patterns[NAME_PATTERN] = _or_empty(patterns[NAME_PATTERN])
    keys["claims"] = _or_empty(keys["claims"])
    entry = keys["tasks"]["patternProperties"][NAME_PATTERN]
    keys["tasks"]["patternProperties"] = {NAME_PATTERN: {"$ref": "#/definitions/task_entry"}}
    keys["tasks"]["properties"] = {name: {"$ref": "#/definitions/task_entry"} for name in builtin_tasks()}
    return schema | {"definitions": {"task_entry": entry}}


def _or_empty(schema: Schema) -> Schema:
    """A mapping that may also be empty, which YAML reads as null."""
    return schema | {"type": ["object", "null"]}


def _experiment(schema: Schema) -> Schema:
    """A task may be a plain name. Knobs mean here what they mean in such a task."""
    keys = schema["properties"]
    use = keys["tasks"]["items"]
    keys["tasks"]["items"] = {"anyOf": [TASK_NAME, use]}
    for knob, values in keys["knobs"]["properties"].items():
        values["description"] = use["properties"][knob]["description"]
    return schema


def _pair(schema: Schema) -> Schema:
    """A side of a pair may be the plain name of a task."""
    keys = schema["properties"]
    for side in ("easy", "hard"):
        text = keys[side].pop("description")
        keys[side] = {"description": text, "anyOf": [TASK_NAME, keys[side]]}
    return schema


def _source(schema: Schema, model: type[Source], needs: dict[str, list[str]] | None = None) -> Schema:
    """Exactly one kind of source, with the keys that go with it. `needs`: keys that a kind requires."""
    kinds: dict[str, list[str]] = {}
    for kind, keys in model.KINDS.items():
        for key in keys:
            kinds.setdefault(key, []).append(kind)
    fitting = {key: {"anyOf": [{"required": [kind]} for kind in each]} for key, each in kinds.items()}
    return schema | {"oneOf": [{"required": [kind]} for kind in model.KINDS], "dependencies": fitting | (needs or {})}


def _wheel(schema: Schema) -> Schema:
    return schema | {"oneOf": [{"required": ["version", "filename"]}, {"required": ["parts"]}]}


def _task(schema: Schema) -> Schema:
    """A metric that exists and suits the kind."""
    schema["properties"]["metric"]["enum"] = [*METRIC_KINDS]
    kinds = schema["properties"]["kind"]["enum"]
    fitting = {kind: [metric for metric, each in METRIC_KINDS.items() if kind in each] for kind in kinds}
    return schema | {
        "allOf": [
            {"if": _is("kind", kind), "then": {"properties": {"metric": {"enum": metrics}}}}
            for kind, metrics in fitting.items()
        ]
    }


def _is(key: str, value: str) -> Schema:
    return {"properties": {key: {"const": value}}, "required": [key]}


RULES: dict[str, Callable[[Schema], Schema]] = {
    "Study": _study,
    "Experiment": _experiment,
    "CompressionGrid": with_methods,
    "Pair": _pair,
    "Model": partial(_source, model=Model, needs={"wheel": ["path"]}),
    "Calibration": partial(_source, model=Calibration, needs={"wheel": ["path"], "local": ["path"]}),
    "TaskSource": partial(_source, model=TaskSource),
    "WheelPin": _wheel,
    "Task": _task,
}

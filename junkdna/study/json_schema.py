"""JSON Schemas of study and task files, with which editors complete, explain and check keys.

They follow from the pydantic models, the meanings of keys, and `json_schema_rules` for what the models accept in other
forms (one value for a list of one, the name of a task for its use) or check in code (sources, levels, options of
methods). What is checked across keys (whether a named model or task exists, which columns a kind of task needs) is left
to `junkdna plan`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel

from junkdna.study.json_schema_rules import RULES, Schema
from junkdna.study.shared_key_meanings import Meanings
from junkdna.study.study import Study
from junkdna.study.study_key_meanings import STUDY
from junkdna.study.task import Task
from junkdna.study.task_key_meanings import TASK

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest one that editors support completely
KINDS: dict[str, tuple[type[BaseModel], Meanings]] = {"study": (Study, STUDY), "task": (Task, TASK)}
COPIED = (
    "type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "minItems", "maxItems", "minProperties", "propertyNames",
)  # fmt: skip


def json_schema(kind: str) -> Schema:
    """The JSON Schema (draft 7) of "study" or "task" files as plain data. All models are written out where they occur,
    because the meaning of a key may depend on its place."""
    model, meanings = KINDS[kind]
    source = model.model_json_schema()
    built = _Builder(source.get("$defs", {}), meanings)
    title = f"junkdna {kind} file"
    return {"$schema": DRAFT, "title": title, **built.mapping(source, "")}


class _Builder(NamedTuple):
    """`models`: pydantic's schemas of nested models by name."""

    models: dict[str, Schema]
    meanings: Meanings

    def mapping(self, model: Schema, path: str) -> Schema:
        """The schema of a model, which stands at `path` of the file."""
        values = model["properties"]
        texts = self.meanings.get(path) or self._elsewhere({*values})
        keys = {key: self._key(values[key], f"{path}.{key}".lstrip("."), texts.get(key, "")) for key in values}
        built = {"type": "object", **_described(texts.get("", "")), "properties": keys, "additionalProperties": False}
        built |= {"required": model["required"]} if "required" in model else {}
        rule = RULES.get(model["title"])
        return rule(built) if rule else built

    def _elsewhere(self, keys: set[str]) -> dict[str, str]:
        """The meanings of a model that are given only once, for another place of it."""
        return next((texts for texts in self.meanings.values() if {*texts} - {""} == keys), {})

    def _key(self, value: Schema, path: str, meaning: str) -> Schema:
        """The schema of a key: its own description (options of methods), else its meaning, and its default."""
        default = value.get("default")
        shown = {} if default is None or isinstance(default, dict) or default == [] else {"default": default}
        return self.value(value, path) | _described(value.get("description", "") or meaning) | shown

    def value(self, value: Schema, path: str) -> Schema:
        """The schema of a value at `path`."""
        if "$ref" in value:
            return self.mapping(self.models[value["$ref"].rpartition("/")[2]], path)
        if options := value.get("anyOf") or value.get("oneOf"):
            return {"anyOf": [self.value(option, path) for option in options]}
        built = {name: value[name] for name in COPIED if name in value}
        if "prefixItems" in value:
            built["items"] = [self.value(item, path) for item in value["prefixItems"]]
        elif isinstance(value.get("items"), dict):
            built["items"] = self.value(value["items"], path)
        return built | dict(self._names(value, f"{path}.NAME"))

    def _names(self, value: Schema, path: str) -> Iterator[tuple[str, object]]:
        """What a mapping of names allows: any name, names by a pattern, or a fixed list of names."""
        values = value.get("additionalProperties")
        fixed = value.get("propertyNames", {}).get("enum")
        if fixed and isinstance(values, dict):
            yield "properties", {name: self.value(values, path) for name in fixed}
            yield "additionalProperties", False
        elif isinstance(values, dict):
            yield "additionalProperties", self.value(values, path)
        elif "patternProperties" in value:
            yield "patternProperties", {key: self.value(each, path) for key, each in value["patternProperties"].items()}
            yield "additionalProperties", False


def _described(text: str) -> Schema:
    """A meaning without the targets of its links, which are relative to the pages of docs/reference."""
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return {"description": f"{plain[:1].upper()}{plain[1:]}"} if text else {}

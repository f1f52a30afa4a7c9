"""How the keys of a task file contradict each other. Read at validation time, so imports nothing heavy."""

import re
from collections.abc import Iterator
from string import Formatter
from typing import TYPE_CHECKING, get_args

from junkdna.errors import unknown_name
from junkdna.study.columns import Columns, Strippable
from junkdna.study.formats import TEXT_ANSWERS
from junkdna.study.metrics import METRIC_KINDS

if TYPE_CHECKING:
    from junkdna.study.task import Task

PROMPT_FIELDS = ("passage", "text", "text_b", "choices", "group")


def problems(task: "Task") -> Iterator[str]:
    """How keys of `task` contradict each other, one message each.

    Read only the first: each check relies on those before it. Raises ValueError for a wrong field of a prompt.
    """
    for columns in [task.columns, *(s.columns for s in task.sources.values() if s.columns)]:
        yield from _problems_of_kind(task, columns)
    if task.metric not in METRIC_KINDS:
        yield str(unknown_name("metric", task.metric, METRIC_KINDS))
    if task.kind not in METRIC_KINDS[task.metric]:
        fitting = [name for name, kinds in METRIC_KINDS.items() if task.kind in kinds]
        if "metric" not in task.model_fields_set:
            yield f"kind {task.kind} needs a metric: {' or '.join(fitting)}"
        yield f"metric {task.metric} does not fit kind {task.kind}; use {' or '.join(fitting)}"
    if task.metric == "f1" and len(task.class_names()) != 2:
        yield f"metric f1 needs two classes, but there are {len(task.class_names())}"
    if task.metric == "token_f1" and task.generate.match == "number":
        yield "metric token_f1 compares words; with generate.match number, use exact_match"
    names = task.class_names()
    if len({*names}) < len(names):
        yield f"labels {task.labels} contain a class twice"
    if task.verbalizers is not None and not len({*task.verbalizers}) == len(task.verbalizers) == len(names):
        yield f"verbalizers {task.verbalizers} must be one distinct word for each class of {names}"
    yield from _problems_of_classes(task)
    yield from _problems_of_splits(task)
    yield from _problems_of_knobs(task)
    yield from _problems_of_prompts(task)


def _problems_of_kind(task: "Task", columns: Columns) -> Iterator[str]:
    labeled = task.kind in ("classify", "pair")
    if task.kind == "choice" and columns.choices is None:
        yield "kind choice needs columns.choices"
    if labeled and not (task.labels or task.label_groups):
        yield f"kind {task.kind} needs labels (in class order) or label_groups"
    if not labeled and (task.labels or task.label_groups or task.verbalizers):
        yield f"labels, label_groups and verbalizers are for kinds classify and pair, not {task.kind}"
    if task.kind == "pair" and columns.text_b is None:
        yield "kind pair needs columns.text_b"
    if columns.text_b is not None and columns.passage is not None:
        yield "columns.text_b and columns.passage exclude each other, because an encoder reads only two segments"
    if (task.kind == "generate") != (task.generate is not None):
        yield "kind generate and the key generate go together"
    if isinstance(columns.answer, list) and task.kind not in TEXT_ANSWERS:
        yield f"columns.answer as a list is for kinds {' and '.join(TEXT_ANSWERS)}"
    if isinstance(columns.answer, list) and task.kind == "likelihood" and len(columns.answer) != 1:
        yield f"kind likelihood scores one text, but columns.answer has {len(columns.answer)} templates"
    if isinstance(columns.answer, int) and task.kind != "choice":
        yield f"columns.answer as a number is for kind choice; kind {task.kind} needs the name of a column"
    yield from _problems_of_unread(task, columns)


def _problems_of_unread(task: "Task", columns: Columns) -> Iterator[str]:
    """Keys of `columns` that this kind does not read."""
    if task.kind != "choice" and (columns.choices is not None or columns.choice_labels is not None):
        yield f"columns.choices and columns.choice_labels are for kind choice, not {task.kind}"
    texts = {name for name in get_args(Strippable) if getattr(columns, name) is not None}
    texts -= {"answer"} if task.kind not in TEXT_ANSWERS else set()
    if unused := [name for name in columns.strip if name not in texts]:
        yield f"columns.strip: {unused[0]} is not a text of this task (valid: {', '.join(sorted(texts))})"
    if isinstance(columns.answer, str) and re.search(r"[{}]", columns.answer):
        hint = " or a list of templates" if task.kind in TEXT_ANSWERS else ""
        yield f"columns.answer {columns.answer!r} has braces; write the name of a column without braces{hint}"


def _problems_of_classes(task: "Task") -> Iterator[str]:
    if task.kind not in ("classify", "pair"):
        return
    if task.labels and task.label_groups:
        yield "labels and label_groups exclude each other; both name the classes"
    groups = task.label_groups or {}
    if empty := [name for name, members in groups.items() if not members]:
        yield f"label_groups: class {empty[0]!r} has no values, so no row can belong to it"
    members = [member for values in groups.values() for member in values]
    if twice := [member for member in members if members.count(member) > 1]:
        yield f"label_groups contain the value {twice[0]!r} twice; each value must belong to one class"
    if len(task.class_names()) < 2:
        yield f"the only class is {task.class_names()[0]!r}; kind {task.kind} needs at least two"
    if any(not word.strip() for word in [*task.class_names(), *(task.verbalizers or [])]):
        yield "the name or verbalizer of a class is empty, so a model could not answer with it"


def _problems_of_splits(task: "Task") -> Iterator[str]:
    if (task.hash_split is None) == (task.evaluate_split is None):
        yield "set either evaluate_split (and train_split) or hash_split"
    if task.hash_split is not None and task.train_split is not None:
        yield "train_split goes with evaluate_split, because hash_split already selects train rows"
    if task.train_split is not None and task.train_split == task.evaluate_split:
        yield f"train_split and evaluate_split are both {task.train_split!r}; use hash_split to divide one split"
    for kind, source in task.sources.items():
        if getattr(source, kind) is None:
            yield f"sources.{kind} needs the key {kind!r}"
        needed = task.split_of("evaluate")
        if needed not in source.splits:
            yield f"sources.{kind}.splits lacks {needed!r} (has {', '.join(source.splits)})"
    for split in task.raw_splits():
        if not any(split in source.splits for source in task.sources.values()):
            yield f"no source has the split {split!r}"


def _problems_of_knobs(task: "Task") -> Iterator[str]:
    if "context" in task.knobs:
        if task.columns.passage is None:
            yield "knob context needs columns.passage"
        values = task.knobs["context"].values
        if other := [value for value in values if value not in ("none", "passage") and not task.is_window(value)]:
            valid = f"none, passage{' and numbers of tokens from 1' if task.has_answer_span else ''}"
            yield f"knob context of kind {task.kind} takes {valid} (given: {other})"
    if "options" in task.knobs:
        if task.kind != "choice":
            yield "knob options needs kind choice"
        most = len(task.columns.choices) if isinstance(task.columns.choices, list) else None
        for value in task.knobs["options"].values:
            if not isinstance(value, int) or value < 2 or (most is not None and value > most):
                yield f"knob options: {value!r} must be 2 to {most or 'the number of choices'}"


def _problems_of_prompts(task: "Task") -> Iterator[str]:
    _check_fields("description", task.description, ("group",))
    columns = [task.columns_of(source) for source in task.sources]
    needed = {"text"} | {field for field in ("text_b", "passage") for each in columns if getattr(each, field)}
    if task.reads_texts_alone:
        read = {"description": task.description, "shots": task.shots, "columns.passage": "passage" in needed}
        if unread := [key for key, value in {**read, "columns.text_b": "text_b" in needed}.items() if value]:
            yield f"prompt is empty, so the text of columns.answer is scored alone; remove {unread[0]}"
        return
    prompts = {"prompt": needed}
    if task.kind == "choice":
        prompts["mcq_prompt"] = needed | {"choices"}
    for name, needed in prompts.items():
        if lacks := sorted(needed - _check_fields(name, getattr(task, name), PROMPT_FIELDS)):
            yield f"{name} lacks {{{lacks[0]}}}, so a decoder would not see it"


def _check_fields(name: str, prompt: str, valid: tuple[str, ...]) -> set[str]:
    """The fields of a prompt template. Raises ValueError for a field that is not `valid`."""
    try:
        fields = [parsed[1:] for parsed in Formatter().parse(prompt) if parsed[1] is not None]
    except ValueError as error:
        raise ValueError(f"{name} {prompt!r}: {error}; write {{{{ and }}}} for literal braces") from None
    for field, form, conversion in fields:
        if field not in valid or form or conversion:
            text = field if field not in valid else f"{field}!{conversion}:{form}"
            raise unknown_name("field", text, valid, name)
    return {field for field, _, _ in fields}

"""Checks of an experiment: whether its tasks, knobs, models and transfer modes fit together."""

from junkdna.errors import UserError, unknown_name
from junkdna.study.connectivity import WITHOUT_LOSS
from junkdna.study.formats import FORMATS, TEXT_ANSWERS, format_of, kinds_answered, picks
from junkdna.study.study import Experiment, Resolved
from junkdna.study.task import Task

SUPPORT = {
    "context": "A task supports it with columns.passage and a knobs.context entry.",
    "answer_span": "A task supports it with columns.passage and a knobs.context entry.",
    "options": "A task of kind choice supports it with a knobs.options entry.",
    "shots": "A task supports it with a shots entry.",
    "data_fraction": "A task supports it with rows to train on (train_split or hash_split).",
}


def check_knobs(place: str, task: Task, knobs: dict[str, list]) -> None:
    """Raise UserError, prefixed with `place`, for a knob or a value of a knob that the task does not support."""
    defaults = task.knob_defaults()
    for knob, values in knobs.items():
        if knob not in defaults:
            unknown = unknown_name("knob", knob, defaults or ["(none)"], f"{place}: task {task.name}")
            raise UserError(f"{unknown} {SUPPORT.get(knob, '')}".rstrip())
        for value in values:
            if not task.serves(knob, value):
                valid = task.knob_words(knob)
                raise unknown_name(f"value of knob {knob}", value, valid, f"{place}: task {task.name}")


def check_context(place: str, task: Task, knobs: dict, source: str) -> None:
    """Raise UserError, prefixed with `place`, for a context or masked answers without a passage to show."""
    if "context" not in task.knobs:
        return
    contexts = [value for value in knobs.get("context", [task.knobs["context"].default]) if value != "none"]
    if contexts and task.columns_of(source).passage is None:
        has = [other for other in task.sources if task.columns_of(other).passage is not None]
        others = " (the task has none)"
        if has:
            others = f": {', '.join(has)} (`tasks: {{{task.name}: {{source: {has[0]}}}}}`)"
        raise UserError(
            f"{place}: task {task.name}: context {contexts[0]}, but source {source} has no passages. Use context none "
            f"or a source with passages{others}."
        )
    if "masked" in knobs.get("answer_span", []) and not contexts:
        raise UserError(
            f"{place}: task {task.name}: answer_span masked needs a passage, but context is none. Set context too, "
            f"such as {{context: [64, passage], answer_span: [kept, masked]}}."
        )


def check_asked(place: str, task: Task, model: str, exp: Experiment, resolved: Resolved) -> None:
    """Raise UserError, prefixed with `place`, if the kinds of task and model do not fit the transfer modes."""
    kind = resolved.study.models[model].kind
    trained = [mode for mode in exp.transfer if mode != "none"]
    where = f"{place}: task {task.name} is of kind {task.kind}, model {model} of kind {kind}"
    picked = resolved.study.protocol(exp.protocol, task).picked(kind)
    if "none" in exp.transfer:
        _check_untrained(where, task, kind, picked, resolved)
    if not trained:
        return
    _check_trained(where, task, kind, exp, resolved)
    if exp.connectivity and task.kind in WITHOUT_LOSS:
        raise UserError(f"{where}: connectivity needs a loss of every example, which generated text does not have.")
    if resolved.study.models[model].dtype != "float32":
        raise UserError(
            f"{where}: models.{model}.dtype is {resolved.study.models[model].dtype}, but transfer "
            f"{', '.join(trained)} trains in float32. Add the model twice, with one dtype each."
        )
    if not task.trains:
        raise UserError(f"{place}: task {task.name} has no rows to train on. Set train_split or hash_split in it.")
    _check_split(place, task, "train", "to train on", resolved)


def _check_trained(where: str, task: Task, kind: str, exp: Experiment, resolved: Resolved) -> None:
    """Raise UserError if no answer format trains this pair, or the one that does lacks what task or protocol ask of
    it."""
    modes = ", ".join(mode for mode in exp.transfer if mode != "none")
    protocol = resolved.study.protocol(exp.protocol, task)
    picked = protocol.picked(kind)
    name = format_of(task.kind, kind, picked, trained=True)
    if name is None:
        if format_of(task.kind, kind, picked, trained=False):
            fix = f"this pair can only be scored without training, but transfer has {modes}. Use transfer: [none]"
        else:
            fix = f"no {kind} can be trained for this kind (transfer {modes}). Use a model of another kind"
        answered = _listed(kinds_answered(kind, trained=True))
        raise UserError(f"{where}: {fix}, or a task of a kind that this {kind} can be trained for: {answered}.")
    check_suffix(where, name, task, resolved)
    if protocol.prune_head and not FORMATS[name].head:
        raise UserError(
            f"{where}: prune_head is true in protocol {exp.protocol}, but answer format {name} trains no head. Set it "
            "to false."
        )


def _check_untrained(where: str, task: Task, kind: str, picked: str, resolved: Resolved) -> None:
    name = format_of(task.kind, kind, picked, trained=False)
    if name is not None:
        check_suffix(where, name, task, resolved)
        return
    if task.kind in FORMATS[picked].picked_for:
        others = [other for other in picks(kind) if FORMATS[other].fits(trained=False)]
        raise UserError(
            f"{where}: {kind}_choice {picked} needs a trained head. Use {_listed(others)}, or other transfer modes."
        )
    modes = "transfer: [dense, sparse, sparse_to_dense, dense_freeze]"
    fix = "Use a decoder" if task.kind in TEXT_ANSWERS else f"Use {modes} or another model"
    answered = ", ".join(kinds_answered(kind, trained=False))
    raise UserError(f"{where}: transfer none trains no head, so this {kind} can only answer kind {answered}. {fix}.")


def check_suffix(where: str, name: str, task: Task, resolved: Resolved) -> None:
    """Raise UserError, prefixed with `where`, if an answer format does not show the suffix of a task's options."""
    suffix = task.columns_of(resolved.source_of(task.name)).suffix
    if suffix is not None and not FORMATS[name].suffix:
        others = [other for other in picks("decoder") if FORMATS[other].suffix]
        raise UserError(
            f"{where}: decoder_choice {name} does not show the suffix of the options (columns.suffix {suffix!r}). "
            f"Use {_listed(others)}."
        )


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def check_fits(place: str, task: Task, model: str, knobs: dict, exp: Experiment, resolved: Resolved) -> None:
    """Raise UserError, prefixed with `place`, if knobs do not fit the kind of model or the transfer modes."""
    if any(knobs.get("shots", [0])):
        if resolved.study.models[model].kind != "decoder" or set(exp.transfer) != {"none"}:
            raise UserError(
                f"{place}: knob shots adds examples to a prompt, so it needs a decoder and transfer: [none]."
            )
        _check_split(place, task, "shots", "for shots", resolved)
    if any(value != 100 for value in knobs.get("data_fraction", [])) and "none" in exp.transfer:
        raise UserError(
            f"{place}: knob data_fraction selects rows to train on, but transfer none does not train. Remove one."
        )


def _check_split(place: str, task: Task, role: str, use: str, resolved: Resolved) -> None:
    split, source = task.split_of(role), resolved.source_of(task.name)
    has = [kind for kind, other in task.sources.items() if split in other.splits]
    if source not in has:
        raise UserError(
            f"{place}: task {task.name}: source {source} has no split {split!r} {use}. Sources with this split: "
            f"{', '.join(has)} (select one with `tasks: {{{task.name}: {{source: {has[0]}}}}}`)."
        )

"""Whether the parts of a study fit together: names, sources, and what a task can be asked by which model."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from junkdna.errors import UserError, short_repr, unknown_name
from junkdna.study.calibration import Calibration
from junkdna.study.formats import FORMATS, format_of, kinds_answered, picks
from junkdna.study.methods import METHODS
from junkdna.study.task import Task

if TYPE_CHECKING:
    from junkdna.study.compression import CompressionGrid
    from junkdna.study.study import Experiment, Resolved, Study


def check_calibration(name: str, calibration: Calibration, resolved: Resolved, where: str) -> None:
    """UserError, `where` in front, for a wheel or task that the study does not know, and for rows a task lacks."""
    place = f"{where}: calibrations.{name}"
    pins = resolved.study.pins()
    if calibration.wheel is not None and calibration.wheel not in pins:
        raise unknown_name("wheel", calibration.wheel, pins, place)
    if calibration.task is None:
        return
    if calibration.task not in resolved.tasks:
        raise unknown_name("task", calibration.task, resolved.tasks, place)
    task, source = resolved.tasks[calibration.task], resolved.source_of(calibration.task)
    split = task.hash_split.of if task.hash_split else task.train_split
    if calibration.role == "train" and (split is None or split not in task.sources[source].splits):
        lack = "no rows to train on" if split is None else f"no split {split!r} in its source {source}"
        raise UserError(
            f"{place}: role train, but task {task.name} has {lack}. Take another task or source, or role: evaluate "
            "(then the method has seen the texts it is evaluated on, without their scores)."
        )


WITHOUT_MASK = ("none", "dense", "sparse_to_dense")  # transfer modes that need no mask to hold


def check_compressions(place: str, exp: Experiment, resolved: Resolved) -> None:
    """UserError, `place` in front, for a compression that names no calibration of the study, or that the experiment's
    transfer modes or protocol cannot take."""
    for number, grid in enumerate(exp.compressions):
        where = f"{place}.compressions.{number}: method {grid.method}"
        calibrations = resolved.study.calibrations
        if grid.calibration is not None and grid.calibration not in calibrations:
            if not calibrations:
                raise UserError(
                    f"{where}: calibration {grid.calibration!r}, but the study has no calibrations. Add one, such as "
                    f"`calibrations: {{{grid.calibration}: {{task: {exp.tasks[0].task}, samples: 64, "
                    f"context_tokens: 512}}}}`."
                )
            raise unknown_name("calibration", grid.calibration, calibrations, where)
        _check_modes(where, grid, exp)
        _check_head(where, grid, exp, resolved)


def _check_modes(where: str, grid: CompressionGrid, exp: Experiment) -> None:
    held = [mode for mode in exp.transfer if mode not in WITHOUT_MASK]
    if METHODS[grid.method].gives == "weight" and held:
        raise UserError(
            f"{where} prunes nothing, so there is no mask that transfer {', '.join(held)} could hold. Use transfer "
            f"none, or sparse_to_dense (compressed at the start, then everything trains)."
        )


def _check_head(where: str, grid: CompressionGrid, exp: Experiment, resolved: Resolved) -> None:
    if not METHODS[grid.method].precompute or set(exp.transfer) == {"none"}:
        return
    for use in exp.tasks:
        if resolved.study.protocol(exp.protocol, resolved.tasks[use.task]).prune_head:
            raise UserError(
                f"{where} is worked out once on the pre-trained model, which has no head of task {use.task}; "
                f"prune_head cannot be on. Switch it off, or use magnitude."
            )


MAX_CELLS = 200_000  # of a study; Snakemake takes about 2 ms and 30 kB for each
WHAT_SERVES = {
    "context": "A task serves it with columns.passage and a knobs.context entry.",
    "answer_span": "A task serves it with columns.passage and a knobs.context entry.",
    "options": "A task of kind choice serves it with a knobs.options entry.",
    "shots": "A task serves it with a shots entry.",
    "data_fraction": "A task serves it with rows to train on (train_split or hash_split).",
}


def chosen_experiments(given: object, experiments: object, option: str) -> list[str]:
    """The names that `option` of a command line gives instead of a study's `run`; UserError for a name that the study's
    `experiments` do not have, and for what is no name."""
    place = option if option == "--experiments" else f"{option} experiments"
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        told = f"{short_repr(given)} is no list of names" if names else "no experiment is named"
        raise UserError(
            f"{place}: {told}; write --experiments A B (junkdna) or --config experiments='[A, B]' (snakemake)."
        )
    for name in names:
        if isinstance(experiments, dict) and name not in experiments:
            wrong = unknown_name("experiment", name, map(str, experiments), place)
            several = " Several are written --experiments A B, or --config experiments='[A, B]'." if "," in name else ""
            raise UserError(f"{wrong}{several}")
    return names


def check_study(resolved: Resolved, where: str) -> None:
    """UserError, `where` in front, for the first thing in a study that names what is not there or cannot be done."""
    study = resolved.study
    for name in study.run or []:
        if name not in study.experiments:
            raise unknown_name("experiment", name, study.experiments, f"{where}: run")
    if not study.active():
        raise UserError(f"{where}: no experiment is on; name one in run, or take optional off.")
    _check_sources(study, resolved.tasks, where)
    for name, calibration in study.calibrations.items():
        check_calibration(name, calibration, resolved, where)
    _check_amount(study, where)
    for name, experiment in study.experiments.items():
        _check_experiment(f"{where}: experiments.{name}", experiment, resolved)


def _check_sources(study: Study, tasks: dict[str, Task], where: str) -> None:
    pins = study.pins()
    for name, model in study.models.items():
        if model.wheel is not None and model.wheel not in pins:
            raise unknown_name("wheel", model.wheel, pins, f"{where}: models.{name}")
    for name, task in tasks.items():
        source = study.tasks[name].source or next(iter(task.sources))
        if source not in task.sources:
            raise unknown_name("source", source, task.sources, f"{where}: tasks.{name}")
        if study.tasks[name].folder is not None and source != "local":
            raise UserError(f"{where}: tasks.{name}: folder is for source local, but the source is {source}.")
        for wheel in (s.wheel for s in task.sources.values() if s.wheel is not None):
            if wheel not in pins:
                raise unknown_name("wheel", wheel, pins, f"task {name}: sources.wheel")


def _check_amount(study: Study, where: str) -> None:
    """UserError for a product that is not meant: it would be walked through for hours before the first job."""
    amounts = {name: _combinations(exp) for name, exp in study.experiments.items()}
    for name, amount in amounts.items():
        if amount > MAX_CELLS:
            raise UserError(
                f"{where}: experiments.{name} asks for {amount:,} combinations of models, tasks, knobs, compressions, "
                f"transfer modes and seeds; {MAX_CELLS:,} are the most. Take fewer values, or several studies."
            )
    amount = sum(amounts[name] for name in study.active())
    if amount > MAX_CELLS:
        raise UserError(
            f"{where}: its {len(study.active())} active experiments ask for {amount:,} combinations; {MAX_CELLS:,} are "
            "the most. Set optional on some, or make several studies."
        )


def _combinations(exp: Experiment) -> int:
    """How many cells an experiment has at most: equal ones are counted each time, references are not."""
    knobs = {name: len(values) for name, values in exp.knobs.items()}
    conditions = sum(prod((knobs | dict.fromkeys(use.fixed(), 1)).values()) for use in exp.tasks)
    levels = sum(sum(1 for _ in grid.levels()) for grid in exp.compressions)
    return len(exp.models) * conditions * levels * len(exp.transfer) * len(exp.seeds)


def _check_experiment(place: str, exp: Experiment, resolved: Resolved) -> None:
    study = resolved.study
    for model in exp.models:
        if model not in study.models:
            raise unknown_name("model", model, study.models, f"{place}.models")
    if exp.protocol != "default" and exp.protocol not in study.protocols:
        raise unknown_name("protocol", exp.protocol, {"default", *study.protocols}, f"{place}.protocol")
    for use in exp.tasks:
        if use.task not in study.tasks:
            raise unknown_name("task", use.task, study.tasks, f"{place}.tasks")
    check_compressions(place, exp, resolved)
    for use in exp.tasks:
        task = resolved.tasks[use.task]
        knobs = {**exp.knobs, **{knob: [value] for knob, value in use.fixed().items()}}
        check_knobs(place, task, knobs)
        _check_context(place, task, knobs, resolved.source_of(use.task))
        for model in exp.models:
            _check_asked(place, task, model, exp, resolved)
            _check_fits(place, task, model, knobs, exp, resolved)


def check_knobs(place: str, task: Task, knobs: dict[str, list]) -> None:
    """UserError, `place` in front, for a knob that the task does not serve, or not at one of the values given."""
    served = task.knob_defaults()
    for knob, values in knobs.items():
        if knob not in served:
            unknown = unknown_name("knob", knob, served or ["(none)"], f"{place}: task {task.name}")
            raise UserError(f"{unknown} {WHAT_SERVES.get(knob, '')}".rstrip())
        for value in values:
            if not task.serves(knob, value):
                legal = task.knob_words(knob)
                raise unknown_name(f"value of knob {knob}", value, legal, f"{place}: task {task.name}")


def _check_context(place: str, task: Task, knobs: dict, source: str) -> None:
    if "context" not in task.knobs:
        return
    shown = [value for value in knobs.get("context", [task.knobs["context"].default]) if value != "none"]
    if shown and task.columns_of(source).passage is None:
        has = [other for other in task.sources if task.columns_of(other).passage is not None]
        other = f": {', '.join(has)} (`tasks: {{{task.name}: {{source: {has[0]}}}}}`)" if has else "; the task has none"
        raise UserError(
            f"{place}: task {task.name}: context {shown[0]}, but source {source} has no passages. Take context none, "
            f"or a source that has them{other}."
        )
    if "masked" in knobs.get("answer_span", []) and not shown:
        raise UserError(
            f"{place}: task {task.name}: answer_span masked, but with context none no passage is shown that could hold "
            f"the answer; set context too, such as {{context: [64, passage], answer_span: [kept, masked]}}."
        )


def _check_asked(place: str, task: Task, model: str, exp: Experiment, resolved: Resolved) -> None:
    """A task's kind against the model's and the transfer modes."""
    kind = resolved.study.models[model].kind
    trained = [mode for mode in exp.transfer if mode != "none"]
    where = f"{place}: task {task.name} is of kind {task.kind}, model {model} of kind {kind}"
    if "none" in exp.transfer:
        _check_untrained(where, task, kind, exp, resolved)
    picked = resolved.study.protocol(exp.protocol, task).picked(kind)
    if trained and format_of(task.kind, kind, picked, trained=True) is None:
        raise UserError(
            f"{where}: this pair is scored without training only, but transfer asks for {', '.join(trained)}. "
            f"Use transfer: [none], or an encoder with a task of kind {_listed(kinds_answered('encoder', True))}."
        )
    if trained and resolved.study.models[model].dtype != "float32":
        raise UserError(
            f"{where}: models.{model}.dtype is {resolved.study.models[model].dtype}, but transfer asks for "
            f"{', '.join(trained)}, and training takes float32. Name the model twice, once for each use."
        )
    source = resolved.source_of(task.name)
    needed = task.hash_split.of if task.hash_split else task.train_split
    if trained and needed is None:
        raise UserError(f"{place}: task {task.name} has no rows to train on; give it train_split or hash_split.")
    if trained and needed not in task.sources[source].splits:
        raise UserError(_lacks(place, task, source, needed, "to train on"))


def _check_untrained(where: str, task: Task, kind: str, exp: Experiment, resolved: Resolved) -> None:
    picked = resolved.study.protocol(exp.protocol, task).picked(kind)
    name = format_of(task.kind, kind, picked, trained=False)
    if name is not None:
        check_suffix(where, name, task, resolved)
        return
    if task.kind in FORMATS[picked].picked_for:
        others = [other for other in picks(kind) if FORMATS[other].fits(trained=False)]
        raise UserError(
            f"{where}: {kind}_choice {picked} needs a trained head; use {_listed(others)}, or other transfer modes."
        )
    modes = "transfer: [dense, sparse, sparse_to_dense, dense_freeze]"
    fix = "Take a decoder" if task.kind == "generate" else f"Use {modes}, or another model"
    answered = ", ".join(kinds_answered(kind, trained=False))
    raise UserError(f"{where}: transfer none trains no head, so this {kind} can only answer kind {answered}. {fix}.")


def check_suffix(where: str, name: str, task: Task, resolved: Resolved) -> None:
    """UserError, `where` in front, for an answer format that would not show what follows the options of a task."""
    suffix = task.columns_of(resolved.source_of(task.name)).suffix
    if suffix is not None and not FORMATS[name].suffix:
        others = [other for other in picks("decoder") if FORMATS[other].suffix]
        raise UserError(
            f"{where}: decoder_choice {name} would not show what follows the options (columns.suffix {suffix!r}); "
            f"use {_listed(others)}."
        )


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _check_fits(place: str, task: Task, model: str, knobs: dict, exp: Experiment, resolved: Resolved) -> None:
    """Knobs against the model's kind and the transfer modes."""
    kind, source = resolved.study.models[model].kind, resolved.source_of(task.name)
    if any(knobs.get("shots", [0])):
        if kind != "decoder" or set(exp.transfer) != {"none"}:
            raise UserError(
                f"{place}: knob shots puts examples into a prompt: it needs a decoder and transfer: [none]."
            )
        if task.shots.of not in task.sources[source].splits:
            raise UserError(_lacks(place, task, source, task.shots.of, "for shots"))
    if any(value != 100 for value in knobs.get("data_fraction", [])) and "none" in exp.transfer:
        raise UserError(f"{place}: knob data_fraction is about rows to train on; transfer none trains on none.")


def _lacks(place: str, task: Task, source: str, split: str, use: str) -> str:
    has = [kind for kind, other in task.sources.items() if split in other.splits]
    return (
        f"{place}: task {task.name}: source {source} has no split {split!r} {use}; "
        f"sources that have it: {', '.join(has)} (choose with `tasks: {{{task.name}: {{source: {has[0]}}}}}`)."
    )

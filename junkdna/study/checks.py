"""Checks across the parts of a study: names, sources, and whether tasks, models and transfer modes fit together."""

from collections.abc import Collection
from math import prod

from junkdna.errors import UserError, short_repr, unknown_name
from junkdna.study.calibration import Calibration
from junkdna.study.compression import CompressionGrid
from junkdna.study.connectivity import WITHOUT_LOSS
from junkdna.study.external import check_external
from junkdna.study.formats import FORMATS, TEXT_ANSWERS, format_of, kinds_answered, picks
from junkdna.study.methods import METHODS
from junkdna.study.recovery import base_protocol
from junkdna.study.study import Experiment, Resolved, Study
from junkdna.study.task import Task


def _check_name(kind: str, given: str | None, valid: Collection[str], where: str) -> None:
    if given is not None and given not in valid:
        raise unknown_name(kind, given, valid, where)


def check_calibration(name: str, calibration: Calibration, resolved: Resolved, where: str) -> None:
    """Raise UserError, prefixed with `where`, for an unknown wheel or task, and for a role that the task lacks."""
    place = f"{where}: calibrations.{name}"
    _check_name("wheel", calibration.wheel, resolved.study.pins(), place)
    _check_name("task", calibration.task, resolved.tasks, place)
    if calibration.role != "train":
        return
    task, source = resolved.tasks[calibration.task], resolved.source_of(calibration.task)
    split = task.split_of("train")
    if split not in task.sources[source].splits:
        missing = "no rows to train on" if split is None else f"no split {split!r} in its source {source}"
        raise UserError(
            f"{place}: role train, but task {task.name} has {missing}. Use another task or source, or role: evaluate "
            "(then the method calibrates on the texts that are evaluated)."
        )


WITHOUT_MASK = ("none", "dense", "sparse_to_dense")  # transfer modes that need no mask


def check_compressions(place: str, exp: Experiment, resolved: Resolved) -> None:
    """Raise UserError, prefixed with `place`, for a compression with an unknown calibration, or one that does not fit
    the experiment's transfer modes or protocol."""
    for number, grid in enumerate(exp.compressions):
        where = f"{place}.compressions.{number}: method {grid.method}"
        calibrations = resolved.study.calibrations
        if grid.calibration is not None and not calibrations:
            raise UserError(
                f"{where}: calibration {grid.calibration!r}, but the study has no calibrations. Add one, such as "
                f"`calibrations: {{{grid.calibration}: {{task: {exp.tasks[0].task}, samples: 64, "
                f"context_tokens: 512}}}}`."
            )
        _check_name("calibration", grid.calibration, calibrations, where)
        _check_transfer(where, grid, exp, resolved)


def _check_transfer(where: str, grid: CompressionGrid, exp: Experiment, resolved: Resolved) -> None:
    method = METHODS[grid.method]
    masked = [mode for mode in exp.transfer if mode not in WITHOUT_MASK]
    off = [name for name, option in method.options.items() if option.no_mask and getattr(grid, name)]
    if (method.gives == "weight" or off) and masked:
        with_option = f" with {off[0]}: true" if off else ""
        raise UserError(
            f"{where}{with_option} prunes nothing, so it has no mask for transfer {', '.join(masked)}. Use transfer "
            "none, or sparse_to_dense (compressed at the start, then all weights train)."
        )
    if not any(each.stored for each in grid.compressions()) or set(exp.transfer) == {"none"}:
        return
    for use in exp.tasks:
        if resolved.study.protocol(exp.protocol, resolved.tasks[use.task]).prune_head:
            raise UserError(
                f"{where} is computed once on the pre-trained model, which has no head for task {use.task}, so "
                "prune_head must be false. Set it to false or use magnitude."
            )


MAX_CELLS = 200_000  # of a study; Snakemake takes about 2 ms and 30 kB for each
SUPPORT = {
    "context": "A task supports it with columns.passage and a knobs.context entry.",
    "answer_span": "A task supports it with columns.passage and a knobs.context entry.",
    "options": "A task of kind choice supports it with a knobs.options entry.",
    "shots": "A task supports it with a shots entry.",
    "data_fraction": "A task supports it with rows to train on (train_split or hash_split).",
}


def chosen_experiments(choice: object, experiments: object, option: str) -> list[str]:
    """The experiment names that a command line option gives instead of the study's `run`. Raises UserError for a name
    that is not in the study's `experiments` and for a value that is no list of names."""
    place = option if option == "--experiments" else f"{option} experiments"
    names = [choice] if isinstance(choice, str) else choice
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        problem = f"{short_repr(choice)} is not a list of names" if names else "no experiment is named"
        raise UserError(
            f"{place}: {problem}; write --experiments A B (junkdna) or --config experiments='[A, B]' (snakemake)."
        )
    for name in names:
        if isinstance(experiments, dict) and name not in experiments:
            error = unknown_name("experiment", name, map(str, experiments), place)
            several = " Write several as --experiments A B, or --config experiments='[A, B]'." if "," in name else ""
            raise UserError(f"{error}{several}")
    return names


def check_study(resolved: Resolved, where: str) -> None:
    """Raise UserError, prefixed with `where`, for the first unknown name or impossible combination in a study."""
    study = resolved.study
    for name in study.run or []:
        _check_name("experiment", name, study.experiments, f"{where}: run")
    if not study.active():
        raise UserError(f"{where}: no experiment is active. Name one in run or remove optional: true.")
    _check_sources(resolved, where)
    for name in study.protocols:
        if base_protocol(name)[1] > 1:
            raise UserError(
                f"{where}: protocols.{name}: a name that ends in -x and a number stands for a recovery length (key "
                f"`recovery` of an experiment). Rename it, for example to {name.replace('-x', '_x')}."
            )
    for name, calibration in study.calibrations.items():
        check_calibration(name, calibration, resolved, where)
    check_external(resolved, where)
    _check_amount(study, where)
    for name, experiment in study.experiments.items():
        _check_experiment(f"{where}: experiments.{name}", experiment, resolved)


def _check_sources(resolved: Resolved, where: str) -> None:
    study, pins = resolved.study, resolved.study.pins()
    for name, model in study.models.items():
        _check_name("wheel", model.wheel, pins, f"{where}: models.{name}")
    for name, task in resolved.tasks.items():
        source = resolved.source_of(name)
        _check_name("source", source, task.sources, f"{where}: tasks.{name}")
        if study.tasks[name].folder is not None and source != "local":
            raise UserError(f"{where}: tasks.{name}: folder is for source local, but the source is {source}.")
        for raw in task.sources.values():
            _check_name("wheel", raw.wheel, pins, f"task {name}: sources.wheel")


def _check_amount(study: Study, where: str) -> None:
    """Raise UserError for too many cells, probably a mistake, before planning takes hours."""
    amounts = {name: _combinations(exp) for name, exp in study.experiments.items()}
    for name, amount in amounts.items():
        if amount > MAX_CELLS:
            raise UserError(
                f"{where}: experiments.{name} has {amount:,} combinations of models, tasks, knobs, compressions, "
                f"transfer modes and seeds; the maximum is {MAX_CELLS:,}. Use fewer values or several studies."
            )
    amount = sum(amounts[name] for name in study.active())
    if amount > MAX_CELLS:
        raise UserError(
            f"{where}: its {len(study.active())} active experiments have {amount:,} combinations; the maximum is "
            f"{MAX_CELLS:,}. Set optional: true on some or split the study."
        )


def _combinations(exp: Experiment) -> int:
    """Upper bound of the cells of an experiment, without references; equal cells are counted several times."""
    knobs = {name: len(values) for name, values in exp.knobs.items()}
    conditions = sum(prod((knobs | dict.fromkeys(use.fixed(), 1)).values()) for use in exp.tasks)
    levels = sum(sum(1 for _ in grid.levels()) for grid in exp.compressions)
    return len(exp.models) * conditions * levels * len(exp.transfer) * len(exp.recovery) * len(exp.seeds)


def _check_experiment(place: str, exp: Experiment, resolved: Resolved) -> None:
    study = resolved.study
    for model in exp.models:
        _check_name("model", model, study.models, f"{place}.models")
    _check_name("protocol", exp.protocol, {"default", *study.protocols}, f"{place}.protocol")
    for use in exp.tasks:
        _check_name("task", use.task, study.tasks, f"{place}.tasks")
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


def _check_context(place: str, task: Task, knobs: dict, source: str) -> None:
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


def _check_asked(place: str, task: Task, model: str, exp: Experiment, resolved: Resolved) -> None:
    """Raise UserError if the kinds of task and model do not fit the transfer modes."""
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


def _check_fits(place: str, task: Task, model: str, knobs: dict, exp: Experiment, resolved: Resolved) -> None:
    """Raise UserError if knobs do not fit the kind of model or the transfer modes."""
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

"""Checks across the parts of a study: names, sources, calibrations, compressions, and the number of cells."""

from collections.abc import Collection, Iterable
from math import prod

from junkdna.errors import UserError, short_repr, unknown_name
from junkdna.study.calibration import Calibration
from junkdna.study.compression import CompressionGrid
from junkdna.study.experiment_checks import check_asked, check_context, check_fits, check_knobs
from junkdna.study.external import check_external
from junkdna.study.methods import METHODS
from junkdna.study.recovery import base_protocol
from junkdna.study.study import Experiment, Resolved, Study


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
    for kind in ("models", "tasks", "protocols", "calibrations", "experiments"):
        _check_case(kind, getattr(study, kind), where)
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


def _check_case(kind: str, names: Iterable[str], where: str) -> None:
    """Raise UserError for two names that differ only in capital letters: they name folders and files, and many file
    systems of macOS and Windows have one folder for both."""
    seen: dict[str, str] = {}
    for name in names:
        if other := seen.get(name.lower()):
            raise UserError(
                f"{where}: {kind}: {other} and {name} differ only in capital letters, and some file systems keep one "
                f"folder for both. Rename one, for example to {name}_2."
            )
        seen[name.lower()] = name


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
        check_context(place, task, knobs, resolved.source_of(use.task))
        for model in exp.models:
            check_asked(place, task, model, exp, resolved)
            check_fits(place, task, model, knobs, exp, resolved)

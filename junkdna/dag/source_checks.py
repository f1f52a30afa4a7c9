"""Checks of a study's sources before any job starts: local folders and files exist, models can be used, and one model
name has one source, because studies in one folder share results by name.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from junkdna.dag.model_folders import CONFIG, model_problems
from junkdna.errors import UserError
from junkdna.models.manifest import MANIFEST, read_manifest
from junkdna.storage.globs import local_folder, matching
from junkdna.study.grid import all_cells, calibrations, used_examples
from junkdna.study.paths import MODELS
from junkdna.study.source_settings import example_settings
from junkdna.study.sources import pinned
from junkdna.study.study import Resolved


def check_sources(resolved: Resolved) -> None:
    """Raise one UserError that lists every missing local folder or file of the models and tasks in use; if none is
    missing, everything that is wrong with the model folders, else the model names that are taken."""
    for problems, title in (
        (missing_local_paths, "local path(s) of the study do not exist"),
        (model_problems, "problem(s) with models of the study"),
        (taken_names, "model name(s) already belong to another model in results/"),
    ):
        if lines := list(problems(resolved)):
            raise UserError("\n  ".join([f"{len(lines)} {title}:", *lines]))


def missing_local_paths(resolved: Resolved) -> Iterator[str]:
    """One line per missing path, with close names from the same folder. Does not check wheels or the Hub."""
    return iter(dict.fromkeys(_missing_local_paths(resolved)))  # one folder may lack several files


def _missing_local_paths(resolved: Resolved) -> Iterator[str]:
    for name in dict.fromkeys(cell.model for cell in all_cells(resolved)):
        hub = resolved.study.models[name].hub
        if hub is not None and local_folder(hub).is_dir():
            yield f"models.{name}.hub {hub!r}: is a local folder; write `local: {hub}`"
    for folder, pattern, where, instead in dict.fromkeys(_named_paths(resolved)):
        try:
            yield from _missing(local_folder(folder), pattern, where, instead)
        except OSError as error:  # the name is too long, or the folder is not readable
            yield f"{where}: cannot be read: {error.strerror}"
        except UserError as error:
            yield f"{where}: {error}"


def _named_paths(resolved: Resolved) -> Iterator[tuple[str, str, str, str]]:
    """Folder, file or pattern in it, YAML key, and what to do without the folder, of every local path that some cell
    needs."""
    cells = all_cells(resolved)
    for name in dict.fromkeys(cell.model for cell in cells):
        if (local := resolved.study.models[name].local) is not None:
            yield local, CONFIG, f"models.{name}.local {local!r}", ""
    for name, role in used_examples(cells, resolved):
        settings = example_settings(name, role, resolved)
        if (local := settings.source.local) is not None:
            where, instead = f"tasks.{name}: local {local!r}", _instead(name, resolved)
            yield from ((local, path, where, instead) for path in settings.splits.values())
    for name in calibrations(cells):
        calibration = resolved.study.calibrations[name]
        if calibration.local is not None:
            yield calibration.local, calibration.path, f"calibrations.{name}: local {calibration.local!r}", ""


def _instead(task: str, resolved: Resolved) -> str:
    """What to do if the folder of a task is missing: fill it, name another, or read a source with the same splits."""
    sources = resolved.tasks[task].sources
    others = [kind for kind in sources if kind != "local" and {*sources["local"].splits} <= {*sources[kind].splits}]
    either = f", or read another source: tasks.{task}.source: {' or '.join(others)}" if others else ""
    return f". Put the files there, or name their folder: tasks.{task}.folder{either}"


def _missing(folder: Path, pattern: str, where: str, instead: str) -> Iterator[str]:
    path = folder / pattern
    if folder.is_file():
        yield f"{where}: is a file; give its folder here and the file as path"
        return
    if matching(folder, pattern):
        return
    if not path.parent.is_dir() and "*" not in str(Path(pattern).parent):
        yield f"{where}: folder {str(path.parent)!r} does not exist (paths start at the working directory){instead}"
        return
    close = get_close_matches(path.name, [item.name for item in path.parent.glob("*")], n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    yield f"{where}: {str(path)!r} does not exist{hint}"


def taken_names(resolved: Resolved) -> Iterator[str]:
    """One line per model in use whose folder comes from another source than the study names, with the fix."""
    for name in dict.fromkeys(cell.model for cell in all_cells(resolved)):
        folder = f"{MODELS}/{name}"
        try:
            actual = _source(read_manifest(folder)["source"])
        except UserError:  # missing or corrupt: its job will make it
            continue
        expected = _source(pinned(resolved.study.models[name], resolved.study.pins()).named())
        if actual != expected:
            yield (
                f"models.{name}: {folder}/{MANIFEST} comes from {_text(actual)}, but this study names "
                f"{_text(expected)}. Rename the model in one of the two studies (for example {name}_2), or delete the "
                f"old results if you no longer need them: rm -r {folder}"
            )


def _source(source: dict) -> dict:
    """The source with an absolute folder, because one folder can be written in several ways."""
    if "local" not in source:
        return source
    return {"local": str(local_folder(source["local"]).absolute().resolve())}


def _text(source: dict) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in source.items())

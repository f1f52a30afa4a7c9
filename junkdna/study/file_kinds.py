"""Recognizes which kind of YAML file a mapping was read from, for messages about the wrong file."""

from junkdna.errors import UserError


def check_kind(data: dict, where: str, expected: str) -> None:
    """Raise UserError if `data`, read from `where`, is recognizably another kind of file than `expected` ("study" or
    "task"). Mappings of no known kind pass, because their keys are checked later."""
    kind = _kind(data)
    if kind == expected or not kind:
        return
    if expected == "task":
        raise UserError(
            f"{where} is {_WORDS[kind]}, not a task file. A task file has the keys name, kind, sources and columns "
            "(`junkdna tasks` lists the package's task files)."
        )
    if kind == "task":
        name = data.get("name") if isinstance(data.get("name"), str) else "NAME"
        raise UserError(
            f"{where} is {_WORDS[kind]}, not a study. Name it in a study, tasks: {{{name}: {{file: {where}}}}}, and "
            "use the study's file instead."
        )
    raise UserError(f"{where} is {_WORDS[kind]}. Use the YAML file of the study instead, such as config.yaml.")


_WORDS = {
    "study": "a study",
    "task": "a task file",
    "stored study": "the copy of a checked study that a run stores with its results",
    "profile": "a Snakemake profile",
}


def _kind(data: dict) -> str:
    if data.keys() == {"study", "tasks"} and isinstance(data["study"], dict) and "study" in data["study"]:
        return "stored study"
    if data.keys() & {"models", "experiments"}:
        return "study"
    if len(data.keys() & {"kind", "columns", "sources", "evaluate_split", "hash_split"}) >= 2:
        return "task"
    return "profile" if data.keys() & {"executor", "default-resources", "rerun-incomplete", "keep-going"} else ""

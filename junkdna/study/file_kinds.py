"""Which kind of file a mapping was read from, for those who give one where another belongs."""

from junkdna.errors import UserError


def check_kind(data: dict, where: str, wanted: str) -> None:
    """UserError where `data`, read from `where`, is plainly no "study" or "task", whichever of the two is `wanted`.

    Says nothing of a mapping that is neither: its keys are checked later.
    """
    found = _kind(data)
    if found == wanted or not found:
        return
    if wanted == "task":
        raise UserError(
            f"{where} is {_WORDS[found]}, not a task file: a task file has the keys name, kind, sources and columns "
            "(`junkdna tasks` lists those that come with the package)."
        )
    if found == "task":
        name = data.get("name") if isinstance(data.get("name"), str) else "NAME"
        raise UserError(
            f"{where} is {_WORDS[found]}, not a study. A study names it: tasks: {{{name}: {{file: {where}}}}}; give "
            "the study's file instead."
        )
    raise UserError(f"{where} is {_WORDS[found]}; give the YAML file of the study instead, such as config.yaml.")


_WORDS = {
    "study": "a study",
    "task": "a task file",
    "kept study": "the copy of a checked study that a run keeps beside its results",
    "profile": "a Snakemake profile",
}


def _kind(data: dict) -> str:
    if data.keys() == {"study", "tasks"} and isinstance(data["study"], dict) and "study" in data["study"]:
        return "kept study"
    if data.keys() & {"models", "experiments"}:
        return "study"
    if len(data.keys() & {"kind", "columns", "sources", "evaluate_split", "hash_split"}) >= 2:
        return "task"
    return "profile" if data.keys() & {"executor", "default-resources", "rerun-incomplete", "keep-going"} else ""

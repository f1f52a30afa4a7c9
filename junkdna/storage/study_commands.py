"""Commands for a study, as messages print them: users can paste them into a shell."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STUDY = "config.yaml"
SNAKEFILE = Path("workflow/Snakefile")
_PLAIN = re.compile(r"(?!(true|false|nan|inf|infinity)$|\.[0-9])[a-z_./]([a-z0-9_./+ -]*[a-z0-9_./+-])?", re.IGNORECASE)
STUDY = "JUNKDNA_STUDY"
"""Environment variable with the study file of a run, for the messages of its jobs, which know only their settings."""
CALLER = "JUNKDNA_CALLER"
"""Environment variable with the `junkdna` command that runs Snakemake on a temporary study (`dag.build`)."""


@dataclass(frozen=True)
class StudyCommands:
    """Builds commands for a study file and, if only some experiments are selected, their names.

    If `folder` is set, commands first change to this working directory.
    """

    file: str = DEFAULT_STUDY
    experiments: tuple[str, ...] = ()
    folder: str = ""

    @property
    def is_default(self) -> bool:
        """Whether commands need not name the study."""
        return Path(self.file) == Path(DEFAULT_STUDY)

    def junkdna(self, command: str, *words: str) -> str:
        """`junkdna COMMAND WORDS` for this study. The commands `where` and `doctor` take no experiments."""
        named = [] if self.is_default else ["--study", self.file]
        if self.experiments and command not in ("where", "doctor"):
            named += ["--experiments", *self.experiments]
        return in_folder(self.folder, shlex.join(["junkdna", command, *words, *named]))

    def snakemake(self, *words: str, targets: Iterable[str] = (), experiments: Iterable[str] = ()) -> str:
        """`snakemake WORDS` for this study or only for `experiments`; with `targets`, only for these files."""
        config: dict[str, object] = {} if self.is_default else {"study_file": self.file}
        if selected := [*experiments] or [*self.experiments]:
            config["run"] = selected
        line = shlex.join(["snakemake", *words, *snakefile_words(), *config_words(config), *target_words(targets)])
        return in_folder(self.folder, line)


def export_study(commands: StudyCommands) -> None:
    """Set the environment variable with which the jobs of this process name the study in messages."""
    if not commands.is_default:
        os.environ[STUDY] = commands.file


def make_command(file: Path | str, *words: str) -> str:
    """The command in backticks that builds a file of the workflow, for messages of jobs."""
    study = os.environ.get(STUDY)
    line = StudyCommands(study or DEFAULT_STUDY).snakemake("--cores", "1", *words, targets=[str(file)])
    hint = "" if study else " (add the run's --configfile or --config if its study is not config.yaml)"
    return f"`{line}`{hint}"


def in_folder(folder: str, command: str) -> str:
    """A command that first changes to `folder`; unchanged if `folder` is empty."""
    return f"cd {shlex.quote(folder)} && {command}" if folder else command


def snakefile_words(snakefile: Path | None = None) -> list[str]:
    """The option `-s SNAKEFILE`; empty if Snakemake finds the Snakefile without it.

    The default is the Snakefile of the working directory, else the one in the repository of the package.
    """
    if snakefile is None:
        snakefile = SNAKEFILE if SNAKEFILE.is_file() else Path(__file__).resolve().parents[2] / SNAKEFILE
    if not snakefile.is_file() or (SNAKEFILE.is_file() and os.path.samefile(snakefile, SNAKEFILE)):
        return []
    return ["-s", str(snakefile)]


def config_words(config: Mapping[str, object]) -> list[str]:
    """Snakemake's `--config` with these keys; Snakemake reads the values back unchanged."""
    return ["--config", *(f"{name}={_value(value)}" for name, value in config.items())] if config else []


def target_words(targets: Iterable[str]) -> list[str]:
    """The target files after `--`; without it, Snakemake would read them as values of the preceding option."""
    files = [*targets]
    return ["--", *files] if files else []


def _value(value: object) -> str:
    """A value in the syntax of Snakemake's command line: a number, True or False, or YAML that contains only text.

    Snakemake strips quotes from both ends; a tag and a comment protect the quotes that YAML needs.
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return f"!!str {text} #" if isinstance(value, str) else text

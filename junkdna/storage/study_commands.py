"""How a study was given on the command line, and the commands that name it so: they go into messages, to be pasted."""

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
"""Environment variable: the study file of the run that a job belongs to; a job itself knows its settings only."""
CALLER = "JUNKDNA_CALLER"
"""Environment variable: the command of a person that runs Snakemake on a study of its own making (`bring`)."""


@dataclass(frozen=True)
class StudyCommands:
    """A study file and, where only some experiments were asked for, their names.

    `folder`, where given, is the working directory that commands first change to.
    """

    file: str = DEFAULT_STUDY
    experiments: tuple[str, ...] = ()
    folder: str = ""

    @property
    def is_default(self) -> bool:
        """Whether commands need not name the study."""
        return Path(self.file) == Path(DEFAULT_STUDY)

    def junkdna(self, command: str, *words: str) -> str:
        """`junkdna COMMAND WORDS` for this study. The commands `where` and `doctor` know no choice of experiments."""
        named = [] if self.is_default else ["--study", self.file]
        if self.experiments and command not in ("where", "doctor"):
            named += ["--experiments", *self.experiments]
        return self._in_folder(["junkdna", command, *words, *named])

    def snakemake(self, *words: str, targets: Iterable[str] = (), experiments: Iterable[str] = ()) -> str:
        """`snakemake WORDS` for this study, or for these of its experiments; with `targets`, to make these files."""
        config: dict[str, object] = {} if self.is_default else {"study_file": self.file}
        if chosen := [*experiments] or [*self.experiments]:
            config["run"] = chosen
        return self._in_folder(["snakemake", *words, *snakefile_words(), *config_words(config), *target_words(targets)])

    def _in_folder(self, words: list[str]) -> str:
        return in_folder(self.folder, shlex.join(words))


def tell_jobs(given: StudyCommands) -> None:
    """Let the jobs of this process name the study in their messages."""
    if not given.is_default:
        os.environ[STUDY] = given.file


def make_command(file: Path | str, *words: str) -> str:
    """The command, in backticks, with which a job's message says how a file of the workflow is made."""
    study = os.environ.get(STUDY)
    line = StudyCommands(study or DEFAULT_STUDY).snakemake("--cores", "1", *words, targets=[str(file)])
    hint = "" if study else " (with the run's own --configfile or --config, where its study is not config.yaml)"
    return f"`{line}`{hint}"


def in_folder(folder: str, command: str) -> str:
    """A command that first changes to `folder`; as it is where there is none."""
    return f"cd {shlex.quote(folder)} && {command}" if folder else command


def snakefile_words(snakefile: Path | None = None) -> list[str]:
    """What names the Snakefile to Snakemake; nothing where Snakemake finds it by itself.

    Without `snakefile`, the one that stands beside the package, where the working directory has none.
    """
    if snakefile is None:
        snakefile = SNAKEFILE if SNAKEFILE.is_file() else Path(__file__).resolve().parents[2] / SNAKEFILE
    if not snakefile.is_file() or (SNAKEFILE.is_file() and os.path.samefile(snakefile, SNAKEFILE)):
        return []
    return ["-s", str(snakefile)]


def config_words(config: Mapping[str, object]) -> list[str]:
    """Snakemake's `--config` with these keys, each value written so that Snakemake reads the same value back."""
    return ["--config", *(f"{name}={_value(value)}" for name, value in config.items())] if config else []


def target_words(targets: Iterable[str]) -> list[str]:
    """The files to make, after the `--` that keeps Snakemake from taking them for values of the option before."""
    files = [*targets]
    return ["--", *files] if files else []


def _value(value: object) -> str:
    """As Snakemake's command line reads it: a number, True or False, or YAML in which every other word is text.

    Snakemake first takes quotes off both ends; a tag and a comment keep those that YAML needs.
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return f"!!str {text} #" if isinstance(value, str) else text

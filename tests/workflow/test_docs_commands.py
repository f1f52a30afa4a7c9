"""Every command of the README and of docs/ is run here, is run by another test, or says what it needs."""

import contextlib
import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from matplotlib.figure import Figure
from project import ROOT

from junkdna.cli.findings import findings
from junkdna.cli.main import parser
from junkdna.report import draw
from junkdna.report.findings.blocks import shown_figures

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("junkdna", "snakemake", "make", "python", "pip", "lm_eval", "sbatch", "squeue", "scancel")
STARTS = re.compile(rf"(?:{'|'.join(PROGRAMS)}) \S")
NEEDS = {  # what a command needs, by its own words or by those of the comment after it
    "a GPU": r"gpu=[1-9]|--gpus=[1-9]|needs a GPU",
    "a cluster": r"profiles/(slurm|offline)|\b(sbatch|squeue|scancel)\b|needs a cluster",
    "the network": r"^make |^pip |^lm_eval |^junkdna fetch|study_file=mpnet|run='\[language_model|study_file=workflow/"
    r"|needs the network",
}
"""`make` installs packages, and the studies of the project read wheels from the package index."""
DAG = "tests/workflow/test_dag.py::test_everything_is_made_and_a_second_run_has_nothing_to_do"
DELETED = "tests/workflow/test_dag.py::test_a_deleted_cell_comes_back_and_its_printed_command_runs_alone"
CALIBRATION = "tests/analysis/test_claims_calibration.py"
OTHER_TESTS = {  # command -> the test that runs it, or the helper with which tests run it
    r"snakemake --cores all( --config study_file=[\w/]+\.(yaml|json)( run=.*)?)?": DAG,
    r"snakemake -n": "tests/support/workflow_run.py::planned",
    r"snakemake --unlock": "tests/support/kill_rounds.py::run_again",
    r"snakemake --cores 1 --touch": "tests/workflow/test_dag.py::test_lost_records_of_snakemake_are_adopted",
    r"snakemake -- FILE": "tests/support/workflow_run.py::snakemake_command",
    r"snakemake (-s CLONE/workflow/Snakefile )?--directory.*":
        "tests/workflow/test_dag_elsewhere.py::test_a_study_runs_in_a_folder_outside_the_clone",
    r"snakemake --report FILE\.html": "tests/workflow/test_snakemake_report.py::folder",
    r"python -m junkdna COMMAND": DELETED,
    r"junkdna status --watch": "tests/cli/test_status.py",
    r"python benchmarks/claims_calibration\.py .*": CALIBRATION,
    r"junkdna export .*": "tests/cli/test_export.py",
    r"junkdna grade .*": "tests/grade/test_real_logs.py",
    r"junkdna compare .*": "tests/cli/test_compare.py",
    r"junkdna plan --list --not-in .*": "tests/report/findings/test_cells_left.py",
    r"junkdna plan --study workflow/studies/lab\.yaml .*": "tests/workflow/test_studies.py",
}  # fmt: skip
TOY = {  # what pages name -> what the toy study has
    **dict.fromkeys(("my_study.yaml", "external.yaml", "allocation.yaml", "$study", "FILE"), "config.yaml"),
    "workflow/studies/settings.yaml": "config.yaml", "PATTERN": "*magnitude-0.5*",
    "results/studies/default/partial": "results/studies/default",
    "monday": "results/studies/default", "tuesday": "results/studies/default", "wednesday": "shared",
}  # fmt: skip
OPTIONS = {"--experiment": "pruned", "--model": "llm", "--protocol": "default", "--knobs": "shots=2"}
ANY_STATUS = ("doctor",)  # it is 1 if this machine lacks something


class Command(NamedTuple):
    """A command of a page, and the comment after it."""

    page: str
    text: str
    comment: str = ""

    @property
    def needs(self) -> list[str]:
        """What it needs that a test does not have."""
        return [name for name, words in NEEDS.items() if re.search(words, f"{self.text} # {self.comment}")]

    @property
    def elsewhere(self) -> list[str]:
        """The tests that run it."""
        return [test for words, test in OTHER_TESTS.items() if re.fullmatch(words, self.text)]


def commands(page: Path) -> list[Command]:
    """The commands in blocks of shell commands, and those in the text."""
    text, found = page.read_text(), []
    for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            command, _, comment = line.partition("  #")
            if STARTS.match(command):
                found.append(Command(page.name, " ".join(command.split()), comment.strip()))
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", prose)]
    return found + [Command(page.name, each) for each in inline if STARTS.match(each)]


COMMANDS = [command for page in PAGES for command in commands(page)]


def runs(command: Command) -> bool:
    return command.text.startswith("junkdna ") and not command.needs and not command.elsewhere


def in_toy(text: str) -> tuple[str, ...]:
    """The words of a command on the toy study, without a pipe or a redirection."""
    words = [TOY.get(word, word) for word in shlex.split(re.split(r" [|>] ", text)[0])[1:]]
    for at, word in enumerate(words[:-1]):
        words[at + 1] = OPTIONS.get(word, words[at + 1])
    if words[:2] == ["task", "show"]:
        words[2:3] = ["hues"]
    if words[0] == "archive" and "--out" in words:
        words[words.index("--out") + 1] = f"new/{len(words)}"
    return tuple(words)


RUN = sorted({in_toy(command.text) for command in COMMANDS if runs(command)})
BARE = [words for words in RUN if len(words) == 1 and words[0] in ("archive", "findings", "export", "grade", "compare")]
SHOWN = [words for words in RUN if words == ("task", "show", "hues") or words == ("task", "show")]


@pytest.fixture(scope="module")
def project(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished toy study with the pages and folders that the commands name."""
    folder = tmp_path_factory.mktemp("commands") / "world"
    shutil.copytree(finished_once, folder)
    (folder / "README.md").write_text("# A page without blocks\n")
    for name in ("docs/reference", "junkdna/schemas"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(ROOT / "docs/findings", folder / "docs/findings")
    with contextlib.chdir(folder):
        shutil.copy("results/study.json", "results/studies/default/study.json")
        args = parser().parse_args(["archive", "results/studies/default", "--out", "shared"])
        args.run(args)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
            list(findings(Path("shared"), Path("out"), [Path("page.md")], figures=False))
        for shown in shown_figures(Path("page.md").read_text()):
            Path(f"shared/figures/{shown.file}").parent.mkdir(exist_ok=True)
            Path(f"shared/figures/{shown.file}").touch()
    return folder


@pytest.mark.parametrize("words", [words for words in RUN if words not in (*BARE, *SHOWN)], ids=" ".join)
def test_a_command_of_the_pages_runs(
    project: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    monkeypatch.setattr(draw, "names", lambda _: ["headline"])  # drawing all takes long
    args = parser().parse_args(words)
    status = args.run(args) or 0
    assert status == 0 or (status == 1 and words[0] in ANY_STATUS)
    assert capsys.readouterr().out or words[0] == "schema" or words[1:] in (("--stale",), ("--commands",))


def test_names_of_commands_in_the_text_exist() -> None:
    for words in BARE:
        with pytest.raises(SystemExit) as stopped:
            parser().parse_args([*words, "--help"])
        assert stopped.value.code == 0


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}-{command.text}")
def test_a_command_is_run_by_a_test_or_says_what_it_needs(command: Command) -> None:
    assert runs(command) or command.elsewhere or command.needs, (
        f"{command.page}: no test runs {command.text!r}. Run it here, name the test that does in OTHER_TESTS, or say "
        "after it what it needs: `# needs a GPU`, `# needs a cluster` or `# needs the network`."
    )
    for test in command.elsewhere:
        file, _, name = test.partition("::")
        assert not name or f"def {name}(" in (ROOT / file).read_text(), test

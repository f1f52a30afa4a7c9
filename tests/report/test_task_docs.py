"""docs/tasks.md: generated from the task files, complete, and consistent with them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import toy
from project import ROOT

from junkdna.errors import UserError
from junkdna.report.task_docs import page
from junkdna.study.load import resolve
from junkdna.study.task import Task
from junkdna.study.task_files import builtin_tasks, load_task

FILE = ROOT / "docs/tasks.md"
TASKS = {name: load_task(name) for name in builtin_tasks()}


@pytest.fixture(scope="module")
def text() -> str:
    return "\n".join(page()) + "\n"


@pytest.fixture(scope="module")
def sections(text: str) -> dict[str, str]:
    """Name of a task -> its section, without the heading."""
    parts = re.split(r"(?m)^## (.+)\n", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_file_is_what_the_command_writes():
    done = subprocess.run(
        [sys.executable, "-m", "junkdna", "tasks", "--markdown"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert FILE.read_text(encoding="utf-8") == done.stdout, "run `junkdna tasks --markdown > docs/tasks.md`"


def test_every_task_is_on_the_page(text, sections):
    assert len(TASKS) >= 27
    assert [*sections] == [*TASKS]
    assert re.findall(r"(?m)^\| \[(\w+)\]\(#\w+\) \|", text) == [*TASKS]


def test_links_lead_somewhere(text):
    """All links are inside the page and use GitHub's names of headings."""
    headings = [re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^#+ (.+)$", text)]
    assert len({*headings}) == len(headings)
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert {target.removeprefix("#") for target in targets} <= {*headings}
    assert all(target.startswith("#") for target in targets)


def test_marks_are_closed(text):
    """Table rows have equal width, fences come in pairs, and every code or bold mark is closed."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert len(rows) == len(TASKS) + 2
    fences = re.findall(r"(?m)^```.*$", text)
    assert fences == ["```text", "```"] * len(TASKS)
    outside = re.sub(r"(?ms)^```text.*?^```$", "", text)
    assert not [
        line for paragraph in outside.split("\n\n") if (line := paragraph).count("`") % 2 or line.count("**") % 2
    ]
    assert not re.search(r"<[a-zA-Z/]", re.sub(r"`[^`]*`", "", outside)), "would be read as HTML"


@pytest.mark.parametrize("name", TASKS)
def test_a_section_says_what_the_file_says(sections, name):
    task, section = TASKS[name], sections[name]
    lines = section.splitlines()
    assert lines[1].startswith(f"**{task.title}.**")
    assert f"- `{task.kind}`, metric {task.metric}" in lines
    assert f"- license: {task.license}" in lines
    for kind, source in task.sources.items():
        [line] = [line for line in lines if line.startswith(f"- {kind}: ")]
        assert f"`{getattr(source, kind)}`" in line
        assert (f"config `{source.config}`" in line) == (source.config is not None)
        assert ("without split" in line) == (not {*task.raw_splits()} <= {*source.splits})
    for split, rows in task.rows.items():
        used = {task.evaluate_split, task.train_split, task.hash_split.of if task.hash_split else None}
        assert (f"`{split}` ({rows:,} stored)" in section) == (split in used)
    assert ("- human: " in section) == (task.human is not None)
    if task.human:
        assert f"- human: {task.human.value:g}; {task.human.source}" in lines
    for name, knob in task.knobs.items():
        assert f"- knob `{name}`: {', '.join(map(str, knob.values))}" in section
        assert f"(default {knob.default})" in section
    assert "known deviations" in section or not task.deviations


@pytest.mark.parametrize("name", TASKS)
def test_the_prompt_is_the_tasks_own(sections, name):
    task = TASKS[name]
    prompt = re.search(r"(?ms)^```text\n(.*)\n```$", sections[name])[1]
    template = task.mcq_prompt if task.protocol.decoder_choice == "mcq" else task.prompt
    assert prompt.removeprefix(f"{task.description}\n\n").replace("{passage}", "") == template.replace("{passage}", "")
    assert ("{passage}" in prompt) == any(task.columns_of(source).passage is not None for source in task.sources)
    assert prompt.startswith(task.description)


def test_baselines_and_rows_of_the_table_are_those_of_the_files(text):
    for line in re.findall(r"(?m)^\| \[.*$", text):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        task = TASKS[re.match(r"\[(\w+)\]", cells[0])[1]]
        assert cells[1:4] == [task.title, task.kind, task.metric]
        assert cells[4] in (rows_of(task), "")
        assert cells[7:9] == (
            [f"{task.baselines.chance:.3f}", f"{task.baselines.majority:.3f}"] if task.baselines else ["", ""]
        )
        assert cells[9] == (f"{task.human.value:g}" if task.human else "")


def rows_of(task: Task) -> str:
    rows = task.hash_split.evaluate if task.hash_split else task.rows[task.evaluate_split]
    return f"{rows:,}"


# --- claims about all tasks in the introduction ----------------------------------------------------------------------

KINDS = {"mood": "classify", "alike": "pair", "degree": "regress", "hues": "choice", "named": "generate"}
WITHOUT = {("encoder", "choice"), *(("decoder", kind) for kind in KINDS.values() if kind != "regress")}
TRAINED = {(model, kind) for model in ("encoder", "decoder") for kind in ("classify", "pair", "regress", "choice")}
HUES = {"local": {"local": "data", "splits": {"train": "hues-train.parquet", "evaluate": "hues.parquet"}}}


@pytest.mark.parametrize("task", KINDS)
@pytest.mark.parametrize("model", ["tiny", "llm"])
def test_which_kinds_a_model_serves(world, text, model, task):
    assert "Without training, encoders answer `choice` and decoders all kinds\nbut `regress`. " in text
    assert "With training, decoders answer all kinds, and encoders all but `generate` and `likelihood`." in text
    toy.write_yaml(Path("tasks/named.yaml"), {**toy.NAMED_TASK, "sources": HUES, "train_split": "train"})
    pair = (toy.SETTINGS["models"][model]["kind"], KINDS[task])
    served = {"none": WITHOUT, "sparse": TRAINED | {("decoder", "generate")}}
    for transfer, pairs in served.items():
        experiment = {
            "title": "x",
            "models": [model],
            "tasks": [task],
            "compressions": toy.HALF,
            "transfer": [transfer],
        }
        study = {**toy.SETTINGS, "experiments": {"x": experiment}}
        if pair in pairs:
            resolve(study, "test")
        else:
            with pytest.raises(UserError, match=f"kind {KINDS[task]}"):
                resolve(study, "test")


def test_knobs_that_take_the_same_values_everywhere():
    for task in TASKS.values():
        served = task.knob_defaults()
        assert served.get("data_fraction", 100) == 100
        assert served.get("answer_span", "kept") == "kept"
        for knob, words in (("data_fraction", ["1 to 100 (percent)"]), ("answer_span", ["kept", "masked"])):
            assert knob not in served or task.knob_words(knob) == words

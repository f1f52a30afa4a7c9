"""The package's rows and texts for `lm_eval_prompts.py`: task file, examples, prompts, options as tokenized."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from junkdna.data.examples import make_examples
from junkdna.data.knobs import apply_knobs
from junkdna.data.rows import load_raw
from junkdna.evaluate.tokenize import tokenize_rows
from junkdna.study import settings_from_study as study_settings
from junkdna.study.load import resolve
from junkdna.study.sources import PinnedSource
from junkdna.study.study import Resolved
from junkdna.study.task_files import load_task

AT_ONCE = 500
KNOBS = {"sciq": (("context", "passage"),)}
LETTERS = ("csqa",)  # read with `decoder_choice: mcq`, as its task file says for lm-eval's prompt


class Rows(NamedTuple):
    """One task: the study that reads it, its evaluated rows, and the rows used as shots (by group)."""

    resolved: Resolved
    rows: list[dict]
    shots: list[dict]


def study_of(name: str) -> Resolved:
    half = {"method": "magnitude", "sparsity": 0.5}
    protocol = {"max_length": 131072} | ({"decoder_choice": "mcq"} if name in LETTERS else {})
    task = load_task(name)
    study = {
        "study": "texts",
        "models": {"m": {"kind": "decoder", "local": "m"}},
        "tasks": {name: {"source": next(kind for kind in ("wheel", "local", "hub") if kind in task.sources)}},
        "protocols": {"p": protocol, "chat": protocol | {"chat_template": True}},
        "experiments": {"e": {"title": "", "models": ["m"], "tasks": [name], "compressions": [half]}},
    }
    return resolve(study, "lm-eval's prompts")


def rows_of(name: str, table: pa.Table | None, wheel: Path, data: Path | None, count: int) -> Rows:
    """Evaluated rows and `count` shots of a task, read by the package from `table` or, without one, from its source.

    The shots are the task's own if they come from the evaluated rows or are in the wheel by group. Otherwise they are
    the first evaluated rows, because only these are available in lm-eval's layout.
    """
    resolved = study_of(name)
    task, source = resolved.tasks[name], resolved.tasks[name].sources[resolved.source_of(name)]

    def read(split: str) -> pa.Table:
        if table is not None:
            return table
        if source.wheel:
            return load_raw(PinnedSource(wheel=source.wheel), source.splits[split], wheel).table
        folder = data / source.local.removeprefix("data/")
        return load_raw(PinnedSource(local=str(folder.absolute())), source.splits[split]).table

    def examples(role: str) -> list[dict]:
        return make_examples(study_settings.example_settings(name, role, resolved), role, read).to_pylist()

    rows = examples("evaluate")
    own = task.columns.group or (task.shots and task.shots.of == task.evaluate_split)
    return Rows(resolved, rows, examples("shots") if own else rows[:count])


def by_group(rows: list[dict]) -> dict[str | None, list[dict]]:
    found: dict[str | None, list[dict]] = {}
    for row in rows:
        found.setdefault(row["group"], []).append(row)
    return found


def texts(found: Rows, name: str, rows: list[dict], shots: int, chat: bool, tokenizer: object) -> Iterator[list]:
    """Entries of the rows in the form of `render.py`, decoded from the tokens that would be scored."""
    knobs = KNOBS.get(name, ()) + ((("shots", shots),) if shots else ())
    settings = study_settings.tokenize_settings("m", name, knobs, "chat" if chat else "p", found.resolved)
    shown = found.shots if shots else []
    for start in range(0, len(rows), AT_ONCE):
        some, shown_rows = (
            apply_knobs(pa.Table.from_pylist(part), tokenizer, settings)
            for part in (rows[start : start + AT_ONCE], shown)
        )
        for row in tokenize_rows(some, shown_rows, tokenizer, settings).to_pylist():
            yield _entry(row, tokenizer)


def _entry(row: dict, tokenizer: object) -> list:
    query = tokenizer.decode(row["query"])
    if row["options"] is None:
        return [query]
    pairs = []
    for option, start in zip(row["options"], row["option_starts"], strict=True):
        pairs.append([query + tokenizer.decode(option[:start]), tokenizer.decode(option[start:])])
    return [pairs[row["answer"]], pairs]


def byte_tokenizer() -> object:
    """A tokenizer with one token per byte, which decodes to the same text, with the chat template of `render.py`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, clean_up_tokenization_spaces=False)
    tokenizer.chat_template = "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    return tokenizer

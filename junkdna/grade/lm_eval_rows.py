"""The rows of a samples file of lm-evaluation-harness, checked and reduced to what is needed."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from junkdna.errors import UserError, short_repr
from junkdna.grade.answers import Answer, Reading
from junkdna.grade.lines import json_objects

OTHER_KEYS = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
HASHES = {"question": "doc_hash", "prompt": "prompt_hash", "right answer": "target_hash"}


@dataclass(frozen=True)
class Row:
    """One row. `likelihoods` are the log-likelihoods of its requests in nats, empty if it has generated text or one
    request; `continuations` are their texts. `values` maps each metric to its value, None if it is no number."""

    line: int
    id: str
    filter: str
    values: Mapping[str, float | None]
    target: str
    likelihoods: tuple[float, ...] = ()
    continuations: tuple[str, ...] = ()
    text: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    difficulty: str | None = None
    cluster: str | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """An answer picked among options: positions and scores, as in `answers.Answer`."""

    gold: int
    prediction: int
    scores: tuple[float, ...]
    per_character: tuple[float, ...] | None
    option_bytes: tuple[int, ...] | None


def read_rows(file: Path, reading: Reading) -> list[Row]:
    """The rows of a file. Raises UserError for an empty file, a row of another form, and likelihoods that are NaN."""
    rows = [_row(row, number, file, reading) for number, row in json_objects(file)]
    if broken := [row for row in rows if any(map(math.isnan, row.likelihoods))]:
        raise UserError(
            f"{file}: {len(broken)} of {len(rows)} rows have a log-likelihood that is NaN, first in line "
            f"{broken[0].line}. The model computes no numbers there, which float16 often causes: run it in bfloat16 "
            "or float32."
        )
    return rows


def answer_of(row: Row, metric: str, choice: Choice | None) -> Answer:
    """The answer of a row whose score is `metric`; `choice` if it was picked among options."""
    shared = {
        "correct": row.values[metric], "hashes": row.hashes, "difficulty": row.difficulty, "cluster": row.cluster,
    }  # fmt: skip
    if choice is None:
        return Answer(text=row.text, reference=row.target, **shared)
    return Answer(options=len(choice.scores), **vars(choice), **shared)


def _row(row: dict, number: int, file: Path, reading: Reading) -> Row:
    if missing := [key for key in ("doc_id", "filtered_resps", "target") if key not in row]:
        raise UserError(
            f"{file}: line {number} has no {missing[0]!r}, so it is not a row that lm-eval logged (it has "
            f"{short_repr(list(row))}). Give samples_*.jsonl files of a run with --log_samples."
        )
    document = row.get("doc") if isinstance(row.get("doc"), dict) else {}
    requests, responses = _requests(row.get("arguments")), row["filtered_resps"]
    likelihoods = _likelihoods(responses)
    return Row(
        line=number, id=str(row["doc_id"]), filter=str(row.get("filter", "none")), values=_values(row),
        target=str(row["target"]), likelihoods=likelihoods,
        continuations=tuple(request[1] if len(request) > 1 else "" for request in requests) if likelihoods else (),
        text=responses[0] if responses and isinstance(responses[0], str) else None, hashes=_hashes(row, requests),
        difficulty=_field(document, reading.difficulty), cluster=_field(document, reading.cluster), fields=(*document,),
    )  # fmt: skip


def _values(row: dict) -> dict[str, float | None]:
    known = {*OTHER_KEYS, *HASHES.values()}
    names = row["metrics"] if isinstance(row.get("metrics"), list) else [key for key in row if key not in known]
    return {str(name): _number(row.get(name)) for name in names}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, bool | int | float) else None


def _requests(arguments: object) -> list[list]:
    """The arguments of each request, in order: [context, continuation] or [prompt, settings]."""
    if isinstance(arguments, dict):  # gen_args_0: {arg_0: ..., arg_1: ...}
        names = sorted(arguments, key=lambda name: int(name.rpartition("_")[2]) if name[-1:].isdigit() else 0)
        arguments = [list(arguments[name].values()) for name in names if isinstance(arguments[name], dict)]
    return [[str(part) for part in each] for each in arguments or [] if isinstance(each, list)]


def _likelihoods(responses: object) -> tuple[float, ...]:
    """The log-likelihoods of two or more requests, which lm-eval logs as [number, whether greedy], mostly as texts."""
    if not isinstance(responses, list) or len(responses) < 2:
        return ()
    found = []
    for each in responses:
        if not isinstance(each, list) or len(each) != 2 or str(each[1]) not in ("True", "False"):
            return ()
        try:
            found.append(float(each[0]))
        except (TypeError, ValueError):
            return ()
    return tuple(found)


def _hashes(row: dict, requests: list[list]) -> dict[str, str]:
    """Name -> lm-eval's hash; computed by its rule where an older version logged none."""
    logged = {name: str(row[key]) for name, key in HASHES.items() if row.get(key)}
    if len(logged) == len(HASHES):
        return logged
    texts = {"right answer": str(row["target"])}
    if requests and requests[0]:
        texts["prompt"] = requests[0][0]
    if isinstance(row.get("doc"), dict):
        texts["question"] = json.dumps(row["doc"], indent=2, ensure_ascii=False)
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()} | logged


def _field(document: dict, name: str) -> str | None:
    value = document.get(name) if name else None
    return None if value is None or value == "" else str(value)

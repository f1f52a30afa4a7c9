"""Logs in the form of lm-evaluation-harness with made-up answers, and plain tables."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

DATE = "2026-11-27T09-00-00.000000"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def choice_row(number: int, scores: list[float], gold: int, **more: object) -> dict:
    """A row of multiple choice with the options a, bb, ccc, ..., scored by `acc` and `acc_norm`."""
    options = [chr(97 + at) * (at + 1) for at in range(len(scores))]
    responses = [[str(score), "False"] for score in scores]
    lengths = np.array([len(option) for option in options])
    arguments = {f"gen_args_{at}": {"arg_0": f"Q{number}", "arg_1": f" {text}"} for at, text in enumerate(options)}
    row = {
        "doc_id": number, "doc": {"question": f"question {number}"}, "target": str(gold),
        "arguments": arguments,
        "resps": [[each] for each in responses], "filtered_resps": responses, "filter": "none",
        "metrics": ["acc", "acc_norm"], "acc": float(np.argmax(scores) == gold),
        "acc_norm": float(np.argmax(np.array(scores) / lengths) == gold),
    }  # fmt: skip
    return hashed(row) | more


def text_row(number: int, text: str, answer: str, **more: object) -> dict:
    """A row of generated text, scored by `exact_match`."""
    row = {
        "doc_id": number, "doc": {"question": f"sum {number}", "digits": 1 + number % 3}, "target": answer,
        "arguments": {"gen_args_0": {"arg_0": f"S{number}", "arg_1": {"until": ["\n"]}}}, "resps": [[text]],
        "filtered_resps": [text], "filter": "none", "metrics": ["exact_match"], "exact_match": float(text == answer),
    }  # fmt: skip
    return hashed(row) | more


def hashed(row: dict) -> dict:
    """The row with lm-eval's hashes."""
    return row | {
        "doc_hash": digest(json.dumps(row["doc"], indent=2, ensure_ascii=False)),
        "prompt_hash": digest(row["arguments"]["gen_args_0"]["arg_0"]),
        "target_hash": digest(row["target"]),
    }


def write_rows(folder: Path, task: str, rows: list[dict], **facts: object) -> Path:
    """Write a samples file and, with `facts` (version, shots), the results beside it; returns the folder."""
    inside = folder / "model"
    inside.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (inside / f"samples_{task}_{DATE}.jsonl").write_text(text, encoding="utf-8")
    if facts:
        file = inside / f"results_{DATE}.json"
        results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        for key, value in (("versions", "version"), ("n-shot", "shots"), ("n-samples", "samples")):
            results.setdefault(key, {})[task] = facts.get(value)
        file.write_text(json.dumps(results), encoding="utf-8")
    return folder


def choices(n: int, seed: int, skill: float, change: Callable[[dict], dict] = lambda row: row) -> list[dict]:
    """Rows of multiple choice with four options. `seed` draws the noise, `skill` is added to the right option."""
    golds = np.random.default_rng(7).integers(0, 4, n)
    noise = np.random.default_rng(seed).normal(-20, 2, (n, 4))
    noise[np.arange(n), golds] += skill
    return [change(choice_row(at, noise[at].round(4).tolist(), int(golds[at]))) for at in range(n)]

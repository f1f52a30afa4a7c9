"""The package's scorer on the folders of `documents.py`, with the arguments and result of `harness.py`.

    python benchmarks/lm_eval_tasks/ours.py --documents FOLDER --model FOLDER --out FILE [--dtype float32] [--threads 1]

With `--plain-batch N` the rows are scored by the peer `plain_rows`, N at a time, instead of the package's scorer.

Rows pass through every step of the package: task file, examples, token ids, scores. The documents have the Hub's
layout, so each task file's Hub source reads them. The texts in the result are decoded from the scored token ids.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

MMLU = "mmlu"  # lm-eval has one task per subject, the package a single task with a group per row
KNOBS = {"sciq": {"context": "passage"}, MMLU: {"shots": 5}}


def task_files(documents: Path) -> dict[str, dict[str, list[str]]]:
    """Task of the package -> raw split -> files in the folder, in the order of `tasks.json`."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, task in json.loads((documents / "tasks.json").read_text(encoding="utf-8")).items():
        splits = found.setdefault(MMLU if name.startswith("mmlu_") else name, {})
        for split, file in task["files"].items():
            splits.setdefault(split, []).append(file)
    return found


def study_of(tasks: list[str], max_length: int) -> dict:
    """A study whose dense cells are the tasks with the settings of lm-eval's definitions."""
    return {
        "study": "lm_eval",
        "models": {"model": {"kind": "decoder", "local": "model"}},
        "tasks": {name: {"source": "hub", "limits": {}} for name in tasks},
        "protocols": {"whole": {"max_length": max_length}},
        "experiments": {
            "parity": {
                "title": "",
                "models": ["model"],
                "tasks": [{"task": name, **KNOBS.get(name, {})} for name in tasks],
                "compressions": [{"method": "magnitude", "sparsity": 0.5}],
                "protocol": "whole",
            }
        },
    }


def read_role(cell: object, role: str, resolved: object, files: dict[str, list[str]], documents: Path) -> tuple:
    """Raw rows and examples of a cell's task in one role, as Arrow tables."""
    import pyarrow as pa

    from junkdna.data.examples import make_examples
    from junkdna.data.rows import load_raw
    from junkdna.study.source_settings import example_settings
    from junkdna.study.sources import PinnedSource

    settings = example_settings(cell.task, role, resolved)
    (split,) = settings.splits.values()
    source = PinnedSource(local=str(documents.absolute()))
    raw = pa.concat_tables([load_raw(source, file).table for file in files[split]])
    return raw, make_examples(settings, role, lambda _: raw)


def documents_of(raw: list[dict], table: dict[str, list], scores: list, tokenizer: object) -> dict[str, list[dict]]:
    """Name in lm-eval -> row number and options of each document, in the form of `harness.py`."""
    found: dict[str, list[dict]] = {}
    columns = zip(table["position"], table["query"], table["options"], table["option_starts"], scores, strict=True)
    for position, query, options, starts, values in columns:
        given = []
        for option, start, value in zip(options, starts, values, strict=True):
            before, scored = query + option[:start], option[start:]
            given.append([*map(tokenizer.decode, (before, scored)), len(before), len(scored), float(value)])
        name = f"mmlu_{raw[position]['subject']}" if "subject" in raw[position] else ""
        found.setdefault(name, []).append({"row": raw[position]["row"], "options": given})
    return found


def scorer(plain_batch: int | None) -> Callable:
    """The package's `loglikelihood`, or the peer with that batch size."""
    if plain_batch is None:
        from junkdna.evaluate.scores import loglikelihood

        return loglikelihood
    sys.path.append(str(Path(__file__).parents[1]))
    from plain_rows import plain_rows

    return lambda *inputs: plain_rows(*inputs, plain_batch)


def evaluate(given: argparse.Namespace) -> dict:
    start = time.perf_counter()
    import torch
    import transformers

    from junkdna.evaluate.tokenize import tokenize_examples
    from junkdna.models.load import load_plain
    from junkdna.study import grid
    from junkdna.study import settings_from_study as study_settings
    from junkdna.study.load import resolve

    torch.set_num_threads(given.threads)
    loglikelihood = scorer(given.plain_batch)
    seconds = {"import": time.perf_counter() - start, "score": 0.0}
    begun = time.perf_counter()
    model = load_plain(given.model, "decoder").to(getattr(torch, given.dtype))
    tokenizer = transformers.AutoTokenizer.from_pretrained(given.model)
    seconds["load"] = time.perf_counter() - begun
    files = task_files(given.documents)
    resolved = resolve(study_of(list(files), model.config.max_position_embeddings), "lm_eval parity")
    found = {}
    for cell in grid.all_cells(resolved):
        if cell.compression.method != "dense":
            continue
        raw, examples = read_role(cell, "evaluate", resolved, files[cell.task], given.documents)
        count = dict(cell.knobs).get("shots", 0)
        shots = read_role(cell, "shots", resolved, files[cell.task], given.documents)[1] if count else None
        begun = time.perf_counter()
        settings = study_settings.tokenize_settings(cell.model, cell.task, cell.token_knobs, cell.protocol, resolved)
        table = tokenize_examples(examples, shots, tokenizer, settings).to_pydict()
        scores = loglikelihood(model, table["query"], table["options"], table["option_starts"], "cpu")
        seconds["score"] += time.perf_counter() - begun
        for name, documents in documents_of(raw.to_pylist(), table, scores, tokenizer).items():
            found[name or cell.task] = [{**document, "shots": count} for document in documents]
    seconds["all"] = time.perf_counter() - start
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    return {"versions": versions, "seconds": seconds, "tasks": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True, help="folder that documents.py wrote")
    parser.add_argument("--model", type=Path, required=True, help="model folder (safetensors, config, tokenizer)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plain-batch", type=int, help="score plain rows in batches of this size")
    given = parser.parse_args()
    given.out.write_text(json.dumps(evaluate(given)), encoding="utf-8")


if __name__ == "__main__":
    main()

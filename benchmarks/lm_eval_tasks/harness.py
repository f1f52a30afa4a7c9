"""lm-evaluation-harness on the folders of `documents.py`: run it with the Python of an environment that has lm-eval.

    LM_EVAL_PYTHON harness.py --documents FOLDER --model FOLDER --out FILE [--dtype float32] [--batch-size 1]

Imports nothing from junkdna. Prompts, shots and scoring are lm-eval's: each task file written here includes lm-eval's
definition and changes only the source of the rows. The result is JSON: versions, seconds of each stage, and per
document its row number and, per option, [context, continuation, context tokens, continuation tokens, log-likelihood].
"""

import argparse
import json
import os
import time
from pathlib import Path


def write_task_files(documents: Path, definitions: Path) -> dict[str, int]:
    """Write a task YAML for each task of `tasks.json`, next to it; returns the number of shots of each task."""
    tasks = json.loads((documents / "tasks.json").read_text(encoding="utf-8"))
    for name, task in tasks.items():
        settings = {
            "include": str(definitions / task["definition"]),
            "task": name,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {split: str(documents / file) for split, file in task["files"].items()}},
            "training_split": None,
            "validation_split": "validation" if "validation" in task["files"] else None,
            "test_split": "test" if "test" in task["files"] else None,
        }
        (documents / f"{name}.yaml").write_text(json.dumps(settings, indent=1), encoding="utf-8")  # JSON is YAML
    return {name: task["shots"] for name, task in tasks.items()}


def timed_model(folder: Path, dtype: str, batch_size: int, seconds: dict) -> object:
    """lm-eval's hf backend on the CPU; adds the time inside its `loglikelihood` to `seconds["score"]`."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), device="cpu", dtype=dtype, batch_size=batch_size)
    plain = model.loglikelihood

    def loglikelihood(*arguments: object, **named: object) -> list:
        start = time.perf_counter()
        responses = plain(*arguments, **named)
        seconds["score"] += time.perf_counter() - start
        return responses

    model.loglikelihood = loglikelihood
    return model


def documents_of(samples: list[dict], model: object, shots: int) -> list[dict]:
    """Row number, shots and options of every sample that lm-eval logged, in document order."""
    documents = []
    for sample in sorted(samples, key=lambda sample: sample["doc_id"]):
        options = []
        for request, (response,) in zip(sample["arguments"], sample["resps"], strict=True):
            context, continuation = request
            tokens = [len(ids) for ids in model._encode_pair(context, continuation)]
            options.append([context, continuation, *tokens, float(response[0])])
        documents.append({"row": sample["doc"]["row"], "shots": shots, "options": options})
    return documents


def evaluate(args: argparse.Namespace) -> dict:
    start = time.perf_counter()
    import datasets
    import lm_eval
    import torch
    import transformers
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(args.threads)
    seconds = {"import": time.perf_counter() - start, "score": 0.0}
    shots = write_task_files(args.documents.absolute(), Path(lm_eval.__file__).parent / "tasks")
    begun = time.perf_counter()
    model = timed_model(args.model, args.dtype, args.batch_size, seconds)
    seconds["load"] = time.perf_counter() - begun
    manager = TaskManager(include_path=str(args.documents), include_defaults=False)
    tasks = {}
    for count in sorted(set(shots.values())):
        names = [name for name in shots if shots[name] == count]
        options = {"tasks": names, "num_fewshot": count, "task_manager": manager, "bootstrap_iters": 0}
        result = lm_eval.simple_evaluate(model=model, **options)
        tasks |= {name: documents_of(result["samples"][name], model, count) for name in names}
    seconds["all"] = time.perf_counter() - start
    modules = {"lm_eval": lm_eval, "torch": torch, "transformers": transformers, "datasets": datasets}
    versions = {name: module.__version__.split("+")[0] for name, module in modules.items()}
    return {"versions": versions, "seconds": seconds, "tasks": tasks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True, help="folder that documents.py wrote")
    parser.add_argument("--model", type=Path, required=True, help="model folder (safetensors, config, tokenizer)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(args.documents / "cache")}
    args.out.write_text(json.dumps(evaluate(args)), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Texts that lm-evaluation-harness sends to a model: run it with the Python of an environment that has lm-eval.

    LM_EVAL_PYTHON render.py --documents FOLDER --out FILE

Reads the folder that `lm_eval_prompts.py` fills. Imports nothing of junkdna. Task definitions are lm-eval's own; each
task file written here changes only where rows are read, and takes the first rows of `shots` as shots instead of random
ones. The result is JSON: task -> {"until", "plain", "shots", "chat"}, the last three with one entry per row:
[[gold context, gold continuation], [[context, continuation] of each option]] or, for generated text, [context].
White space at the end of a context opens the continuation, as lm-eval's `_encode_pair` cuts them.
"""

import argparse
import json
import os
from pathlib import Path


def task_file(name: str, task: dict, documents: Path, definitions: Path) -> dict:
    """lm-eval's definition of a task, on the rows of this folder."""
    files = {split: str(documents / file) for split, file in task["files"].items()}
    return {
        "include": str(definitions / task["definition"]),
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
        "training_split": None,
        "validation_split": None,
        "test_split": "rows",
        "fewshot_split": "shots",
        "fewshot_config": {"sampler": "first_n"},
    }


def requests(task: object, doc: dict, shots: int, chat: bool) -> list:
    """The row's entry: what is scored or continued, and which of it is right."""
    context = task.fewshot_context(doc, shots, None, chat, chat, conversation if chat else None)
    made = task.construct_requests(doc, context, apply_chat_template=chat)
    if task.OUTPUT_TYPE == "generate_until":
        return [made.arguments[0]]
    pairs = [list(cut(*request.arguments)) for request in made]
    return [pairs[gold_of(task, doc)], pairs]


def conversation(said: list[dict], **_: object) -> str:
    """A chat template that a person can read."""
    return "".join(f"<{one['role']}>{one['content']}<end>" for one in said)


def cut(context: str, continuation: str) -> tuple[str, str]:
    """As `lm_eval.api.model.TemplateLM._encode_pair` does before it makes tokens."""
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def gold_of(task: object, doc: dict) -> int:
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    return gold if isinstance(gold, int) else task.doc_to_choice(doc).index(gold)


def render(documents: Path) -> dict:
    import lm_eval
    from lm_eval.tasks import TaskManager, get_task_dict

    definitions = Path(lm_eval.__file__).parent / "tasks"
    tasks = json.loads((documents / "tasks.json").read_text(encoding="utf-8"))
    for name, task in tasks.items():
        settings = task_file(name, task, documents, definitions)
        (documents / f"{name}.yaml").write_text(json.dumps(settings), encoding="utf-8")
    manager = TaskManager(include_path=str(documents), include_defaults=False)
    found = {}
    for name, task in tasks.items():
        (made,) = get_task_dict([name], manager).values()
        docs = list(made.test_docs())
        some = [docs[at] for at in task["some"]]
        found[name] = {
            "until": (made.config.generation_kwargs or {}).get("until"),
            "plain": [requests(made, doc, 0, chat=False) for doc in docs],
            "shots": [requests(made, doc, task["shots"], chat=False) for doc in some],
            "chat": [requests(made, doc, task["turns"], chat=True) for doc in some],
        }
    return {"version": lm_eval.__version__, "tasks": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True, help="folder that lm_eval_prompts.py filled")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(given.documents / "cache")}
    found = render(given.documents.absolute())
    given.out.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()

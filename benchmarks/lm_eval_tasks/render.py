"""Texts that lm-evaluation-harness sends to a model. Run it with the Python of an environment that has lm-eval.

    LM_EVAL_PYTHON render.py --documents FOLDER --out FILE

Reads the folder that `lm_eval_prompts.py` fills. Imports nothing from junkdna. Task definitions are lm-eval's; each
task file written here changes only the source of the rows and uses the first rows of `shots` as shots instead of random
ones. The result is JSON: task -> {"until", "plain", "shots", "chat"}, the last three with one entry per row:
[[gold context, gold continuation], [[context, continuation] of each option]] or, for generated text, [context].
White space at the end of a context moves to the continuation, as in lm-eval's `_encode_pair`.
"""

import argparse
import json
import os
from pathlib import Path


def task_file(name: str, task: dict, documents: Path, definitions: Path) -> dict:
    """lm-eval's definition of a task, with the rows of this folder."""
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
    """The row's entry: the texts that are scored or continued, and the right one."""
    context = task.fewshot_context(doc, shots, None, chat, chat, conversation if chat else None)
    built = task.construct_requests(doc, context, apply_chat_template=chat)
    if task.OUTPUT_TYPE == "generate_until":
        return [built.arguments[0]]
    pairs = [list(cut(*request.arguments)) for request in built]
    return [pairs[gold_of(task, doc)], pairs]


def conversation(messages: list[dict], **_: object) -> str:
    """A readable chat template."""
    return "".join(f"<{message['role']}>{message['content']}<end>" for message in messages)


def cut(context: str, continuation: str) -> tuple[str, str]:
    """Split as `lm_eval.api.model.TemplateLM._encode_pair` does before it tokenizes."""
    stripped = context.rstrip()
    return stripped, context[len(stripped) :] + continuation


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
    texts = {}
    for name, task in tasks.items():
        (definition,) = get_task_dict([name], manager).values()
        docs = list(definition.test_docs())
        sample = [docs[index] for index in task["some"]]
        texts[name] = {
            "until": (definition.config.generation_kwargs or {}).get("until"),
            "plain": [requests(definition, doc, 0, chat=False) for doc in docs],
            "shots": [requests(definition, doc, task["shots"], chat=False) for doc in sample],
            "chat": [requests(definition, doc, task["turns"], chat=True) for doc in sample],
        }
    return {"version": lm_eval.__version__, "tasks": texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True, help="folder that lm_eval_prompts.py filled")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(args.documents / "cache")}
    texts = render(args.documents.absolute())
    args.out.write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()

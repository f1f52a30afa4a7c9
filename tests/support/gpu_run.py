"""A study for real GPUs, run by the real Snakemake, with a record of which job had which GPU and when."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import toy
from project import ROOT, python_path

from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import Cell
from junkdna.study.cell_settings import CellSettings
from junkdna.study.study import Resolved

# --- a study as the toy ones, with models and texts long enough that a GPU's kernels split and reorder their sums -----

MOOD = {
    **toy.CLASSIFY_TASK,
    "hash_split": {"of": "all", "train": 192, "evaluate": 96},
    "protocol": {"max_length": 256, "epochs": 2, "batch_size": 16, "learning_rate": 3e-4},
}
CONTEXT, MODES = toy.STUDY["experiments"]["context"], toy.STUDY["experiments"]["modes"]
ONE = {"title": "one level", "compressions": toy.HALF}
DECODER, STILL = {**ONE, "models": ["llm"]}, {**ONE, "models": ["still"], "transfer": ["sparse"]}
CALM = {"learning_rate": 1e-4, "epochs": 2}  # at the toy tasks' own rate these models run away from the data
PROTOCOLS = {"default": {}, **toy.SETTINGS["protocols"], "half": {"dtype": "bfloat16"}, "calm": CALM,
             "calm_cross": {**CALM, "encoder_choice": "cross_encoder"}}  # fmt: skip
STUDY = {
    **toy.SETTINGS,
    "models": {**toy.SETTINGS["models"], "still": {"kind": "encoder", "local": "still"}},
    "tasks": {**toy.SETTINGS["tasks"], "colours": {"file": "tasks/colours.yaml"}},
    "protocols": {name: {**each, "stack": 1} for name, each in PROTOCOLS.items()},  # stacks: test_stacks
    "experiments": {
        "context": {**CONTEXT, "knobs": {"context": ["passage"]}},
        "modes": {**MODES, "seeds": [0]},
        "decoder": {**DECODER, "tasks": ["colours"], "knobs": {"context": ["passage"]}},
        "decoder_words": {**DECODER, "tasks": ["alike"]},
        "decoder_letters": {**DECODER, "tasks": ["hues"], "knobs": {"shots": [2]}, "protocol": "letters"},
        "decoder_half": {**DECODER, "tasks": ["hues"], "protocol": "half"},
        "decoder_text": {**DECODER, "tasks": ["named"], "knobs": {"context": ["passage"]}},
        "decoder_modes": {**MODES, "models": ["llm"], "transfer": ["sparse"], "seeds": [0]},
        "classes_numbers_and_choices": {**STILL, "tasks": ["alike", "degree", "hues"], "protocol": "calm"},
        "cross_encoder": {**STILL, "tasks": ["hues"], "protocol": "calm_cross"},
    },
}  # fmt: skip


def make_models(folder: Path) -> None:
    """An encoder of MiniLM's shape, a smaller one without dropout, a small decoder: random, with the toy tokenizers.

    The two devices draw dropout differently, so only training without it can be held against the CPU's.
    """
    from transformers import AutoConfig, BertConfig, BertModel, LlamaForCausalLM

    shutil.copytree(folder / "model", folder / "still")
    words = len((folder / "model/vocab.txt").read_text().split())
    shape = {"hidden_size": 384, "num_attention_heads": 12, "max_position_embeddings": 512}
    shape["initializer_range"] = 0.05  # with the usual 0.02 all options of an untrained model score nearly alike
    layers = {"model": {"num_hidden_layers": 6, "intermediate_size": 1536}}
    layers["still"] = {"num_hidden_layers": 2, "intermediate_size": 1536}
    layers["still"] |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(7)
        for name, more in layers.items():
            BertModel(BertConfig(vocab_size=words, **shape, **more)).save_pretrained(folder / name)
        config = AutoConfig.from_pretrained(folder / "decoder")
        config.update({**shape, "intermediate_size": 1024, "num_key_value_heads": 12, "head_dim": 32})
        LlamaForCausalLM(config).save_pretrained(folder / "decoder")


def long_rows(n: int) -> list[dict]:
    """The toy sentences, each said 1 to 40 times: up to 240 tokens."""
    return [
        {**row, "sentence": " ".join([row["sentence"]] * (1 + i % 40))} for i, row in enumerate(toy.classify_rows(n))
    ]


@dataclass
class Run:
    """A finished workflow: where it stands, what its jobs wrote down, what the driver saw, how long it took."""

    folder: Path
    resolved: Resolved
    cells: list[Cell]
    leases: list[dict]
    seen: dict[int, set[str]] = field(default_factory=dict)
    wall_s: float = 0.0

    def settings(self, cell: Cell) -> CellSettings:
        return study_settings.cell_settings(cell, self.resolved)

    def columns(self, cell: Cell, under: str = ".") -> pa.Table:
        return pq.read_table(self.folder / under / cell.path).replace_schema_metadata()


# What the rules call as `python`: the same command, with a line written at the end of each lease.
RECORDER = """
import json, os, sys, time
from contextlib import contextmanager
from junkdna.cli import main as cli
from junkdna.run import gpus as devices
from junkdna.study import settings_from_study as job_settings

lease = devices.lease

@contextmanager
def recorded(gpus, cells_per_gpu):
    with lease(gpus, cells_per_gpu) as device:
        start = time.time()
        yield device
        line = {"cell": sys.argv[2], "pid": os.getpid(), "device": device, "start": start, "end": time.time()}
        line["visible"] = os.environ["CUDA_VISIBLE_DEVICES"]
        if devices.FAKE not in os.environ:
            import torch
            line["count"] = torch.cuda.device_count()
            line["uuid"] = "GPU-" + str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        with open(os.environ["LEASES"], "a") as file:
            file.write(json.dumps(line) + "\\n")

devices.lease = recorded
{more}
cli.main()
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": python_path(ROOT), **more}


def recording_environment(folder: Path, more: str = "") -> dict[str, str]:
    """An environment in which `python -m junkdna ...` also records its lease in `folder`/leases.jsonl.

    `more` is code that runs in each of these processes before the command does.
    """
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "recorder.py").write_text(RECORDER.replace("{more}", more))
    (programs / "python").write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" "{programs}/recorder.py" "$@"\n')
    (programs / "python").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return environment(PATH=path, LEASES=str(folder / "leases.jsonl"))


def read_leases(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "leases.jsonl").read_text().splitlines()]


def smi(*arguments: str) -> list[str]:
    command = ["nvidia-smi", *arguments, "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def workflow_command(folder: Path, gpus: int, targets: list[str], per_gpu: int = 1, cores: str = "all") -> list[str]:
    """`snakemake --cores all --resources gpu=N` on the project's workflow in `folder`."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    command += ["--cores", cores, "--resources", f"gpu={gpus}", "--config", f"cells_per_gpu={per_gpu}"]
    return [*command, "--", *targets]


def leases_at_once(leases: list[dict]) -> int:
    """The largest number of leases held at one moment."""
    return max(sum(other["start"] <= one["start"] < other["end"] for other in leases) for one in leases)


def run_workflow(folder: Path, gpus: int, targets: list[str], per_gpu: int = 1) -> tuple[float, dict[int, set[str]]]:
    """Wall seconds of Snakemake, and {process: GPUs on which the driver saw it compute} meanwhile."""
    command = workflow_command(folder, gpus, targets, per_gpu)
    watch = ["nvidia-smi", "--query-compute-apps=pid,gpu_uuid", "--format=csv,noheader", "-lms", "100"]
    with (folder / "seen.csv").open("w+") as seen:
        watcher = subprocess.Popen(watch, stdout=seen, stderr=subprocess.DEVNULL)
        try:
            start = time.perf_counter()
            result = subprocess.run(
                command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                env=recording_environment(folder), timeout=900,
            )  # fmt: skip
            wall_s = time.perf_counter() - start
        finally:
            watcher.terminate()
            watcher.wait()
    assert result.returncode == 0, result.stdout
    gpus_of: dict[int, set[str]] = {}
    for line in (folder / "seen.csv").read_text().splitlines():
        pid, _, uuid = line.partition(", ")
        if pid.isdigit() and uuid.startswith("GPU-"):
            gpus_of.setdefault(int(pid), set()).add(uuid.strip())
    return wall_s, gpus_of


def make_world(folder: Path) -> None:
    """The toy world with `STUDY` as its config.yaml, larger models and longer texts."""
    toy.make_world(folder)
    make_models(folder)
    pq.write_table(pa.Table.from_pylist(toy.choice_rows(200)), folder / "data/colours.parquet")
    pq.write_table(pa.Table.from_pylist(long_rows(600)), folder / "data/mood.parquet")
    toy.write_yaml(folder / "tasks/mood.yaml", MOOD)
    toy.write_yaml(folder / "config.yaml", STUDY)


def on_gpu(script: str, *arguments: str, gpu: str | None = None) -> str:
    """Standard output of a script run in a process of its own, on one GPU where one is named."""
    more = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=600,
        env=environment(**more),
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


# --- scripts for `on_gpu` ---------------------------------------------------------------------------------------------

# Each cell again on the GPU; then every weight of its model against masks and starting weights made on the CPU.
HOLD = """
import json
from pathlib import Path
import torch
from junkdna.run import cell as cells
from junkdna.study import grid, settings_from_study as study_settings
from junkdna.compress.scope import prunable
from junkdna.study.load import load_study

resolved, models, answer = load_study(Path("config.yaml")), [], cells._answers

def spy(settings, model, *rest):
    models.append(model)
    return answer(settings, model, *rest)

cells._answers = spy
for key in grid.all_cells(resolved):
    settings = study_settings.cell_settings(key, resolved)
    cells.run_cell(settings, "cuda:0")
    model, (fresh, _) = models.pop(), cells._load(settings, key, Path(key.model_folder))
    before = prunable(fresh)
    masks = {each.name: torch.ones(each.matrix().shape, dtype=torch.bool) for each in before}
    if key.compression.level:
        masks = {name: result.mask for name, result in cells.computed(key, before)}
    count = {"pruned": 0, "broken": 0, "moved": 0, "zero": 0}
    for new, old in zip(prunable(model), before, strict=True):
        assert new.name == old.name and new.parameter.device == torch.device("cuda:0")
        value, start, kept = new.matrix().cpu(), old.matrix().to(new.parameter.dtype), masks[old.name]
        wanted = start if key.transfer == "dense_freeze" else torch.zeros_like(start)
        count["pruned"] += int((~kept).sum())
        count["broken"] += int(((value != wanted) & ~kept).sum())
        count["moved"] += int(((value != start) & kept).sum())
        count["zero"] += int(((value == 0) & kept).sum())
    print(json.dumps([key.key, key.compression.method, key.transfer, count]))
"""

AGAIN = """
import sys
from pathlib import Path
from junkdna.study import grid, settings_from_study as study_settings
from junkdna.run.cell import run_cell
from junkdna.run.cell_file import write_cell
from junkdna.study.load import load_study

resolved = load_study(Path("config.yaml"))
for key in grid.all_cells(resolved):
    if key.path in sys.argv[2:]:
        settings = study_settings.cell_settings(key, resolved)
        write_cell(run_cell(settings, "cuda:0"), Path(sys.argv[1], key.path))
"""

# Each cell killed in the middle of its first loop, a checkpoint after every item, and gone on with.
RESUME = """
import sys
from pathlib import Path
from junkdna.study import grid, settings_from_study as study_settings
from junkdna.run.cell import run_cell
from junkdna.run.cell_file import write_cell
from junkdna.run.checkpoint import kept
from junkdna.study.load import load_study


class Killed(Exception):
    pass


def killed(items):
    for number, item in enumerate(items):
        if number == max(1, len(items) // 2):
            raise Killed
        yield item


resolved = load_study(Path("config.yaml"))
for key in grid.all_cells(resolved):
    if key.path in sys.argv[2:]:
        settings = study_settings.cell_settings(key, resolved)
        try:
            with kept(key.key, killed) as walk:
                run_cell(settings, "cuda:0", walk)
        except Killed:
            with kept(key.key) as walk:
                write_cell(run_cell(settings, "cuda:0", walk), Path(sys.argv[1], key.path))
            print(walk.resumed)
"""

TIES = """
import torch
from junkdna.study import methods as registry
from junkdna.compress.apply import compress_each
from junkdna.study.cell import parse_compression

draw = torch.Generator().manual_seed(3)
weights = {name: torch.randn(shape, generator=draw) for name, shape in {"a": (300, 512), "b": (64, 128)}.items()}
tags = ["magnitude-0.37", "magnitude-0.37,reference_ties=true", "magnitude_layer-0.37", "random-0.37", "largest-0.37",
        "band-0.2to0.57", "nm-keep2of4"]
plain = {name for name, method in registry.METHODS.items() if method.gives == "mask" and not method.statistics}
assert {parse_compression(tag).method for tag in tags} == plain


class Stored:  # what scope.Prunable is to a method
    def __init__(self, name, weight):
        self.name, self.weight = name, weight

    def matrix(self):
        return self.weight


for round_to in (None, 0.25):  # 0.25: most magnitudes are shared by thousands of weights
    for tag in tags:
        found, random = [], registry.METHODS[parse_compression(tag).method].random
        for device in ("cpu", "cuda:0"):
            rounded = {n: w if round_to is None else (w / round_to).round() * round_to for n, w in weights.items()}
            given = [Stored(n, w.to(device)) for n, w in rounded.items()]
            generator = torch.Generator().manual_seed(11) if random else None
            found.append({n: r.mask for n, r in compress_each(given, parse_compression(tag), generator)})
        for name in weights:
            assert found[1][name].is_cuda
            assert torch.equal(found[0][name], found[1][name].cpu()), (tag, round_to, name)
"""

"""Cells on real GPUs: the CPU's numbers, exact masks, the same numbers twice, two at a time on GPUs of their own.

The workflow runs once, under the real Snakemake. Nothing is mocked: each job's process also writes down which GPU its
lease gave it and from when to when, and the driver's own list of processes (nvidia-smi) is kept beside that.
This process never starts CUDA itself: after that no lease could be taken in it, and other tests take some.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toy

from junkdna import cell as cell_module
from junkdna import grid, stages
from junkdna.keys import FOOTER_KEY, Cell
from junkdna.study import Resolved, load_study

ROOT = Path(__file__).resolve().parents[1]
GPUS = torch.cuda.device_count()  # asks the driver's library: CUDA stays asleep
TOLERANCE = 1e-3
log = logging.getLogger(__name__)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPUS == 0, reason="needs a CUDA device, and torch sees none"),
]
two_gpus = pytest.mark.skipif(GPUS < 2, reason=f"needs two CUDA devices, and torch sees {GPUS}")

# --- a study as the toy one, with models and texts long enough that a GPU's kernels split and reorder their sums ------

MOOD = {
    **toy.CLASSIFY_TASK,
    "hash_split": {"of": "all", "train": 192, "evaluate": 96},
    "protocol": {"max_length": 256, "epochs": 2, "batch_size": 16, "learning_rate": 3e-4},
}
CONTEXT, MODES = toy.STUDY["experiments"]["context"], toy.STUDY["experiments"]["modes"]
STUDY = {
    **toy.STUDY,
    "models": {**toy.STUDY["models"], "llm": {"kind": "decoder", "local": "llm"}},
    "experiments": {
        "context": {**CONTEXT, "knobs": {"context": ["passage"]}},
        "modes": {**MODES, "seeds": [0]},
        "decoder": {**CONTEXT, "models": ["llm"], "compressions": [{"method": "magnitude", "sparsity": 0.5}]},
        "decoder_modes": {**MODES, "models": ["llm"], "transfer": ["sparse"], "seeds": [0]},
    },
}


def make_models(folder: Path) -> None:
    """An encoder of MiniLM's shape and a small decoder, both random, with the toy tokenizer."""
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

    shutil.copytree(folder / "model", folder / "llm")
    words = len((folder / "model/vocab.txt").read_text().split())
    shape = {"vocab_size": words, "hidden_size": 384, "num_attention_heads": 12, "max_position_embeddings": 512}
    shape["initializer_range"] = 0.05  # with the usual 0.02 all options of an untrained model score nearly alike
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(7)
        BertModel(BertConfig(**shape, num_hidden_layers=6, intermediate_size=1536)).save_pretrained(folder / "model")
        LlamaForCausalLM(LlamaConfig(**shape, num_hidden_layers=2, intermediate_size=1024)).save_pretrained(
            folder / "llm"
        )


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

    def settings(self, cell: Cell) -> dict:
        return stages.settings_from(grid.settings_text(cell, self.resolved))

    def columns(self, cell: Cell, under: str = ".") -> pa.Table:
        return pq.read_table(self.folder / under / cell.path).replace_schema_metadata()


# What the rules call as `python`: the same command, with a line written at the end of each lease.
RECORDER = """
import json, os, sys, time
from contextlib import contextmanager
from junkdna import cli, devices

lease = devices.lease

@contextmanager
def recorded(gpus):
    with lease(gpus) as device:
        start = time.time()
        yield device
        import torch
        line = {"cell": sys.argv[2], "pid": os.getpid(), "device": device, "start": start, "end": time.time()}
        line["visible"] = os.environ["CUDA_VISIBLE_DEVICES"]
        line["count"] = torch.cuda.device_count()
        line["uuid"] = "GPU-" + str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        with open(os.environ["LEASES"], "a") as file:
            file.write(json.dumps(line) + "\\n")

devices.lease = recorded
cli.main()
"""


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def recording_environment(folder: Path) -> dict[str, str]:
    """An environment in which `python -m junkdna ...` also records its lease in `folder`/leases.jsonl."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "recorder.py").write_text(RECORDER)
    (programs / "python").write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" "{programs}/recorder.py" "$@"\n')
    (programs / "python").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return environment(PATH=path, LEASES=str(folder / "leases.jsonl"))


def read_leases(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "leases.jsonl").read_text().splitlines()]


def smi(*arguments: str) -> list[str]:
    command = ["nvidia-smi", *arguments, "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def run_workflow(folder: Path, gpus: int, targets: list[str]) -> tuple[float, dict[int, set[str]]]:
    """Wall seconds of Snakemake, and {process: GPUs on which the driver saw it compute} meanwhile."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    command += ["--cores", "all", "--resources", f"gpu={gpus}", "--", *targets]
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


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every cell of the study, made by the workflow on two GPUs where there are two."""
    folder = toy.make_world(tmp_path_factory.mktemp("gpu") / "world")
    make_models(folder)
    pq.write_table(pa.Table.from_pylist(toy.choice_rows(200)), folder / "data/colours.parquet")
    pq.write_table(pa.Table.from_pylist(long_rows(600)), folder / "data/mood.parquet")
    toy.write_yaml(folder / "tasks/mood.yaml", MOOD)
    toy.write_yaml(folder / "config.yaml", STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = load_study(Path("config.yaml"))
    cells = grid.all_cells(resolved)
    wall_s, seen = run_workflow(folder, min(GPUS, 2), [cell.path for cell in cells])
    return Run(folder, resolved, cells, read_leases(folder), seen, wall_s)


@pytest.fixture
def here(done: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The finished workflow, as the working directory."""
    monkeypatch.chdir(done.folder)
    return done


def on_gpu(script: str, *arguments: str, gpu: str | None = None) -> str:
    """Standard output of a script run in a process of its own, on one GPU where one is named."""
    more = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=600,
        env=environment(**more),
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


# --- where cells ran --------------------------------------------------------------------------------------------------


def test_every_cell_ran_on_a_leased_gpu_and_its_footer_names_it(here: Run) -> None:
    assert sorted(lease["cell"] for lease in here.leases) == sorted(cell.path for cell in here.cells)
    assert all((lease["device"], lease["count"]) == ("cuda:0", 1) for lease in here.leases)
    names = dict(line.split(", ") for line in smi("--query-gpu=uuid,name"))
    for lease in here.leases:
        footer = json.loads(pq.read_schema(lease["cell"]).metadata[FOOTER_KEY])
        assert footer["device"] == names[lease["uuid"]]


@two_gpus
def test_two_cells_run_at_a_time_and_never_on_one_gpu(done: Run) -> None:
    overlapping = [
        (one, other)
        for one, other in combinations(done.leases, 2)
        if one["start"] < other["end"] and other["start"] < one["end"]
    ]
    assert overlapping, "no two cells ran at the same time"
    assert all(one["uuid"] != other["uuid"] for one, other in overlapping)
    for lease in done.leases:  # how many leases are held when this one begins
        assert sum(other["start"] <= lease["start"] < other["end"] for other in done.leases) <= 2
    held_s = sum(lease["end"] - lease["start"] for lease in done.leases)
    span_s = max(lease["end"] for lease in done.leases) - min(lease["start"] for lease in done.leases)
    log.info(f"{len(done.leases)} cells in {done.wall_s:.1f} s, {held_s / span_s:.2f} leases held on average")
    assert held_s / span_s > 1.2


@two_gpus
def test_the_driver_saw_each_process_on_the_gpu_of_its_lease_alone(done: Run) -> None:
    leased = {lease["pid"]: lease["uuid"] for lease in done.leases}
    seen = {pid: uuids for pid, uuids in done.seen.items() if pid in leased}
    if not seen:
        pytest.skip("nvidia-smi names none of this machine's processes (as in a container)")
    log.info(f"nvidia-smi saw {len(seen)} of {len(leased)} processes")
    assert seen == {pid: {leased[pid]} for pid in seen}
    assert len(seen) > len(leased) / 2
    assert len({uuid for uuids in seen.values() for uuid in uuids}) == 2


@two_gpus
@pytest.mark.parametrize("by", ["index", "uuid"])
def test_a_lease_keeps_to_the_gpu_that_is_visible(here: Run, tmp_path: Path, by: str) -> None:
    uuid = smi("--query-gpu=uuid", "-i", "1")[0]
    cell = here.cells[0]
    (tmp_path / "settings.json").write_text(grid.settings_text(cell, here.resolved))
    env = recording_environment(tmp_path) | {"CUDA_VISIBLE_DEVICES": "1" if by == "index" else uuid}
    shutil.copytree(here.folder / "results", tmp_path / "results", ignore=shutil.ignore_patterns("cells", "logs"))
    command = ["python", "-m", "junkdna", "cell", cell.path, "--gpus", "1", "--settings", "@settings.json"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=300)
    [lease] = read_leases(tmp_path)
    assert lease["uuid"] == uuid
    assert pq.read_table(tmp_path / cell.path).num_rows == 1


# --- sound numbers ----------------------------------------------------------------------------------------------------


def test_cells_without_training_agree_with_the_cpu(here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list = []
    score = cell_module._scores
    monkeypatch.setattr(cell_module, "_scores", lambda *given: kept.append(score(*given)) or kept[-1])
    apart, moved, untrained = 0.0, 0, [cell for cell in here.cells if cell.transfer == "none"]
    assert {cell.model for cell in untrained} == {"tiny", "llm"}
    for cell in untrained:
        [cpu] = cell_module.run_cell(here.settings(cell), "cpu").to_pylist()
        [gpu] = here.columns(cell).to_pylist()
        assert cpu["achieved_sparsity"] == gpu["achieved_sparsity"]
        assert cell.compression.method != "dense" or np.std([row["margin"] for row in cpu["examples"]]) > 10 * TOLERANCE
        for mine, other, scores in zip(cpu["examples"], gpu["examples"], kept.pop(), strict=True):
            apart = max(apart, abs(mine["margin"] - other["margin"]))
            if mine["prediction"] != other["prediction"]:
                moved += 1
                assert abs(scores[mine["prediction"]] - scores[other["prediction"]]) < TOLERANCE, cell.key
    log.info(f"{len(untrained)} cells: margins at most {apart:.1e} apart, {moved} near-ties predicted otherwise")
    assert apart < TOLERANCE


# Each cell again on the GPU; then every weight of its model against masks and starting weights made on the CPU.
HOLD = """
import json
from pathlib import Path
import torch
from junkdna import cell as cells, grid, stages
from junkdna.compress.scope import prunable
from junkdna.study import load_study

resolved, models, score = load_study(Path("config.yaml")), [], cells._scores

def spy(settings, model, *rest):
    models.append(model)
    return score(settings, model, *rest)

cells._scores = spy
for key in grid.all_cells(resolved):
    settings = stages.settings_from(grid.settings_text(key, resolved))
    cells.run_cell(settings, "cuda:0")
    model, (fresh, _) = models.pop(), cells._load(settings, key, Path(key.model_folder))
    before = prunable(fresh)
    masks = cells._masks(key, before)
    count = {"pruned": 0, "broken": 0, "moved": 0, "zero": 0}
    for new, old in zip(prunable(model), before, strict=True):
        assert new.name == old.name and new.parameter.device == torch.device("cuda:0")
        value, start, kept = new.matrix().cpu(), old.matrix(), masks[old.name]
        wanted = start if key.transfer == "dense_freeze" else torch.zeros_like(start)
        count["pruned"] += int((~kept).sum())
        count["broken"] += int(((value != wanted) & ~kept).sum())
        count["moved"] += int(((value != start) & kept).sum())
        count["zero"] += int(((value == 0) & kept).sum())
    print(json.dumps([key.key, key.compression.method, key.transfer, count]))
"""


def test_masks_hold_exactly_on_the_gpu_and_are_those_of_the_cpu(here: Run) -> None:
    """For every cell, thus for every mask method (random ones too) and every transfer mode."""
    lines = [json.loads(line) for line in on_gpu(HOLD).splitlines()]
    assert {key for key, *_ in lines} == {cell.key for cell in here.cells}
    assert {mode for _, _, mode, _ in lines} == {"none", "dense", "sparse", "sparse_to_dense", "dense_freeze"}
    for key, method, mode, count in lines:
        assert (count["pruned"] > 0) == (method != "dense"), key
        assert (count["moved"] > 0) == (mode != "none"), key  # also: no weight kept on the CPU is pruned on the GPU
        if mode in ("none", "sparse", "dense_freeze"):
            assert count["broken"] == 0, key
        if mode == "sparse_to_dense":
            assert count["broken"] > 0, key
        if mode == "sparse":
            assert count["zero"] <= 1e-4 * count["pruned"], key


TIES = """
import torch
from junkdna.compress import registry

draw = torch.Generator().manual_seed(3)
weights = {name: torch.randn(shape, generator=draw) for name, shape in {"a": (300, 512), "b": (64, 128)}.items()}
levels = {"magnitude": 0.37, "random": 0.37, "largest": 0.37, "nm": (2, 4)}
assert set(levels) == set(registry.METHODS)
for round_to in (None, 0.25):  # 0.25: most magnitudes are shared by thousands of weights
    for method, level in levels.items():
        found = []
        for device in ("cpu", "cuda:0"):
            rounded = {n: w if round_to is None else (w / round_to).round() * round_to for n, w in weights.items()}
            given = {n: w.to(device) for n, w in rounded.items()}
            generator = torch.Generator().manual_seed(11) if registry.METHODS[method].random else None
            found.append(registry.load(method)(given, level, generator))
        for name in weights:
            assert found[1][name].is_cuda
            assert torch.equal(found[0][name], found[1][name].cpu()), (method, round_to, name)
"""


def test_every_method_masks_the_same_weights_on_both_even_among_ties(here: Run) -> None:
    on_gpu(TIES)


AGAIN = """
import sys
from pathlib import Path
from junkdna import grid, stages
from junkdna.cell import run_cell, write_cell
from junkdna.study import load_study

resolved = load_study(Path("config.yaml"))
for key in grid.all_cells(resolved):
    if key.path in sys.argv[2:]:
        settings = stages.settings_from(grid.settings_text(key, resolved))
        write_cell(run_cell(settings, "cuda:0"), Path(sys.argv[1], key.path))
"""


def test_the_same_gpu_gives_the_same_numbers_to_the_last_bit(here: Run, tmp_path: Path) -> None:
    """Scores, margins and losses of every cell, trained ones too, in another process and another order."""
    by_gpu: dict[str, list[str]] = {}
    for lease in here.leases:
        by_gpu.setdefault(lease["uuid"], []).append(lease["cell"])
    for uuid, files in by_gpu.items():
        on_gpu(AGAIN, str(tmp_path), *files, gpu=uuid)
    differing = {}
    for cell in here.cells:
        first, again = here.columns(cell), pq.read_table(tmp_path / cell.path).replace_schema_metadata()
        if not again.equals(first):
            both = [[row["margin"] for row in table["examples"][0].as_py()] for table in (first, again)]
            differing[cell.key] = float(np.abs(np.subtract(*both)).max())
    assert not differing, f"largest difference of a margin: {differing}"

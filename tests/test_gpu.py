"""Cells on real GPUs: the CPU's numbers, exact masks, the same numbers twice, two at a time on GPUs of their own.

The workflow runs once, under the real Snakemake. Nothing is mocked: each job's process also writes down which GPU its
lease gave it and from when to when, and the driver's own list of processes (nvidia-smi) is kept beside that.
This process never starts CUDA itself: after that no lease could be taken in it, and other tests take some.
"""

import json
import logging
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import gpu_run
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toy
from gpu_run import Run, on_gpu, read_leases, recording_environment, run_workflow, smi

from junkdna import cell as cell_module
from junkdna import grid, job_settings
from junkdna.compress import masks as masking
from junkdna.compress.scope import prunable
from junkdna.encode import read_tokens
from junkdna.keys import FOOTER_KEY, Cell
from junkdna.models import load_plain
from junkdna.study import load_study

GPUS = torch.cuda.device_count()  # asks the driver's library: CUDA stays asleep
TOLERANCE = 1e-3
HALF_TOLERANCE = 0.1  # of log-likelihoods in bfloat16, of single tokens with a spread of about 1
TRAINED_TOLERANCE = 2e-3  # after some optimiser steps, which turn rounding errors of small gradients into steps
log = logging.getLogger(__name__)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPUS == 0, reason="needs a CUDA device, and torch sees none"),
]
two_gpus = pytest.mark.skipif(GPUS < 2, reason=f"needs two CUDA devices, and torch sees {GPUS}")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every cell of the study, made by the workflow on two GPUs where there are two."""
    folder = tmp_path_factory.mktemp("gpu") / "world"
    gpu_run.make_world(folder)
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
    (tmp_path / "settings.json").write_text(job_settings.settings_text(cell, here.resolved))
    env = recording_environment(tmp_path) | {"CUDA_VISIBLE_DEVICES": "1" if by == "index" else uuid}
    shutil.copytree(here.folder / "results", tmp_path / "results", ignore=shutil.ignore_patterns("cells", "logs"))
    command = ["python", "-m", "junkdna", "cell", cell.path, "--gpus", "1", "--settings", "@settings.json"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=300)
    [lease] = read_leases(tmp_path)
    assert lease["uuid"] == uuid
    assert pq.read_table(tmp_path / cell.path).num_rows == 1


# --- sound numbers ----------------------------------------------------------------------------------------------------


def on_both(here: Run, cell: Cell) -> list[dict]:
    """The cell's row as the CPU makes it now, and as the GPU made it."""
    [cpu] = cell_module.run_cell(here.settings(cell), "cpu").to_pylist()
    [gpu] = here.columns(cell).to_pylist()
    assert [row["id"] for row in cpu["examples"]] == [row["id"] for row in gpu["examples"]]
    assert (cpu["achieved_sparsity"], cpu["n_train"]) == (gpu["achieved_sparsity"], gpu["n_train"])
    return [cpu, gpu]


def scores_of(row: dict) -> list[np.ndarray]:
    """Per example the scores of its options or classes; the number alone where a number is given."""
    return [np.array(each["scores"] or [each["prediction"]]) for each in row["examples"]]


def apart(cpu: dict, gpu: dict) -> float:
    """Largest difference of a score. Where another option won, the two must be as near to each other."""
    pairs = list(zip(scores_of(cpu), scores_of(gpu), strict=True))
    largest = max(float(np.abs(one - other).max()) for one, other in pairs)
    for (scores, _), mine, other in zip(pairs, cpu["examples"], gpu["examples"], strict=True):
        if mine["margin"] is not None and mine["prediction"] != other["prediction"]:
            gap = abs(scores[int(mine["prediction"])] - scores[int(other["prediction"])])
            assert gap <= 2 * largest, f"{cpu['cell']} {mine['id']}: another answer without a near-tie"
    return largest


def test_scores_without_training_agree_with_the_cpu(here: Run) -> None:
    """Similarity, and log-likelihoods of options, words of classes and letters behind shots."""
    untrained = [cell for cell in here.cells if cell.transfer == "none" and cell.task != "named"]
    kinds = {(cell.model, cell.task, cell.protocol) for cell in untrained}
    assert kinds == {("tiny", "colours", "default"), *(("llm", task, "default") for task in ("colours", "alike")),
                     ("llm", "hues", "letters"), ("llm", "hues", "half")}  # fmt: skip
    for cell in untrained:
        cpu, gpu = on_both(here, cell)
        tolerance = HALF_TOLERANCE if cell.protocol == "half" else TOLERANCE
        difference = apart(cpu, gpu)
        log.info(f"{cell.key}: scores at most {difference:.1e} apart")
        assert difference < tolerance, cell.key
        spread = np.std([each["margin"] for each in cpu["examples"]])
        assert cell.compression.method != "dense" or spread > 3 * tolerance, "too alike to tell anything"


def test_generated_text_agrees_with_the_cpu(here: Run) -> None:
    """A text may differ where two tokens were as good as equal on its way; few do."""
    cells = [cell for cell in here.cells if cell.task == "named"]
    assert len(cells) == 2
    for cell in cells:
        cpu, gpu = on_both(here, cell)
        texts = [[each["text"] for each in row["examples"]] for row in (cpu, gpu)]
        assert len({*texts[0]}) > 5, "too alike to tell anything"
        other = [k for k, pair in enumerate(zip(*texts, strict=True)) if pair[0] != pair[1]]
        log.info(f"{cell.key}: {len(other)} of {len(texts[0])} texts differ")
        assert len(other) <= 2
        assert all(gap < TOLERANCE for gap in closest_tokens(cell, other)), cell.key


@torch.inference_mode()
def closest_tokens(cell: Cell, numbers: list[int]) -> list[float]:
    """For some examples of a cell the smallest gap between the two best tokens on the way of its greedy text."""
    model = load_plain(Path(cell.model_folder), "decoder")
    prunables = prunable(model)
    if cell.compression.level:
        masking.apply(prunables, {name: result.mask for name, result in cell_module.computed(cell, prunables)})
    queries = read_tokens(Path(cell.tokens_path("evaluate")))["query"].to_pylist()
    found = []
    for k in numbers:
        row, gaps = list(queries[k]), []
        for _ in range(toy.NAMED_TASK["generate"]["max_new_tokens"]):
            best = model(input_ids=torch.tensor([row])).logits[0, -1].topk(2)
            gaps.append(float(best.values[0] - best.values[1]))
            row.append(int(best.indices[0]))
        found.append(min(gaps))
    return found


def test_training_without_dropout_agrees_with_the_cpu(here: Run) -> None:
    """Classes, numbers, a cross-encoder and a bi-encoder, from the first step to the scores."""
    trained = [cell for cell in here.cells if cell.model == "still"]
    kinds = {(cell.task, cell.protocol) for cell in trained}
    assert kinds == {("alike", "calm"), ("degree", "calm"), ("hues", "calm"), ("hues", "calm_cross")}
    for cell in trained:
        cpu, gpu = on_both(here, cell)
        difference, spread = apart(cpu, gpu), float(np.std(np.concatenate(scores_of(cpu))))
        losses = [f"{row['first_loss']:.5f} -> {row['last_loss']:.5f}" for row in (cpu, gpu)]
        log.info(f"{cell.key}: scores at most {difference:.1e} apart (spread {spread:.1e}), losses {losses}")
        assert cpu["steps"] == gpu["steps"] > 0
        assert gpu["first_loss"] == pytest.approx(cpu["first_loss"], rel=TOLERANCE), cell.key
        assert gpu["last_loss"] == pytest.approx(cpu["last_loss"], rel=TRAINED_TOLERANCE), cell.key
        assert difference < TRAINED_TOLERANCE < spread, cell.key


# Each cell again on the GPU; then every weight of its model against masks and starting weights made on the CPU.
HOLD = """
import json
from pathlib import Path
import torch
from junkdna import cell as cells, grid, job_settings, stages
from junkdna.compress.scope import prunable
from junkdna.study import load_study

resolved, models, answer = load_study(Path("config.yaml")), [], cells._answers

def spy(settings, model, *rest):
    models.append(model)
    return answer(settings, model, *rest)

cells._answers = spy
for key in grid.all_cells(resolved):
    settings = stages.settings_from(job_settings.settings_text(key, resolved))
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
from junkdna.compressing import results
from junkdna.keys import parse_compression

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
            found.append({n: r.mask for n, r in results(given, parse_compression(tag), generator)})
        for name in weights:
            assert found[1][name].is_cuda
            assert torch.equal(found[0][name], found[1][name].cpu()), (tag, round_to, name)
"""


def test_every_method_masks_the_same_weights_on_both_even_among_ties(here: Run) -> None:
    on_gpu(TIES)


AGAIN = """
import sys
from pathlib import Path
from junkdna import grid, job_settings, stages
from junkdna.cell import run_cell
from junkdna.cell_table import write_cell
from junkdna.study import load_study

resolved = load_study(Path("config.yaml"))
for key in grid.all_cells(resolved):
    if key.path in sys.argv[2:]:
        settings = stages.settings_from(job_settings.settings_text(key, resolved))
        write_cell(run_cell(settings, "cuda:0"), Path(sys.argv[1], key.path))
"""


def test_the_same_gpu_gives_the_same_numbers_to_the_last_bit(here: Run, tmp_path: Path) -> None:
    """Scores, texts and losses of every cell, trained ones too, in another process and another order."""
    by_gpu: dict[str, list[str]] = {}
    for lease in here.leases:
        by_gpu.setdefault(lease["uuid"], []).append(lease["cell"])
    for uuid, files in by_gpu.items():
        on_gpu(AGAIN, str(tmp_path), *files, gpu=uuid)
    differing = {}
    for cell in here.cells:
        first, again = here.columns(cell), pq.read_table(tmp_path / cell.path).replace_schema_metadata()
        if not again.equals(first):
            rows = [table.to_pylist()[0] for table in (first, again)]
            differing[cell.key] = [name for name in rows[0] if rows[0][name] != rows[1][name]]
    assert not differing, f"columns that differ: {differing}"

"""Cells on real GPUs: the CPU's numbers, exact masks, the same numbers twice, as many at a time as there are GPUs (up
to four), each on one of its own, and two on each with cells_per_gpu.

The workflow runs once, under the real Snakemake. Nothing is mocked: each job's process also writes down which GPU its
lease gave it and from when to when, and the driver's own list of processes (nvidia-smi) is kept beside that.
This process never starts CUDA itself: after that no lease could be taken in it, and other tests take some.
"""

import json
import logging
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gpu_run
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toy
from gpu_run import (
    AGAIN,
    HOLD,
    RESUME,
    TIES,
    Run,
    leases_at_once,
    on_gpu,
    read_leases,
    recording_environment,
    run_workflow,
    smi,
)

from junkdna.compress import masks as masking
from junkdna.compress.scope import prunable
from junkdna.data.tokens_file import read_tokens
from junkdna.models.load import load_plain
from junkdna.run import cell as cell_module
from junkdna.run import gpus
from junkdna.study import grid, settings_from_study
from junkdna.study.cell import Cell
from junkdna.study.load import load_study
from junkdna.study.paths import FOOTER_KEY

GPUS = torch.cuda.device_count()  # asks the driver's library: CUDA stays asleep
USED = min(GPUS, 4)
TOLERANCE = 1e-3
HALF_TOLERANCE = 0.1  # of log-likelihoods in bfloat16, of single tokens with a spread of about 1
TRAINED_TOLERANCE = 2e-3  # after some optimizer steps, which turn rounding errors of small gradients into steps
log = logging.getLogger(__name__)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.long,
    pytest.mark.skipif(GPUS == 0, reason="needs a CUDA device, and torch sees none"),
]
two_gpus = pytest.mark.skipif(GPUS < 2, reason=f"needs two CUDA devices, and torch sees {GPUS}")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every cell of the study, made by the workflow on four GPUs where there are as many."""
    folder = tmp_path_factory.mktemp("gpu") / "world"
    gpu_run.make_world(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = load_study(Path("config.yaml"))
    cells = grid.all_cells(resolved)
    wall_s, seen = run_workflow(folder, USED, [cell.path for cell in cells])
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


def by_gpu(leases: list[dict]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for lease in leases:
        found.setdefault(lease["uuid"], []).append(lease)
    return found


def leases_on_average(leases: list[dict]) -> float:
    held_s = sum(lease["end"] - lease["start"] for lease in leases)
    return held_s / (max(lease["end"] for lease in leases) - min(lease["start"] for lease in leases))


@two_gpus
def test_as_many_cells_run_at_a_time_as_gpus_and_never_two_on_one(done: Run) -> None:
    assert leases_at_once(done.leases) == USED
    held = by_gpu(done.leases)
    assert len(held) == USED
    assert {leases_at_once(each) for each in held.values()} == {1}
    average = leases_on_average(done.leases)
    log.info(f"{len(done.leases)} cells in {done.wall_s:.1f} s, {average:.2f} leases of {USED} held on average")
    assert average > 0.6 * USED


@pytest.fixture(scope="module")
def shared(done: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Some of the cells once more, with two on each GPU at a time."""
    folder = Path(shutil.copytree(done.folder, tmp_path_factory.mktemp("shared") / "world"))
    (folder / "leases.jsonl").unlink()
    cells = done.cells[: 4 * USED]
    for cell in cells:
        (folder / cell.path).unlink()
    wall_s, seen = run_workflow(folder, 2 * USED, [cell.path for cell in cells], per_gpu=2)
    return Run(folder, done.resolved, cells, read_leases(folder), seen, wall_s)


def test_two_cells_share_each_gpu_and_no_more(shared: Run) -> None:
    assert leases_at_once(shared.leases) == 2 * USED
    held = by_gpu(shared.leases)
    assert len(held) == USED
    assert {leases_at_once(each) for each in held.values()} == {2}
    average = leases_on_average(shared.leases)
    log.info(f"{len(shared.leases)} cells in {shared.wall_s:.1f} s, {average:.2f} leases held on average")


def test_a_shared_gpu_changes_no_number(done: Run, shared: Run) -> None:
    assert [cell.key for cell in shared.cells if not shared.columns(cell).equals(done.columns(cell))] == []


def test_an_index_and_a_uuid_share_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what this machine's driver says in /proc, held against nvidia-smi."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    locks = [device.lock for device in gpus._visible()]
    if locks == [str(k) for k in range(len(locks))]:
        pytest.skip("the driver does not show UUIDs in /proc here, so locks go by index")
    assert locks == smi("--query-gpu=uuid")


@two_gpus
def test_the_driver_saw_each_process_on_the_gpu_of_its_lease_alone(done: Run) -> None:
    leased = {lease["pid"]: lease["uuid"] for lease in done.leases}
    seen = {pid: uuids for pid, uuids in done.seen.items() if pid in leased}
    if not seen:
        pytest.skip("nvidia-smi names none of this machine's processes (as in a container)")
    log.info(f"nvidia-smi saw {len(seen)} of {len(leased)} processes")
    assert seen == {pid: {leased[pid]} for pid in seen}
    assert len(seen) > len(leased) / 2
    assert len({uuid for uuids in seen.values() for uuid in uuids}) == USED


@two_gpus
@pytest.mark.parametrize("by", ["index", "uuid"])
def test_a_lease_keeps_to_the_gpu_that_is_visible(here: Run, tmp_path: Path, by: str) -> None:
    uuid = smi("--query-gpu=uuid", "-i", "1")[0]
    cell = here.cells[0]
    (tmp_path / "settings.json").write_text(settings_from_study.settings_text(cell, here.resolved))
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
        masking.apply_masks(prunables, {name: result.mask for name, result in cell_module.computed(cell, prunables)})
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


def test_every_method_masks_the_same_weights_on_both_even_among_ties(here: Run) -> None:
    on_gpu(TIES)


def test_the_same_gpu_gives_the_same_numbers_to_the_last_bit(here: Run, tmp_path: Path) -> None:
    """Scores, texts and losses of every cell, trained ones too, in another process and another order."""

    def again(uuid: str, leases: list[dict]) -> None:
        on_gpu(AGAIN, str(tmp_path), *(lease["cell"] for lease in leases), gpu=uuid)

    with ThreadPoolExecutor() as pool:
        list(pool.map(again, *zip(*by_gpu(here.leases).items(), strict=True)))
    differing = {}
    for cell in here.cells:
        first, again = here.columns(cell), pq.read_table(tmp_path / cell.path).replace_schema_metadata()
        if not again.equals(first):
            rows = [table.to_pylist()[0] for table in (first, again)]
            differing[cell.key] = [name for name in rows[0] if rows[0][name] != rows[1][name]]
    assert not differing, f"columns that differ: {differing}"


def test_killed_cells_go_on_to_the_same_numbers(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cell of each transfer mode, and a generation: from a checkpoint, against the run that nothing disturbed."""
    monkeypatch.setenv("JUNKDNA_CHECKPOINT_S", "0")
    kinds = {(cell.transfer, here.settings(cell).kind == "generate"): cell for cell in here.cells}
    made = {}
    for uuid, leases in by_gpu(here.leases).items():
        mine = {cell.path: cell for cell in kinds.values() if cell.path in {lease["cell"] for lease in leases}}
        resumed = on_gpu(RESUME, str(tmp_path), *mine, gpu=uuid).split()
        made |= {path: cell for path, cell in mine.items() if (tmp_path / path).is_file()}
        assert resumed == ["1"] * sum((tmp_path / path).is_file() for path in mine)
    assert len(made) > 3
    for path, cell in made.items():
        assert pq.read_table(tmp_path / path).replace_schema_metadata().equals(here.columns(cell)), path

"""The ends of a line: which engine trains a cell again, where it may, and how far its score may then be off."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import stack_run
import toy_connections
import toy_run

from junkdna.dag import connection_states
from junkdna.errors import UserError
from junkdna.run import line_ends, stack_jobs, trained_weights
from junkdna.run.connection_file import read_connection
from junkdna.run.line_ends import AGAIN, KEPT, StoredCell, allowed, check_repeatable, stored_cell, weights_of
from junkdna.run.trained_weights import TRAINED
from junkdna.study.connections import Connection, all_connections
from junkdna.study.study import Resolved

GPU, CPU = "NVIDIA H100 80GB HBM3", "cpu x86_64 AVX512 AMD EPYC"
FACTS = {"device": GPU, "versions": {"torch": "2.13.0"}, "torch_threads": 1}


@pytest.fixture(scope="module")
def stacked_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy world with two cells of a line, which trained in a stack of `stack_run.SIZE` on the CPU and kept their
    weights."""
    folder = tmp_path_factory.mktemp("ends") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(stack_jobs, "size_on", stack_jobs.size_on)
        stack_run.on_the_cpu()
        resolved = toy_connections.read()
        connection_states.want_weights(resolved)
        cells = all_connections(resolved)[0].cells
        toy_run.prepare(resolved, [*cells])
        for cell in cells:
            toy_run.run(cell, resolved)
    return folder


@pytest.fixture
def resolved(stacked_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    monkeypatch.chdir(shutil.copytree(stacked_once, tmp_path / "world"))
    return toy_connections.read()


@pytest.fixture
def line(resolved: Resolved) -> Connection:
    return all_connections(resolved)[0]


def end(line: Connection, resolved: Resolved) -> StoredCell:
    return stored_cell(toy_run.settings_of(line.end, resolved))


def bytes_of(cell: StoredCell) -> dict[str, bytes]:
    return {name: each.numpy().tobytes() for name, each in trained_weights.kept_weights(cell.settings).items()}


def test_a_cell_of_a_stack_is_trained_again_as_a_stack_filled_with_its_copies(
    resolved: Resolved, line: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = end(line, resolved)
    assert cell.engine == {"engine": "stack", "size": stack_run.SIZE}
    expected = bytes_of(cell)
    asked = []
    run_stack = line_ends.run_stack
    monkeypatch.setattr(line_ends, "run_stack", lambda *args: asked.append(args[:3]) or run_stack(*args))
    shutil.rmtree(TRAINED)
    trained_weights.want([cell.settings], "a line")
    assert weights_of(cell, "cpu", iter)[1] == AGAIN
    assert asked == [([cell.settings], stack_run.SIZE, "cpu")]
    assert bytes_of(cell) == expected
    plain = replace(cell, footer={**cell.footer, "training_engine": {"engine": "plain loop", "why": "a test"}})
    shutil.rmtree(TRAINED)
    trained_weights.want([cell.settings], "a line")
    weights_of(plain, "cpu", iter)
    assert len(asked) == 1
    assert bytes_of(cell) != expected, "only the engine of the file gives the same bits"


def test_the_file_of_a_line_names_the_engines_of_both_ends(resolved: Resolved, line: Connection) -> None:
    kept, footer = read_connection(toy_connections.connect(line, resolved))
    assert footer["weights"] == [KEPT, KEPT]
    assert footer["engines"] == [{"engine": "stack", "size": stack_run.SIZE}] * 2
    assert footer["trained_on"] == [footer["device"]] * 2
    assert footer["allowed_differences"] == footer["differences"] == [0, 0]
    shutil.rmtree(TRAINED)
    again, footer = read_connection(toy_connections.connect(line, resolved))
    assert footer["weights"] == [AGAIN, AGAIN]
    assert footer["allowed_differences"] == footer["differences"] == [0, 0]
    assert again.equals(kept)


def test_another_line_knows_that_the_weights_were_trained_again(resolved: Resolved, line: Connection) -> None:
    cell = end(line, resolved)
    shutil.rmtree(TRAINED)
    trained_weights.want([cell.settings], "a line")
    assert [weights_of(cell, "cpu", iter)[1] for _ in range(2)] == [AGAIN, AGAIN]
    toy_run.run(line.end, resolved)  # the job of the cell itself
    assert weights_of(cell, "cpu", iter)[1] == KEPT


@pytest.mark.parametrize(
    ("trained_on", "device", "words"),
    [(GPU, "cpu", "this job has no GPU.*by a stack of 4.*Run it on a GPU, or delete the file"),
     (CPU, "cuda:0", "this job runs on a GPU.*Run it without one .`--resources gpu=0`., or delete")],
)  # fmt: skip
def test_a_training_is_not_repeated_on_another_kind_of_processor(
    resolved: Resolved, line: Connection, trained_on: str, device: str, words: str
) -> None:
    cell = end(line, resolved)
    cell = replace(cell, footer={**cell.footer, "device": trained_on})
    check_repeatable(cell, device)  # its weights are kept
    shutil.rmtree(TRAINED)
    with pytest.raises(UserError, match=words) as caught:
        check_repeatable(cell, device)
    assert str(line.end.path) in str(caught.value)
    with pytest.raises(UserError, match=words):
        weights_of(cell, device, iter)


def test_the_job_of_a_line_says_so_before_it_trains_any_cell(
    resolved: Resolved, line: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(TRAINED)
    monkeypatch.setattr(StoredCell, "on_cpu", property(lambda cell: cell.settings.cell == line.start.key))
    monkeypatch.setattr(line_ends, "_train_again", None)
    with pytest.raises(UserError, match="not kept, and this job has no GPU"):
        toy_connections.connect(line, resolved)
    assert not Path(line.path).exists()


def made(device: str = GPU, engine: str = "stack", examples: int = 400, **facts: object) -> StoredCell:
    footer = {**FACTS, "device": device, "training_engine": {"engine": engine, "size": 16}, **facts}
    return StoredCell(None, Path("a file"), 0.7, examples, footer)


@pytest.mark.parametrize("weights", [KEPT, AGAIN])
def test_in_the_same_place_only_the_rounding_of_a_gpu_is_allowed(weights: str) -> None:
    for engine in ("stack", "plain loop"):
        assert allowed(made(engine=engine), weights, FACTS) == 1e-6
        assert allowed(made(CPU, engine), weights, {**FACTS, "device": CPU}) == 0


def test_elsewhere_kept_weights_may_change_a_few_predictions_and_another_training_more() -> None:
    for other in (made("NVIDIA H200"), made(versions={"torch": "2.14.0"}), made(torch_threads=4)):
        assert allowed(other, KEPT, FACTS) == 0.005
        assert allowed(other, AGAIN, FACTS) == 0.02
    assert allowed(made("NVIDIA H200", examples=40), KEPT, FACTS) == 2 / 40


def test_a_score_that_is_too_far_off_is_refused() -> None:
    assert line_ends.difference(made(), 0.7004, 0.005) == pytest.approx(0.0004)
    for score in (0.706, 0.694, float("nan")):
        with pytest.raises(UserError, match=r"but the file says 0.7. They may differ by 0.005"):
            line_ends.difference(made(), score, 0.005)


def test_a_file_that_names_no_engine_is_of_the_plain_loop() -> None:
    assert made(training_engine=None).engine["engine"] == "plain loop"

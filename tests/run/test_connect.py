"""Models on the line between two trained cells: numbers, kept weights, training again, kills, errors."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import toy_connections
import toy_run

from junkdna.analysis.connectivity_columns import CONNECTION_FILE
from junkdna.dag import connection_states
from junkdna.errors import UserError
from junkdna.run import connect as connect_job
from junkdna.run import plain_jobs, trained_weights
from junkdna.run.cell_file import examples_of
from junkdna.run.connection_file import read_connection
from junkdna.run.stacked_cells import run_stack
from junkdna.run.trained_weights import TRAINED, folder_of, keep_if_wanted, kept_weights
from junkdna.storage.tensors import write_tensors
from junkdna.study.connections import Connection, all_connections
from junkdna.study.paths import CHECKPOINTS
from junkdna.study.study import Resolved

POINTS = [0, 0.25, 0.5, 0.75, 1]


@pytest.fixture(scope="module")
def trained_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy world whose cells are done and have kept the weights that its lines need."""
    folder = tmp_path_factory.mktemp("connect") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = toy_connections.read()
        connection_states.want_weights(resolved)
        toy_run.run_all(resolved)
    return folder


@pytest.fixture
def resolved(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    shutil.copytree(trained_once, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return toy_connections.read()


@pytest.fixture
def line(resolved: Resolved) -> Connection:
    """From dense to sparse transfer."""
    return all_connections(resolved)[0]


def weights_of(line: Connection, resolved: Resolved) -> list[dict]:
    settings = toy_connections.settings_of(line, resolved)
    return [dict(kept_weights(each)) for each in (settings.start, settings.end)]


def by_hand(line: Connection, weights: list[dict], alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and losses of the interpolated model, by transformers and one example at a time."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(line.end.model_folder, num_labels=2).eval()
    state = {name: (1 - alpha) * start + alpha * weights[1][name] for name, start in weights[0].items()}
    missing = model.load_state_dict(state, strict=False)
    assert missing.unexpected_keys == []
    assert not {*missing.missing_keys} & {name for name, _ in model.named_parameters()}
    rows = pa.ipc.open_file(line.end.tokens_path("evaluate")).read_all().to_pylist()
    with torch.inference_mode():
        logits = torch.cat([model(input_ids=torch.tensor([row["query"]])).logits for row in rows])
    gold = torch.tensor([row["answer"] for row in rows])
    return logits.argmax(1).numpy(), torch.nn.functional.cross_entropy(logits, gold, reduction="none").numpy()


def test_every_point_is_the_interpolated_model(resolved: Resolved, line: Connection) -> None:
    for each in (line, all_connections(resolved)[-1]):  # and the control
        weights = weights_of(each, resolved)
        table, _ = read_connection(toy_connections.connect(each, resolved))
        assert table["alpha"].to_list() == POINTS
        for row in table.iter_rows(named=True):
            prediction, loss = by_hand(each, weights, row["alpha"])
            examples = row["examples"]
            assert [one["prediction"] for one in examples] == prediction.tolist()
            assert [one["loss"] for one in examples] == pytest.approx(loss, abs=2e-5)
            right = [one["gold"] == one["prediction"] for one in examples]
            assert [one["correct"] for one in examples] == right
            assert row["score"] == pytest.approx(np.mean(right))
            assert row["loss"] == pytest.approx(loss.mean(), abs=2e-5)
            assert row["collapsed"] == (len({*prediction}) == 1)
    assert len({round(value, 6) for value in table["loss"]}) == 5


def test_the_ends_are_the_cells(resolved: Resolved, line: Connection) -> None:
    table, footer = read_connection(toy_connections.connect(line, resolved))
    assert table.columns == [column.name for column in CONNECTION_FILE.columns]
    assert footer["weights"] == ["kept", "kept"]
    assert footer["differences"] == [0, 0]
    for cell, at in ((line.start, 0), (line.end, -1)):
        shown = [(one["id"], one["prediction"]) for one in table["examples"].to_list()[at]]
        assert shown == examples_of(cell, ("id", "prediction")).rows()


def test_weights_are_removed_when_no_line_needs_them(resolved: Resolved) -> None:
    first, second, control = all_connections(resolved)
    folders = {cell: folder_of(toy_run.settings_of(cell, resolved)) for each in (first, second) for cell in each.cells}
    assert all((folder / "weights.safetensors").is_file() for folder in folders.values())
    toy_connections.connect(first, resolved)
    assert not folders[first.end].exists()
    assert folders[first.start].exists(), "the control still needs it"
    toy_connections.connect(control, resolved)
    assert not folders[first.start].exists()
    toy_connections.connect(second, resolved)
    assert not [*TRAINED.iterdir()]


def test_cells_keep_weights_only_if_a_line_needs_them(resolved: Resolved) -> None:
    shutil.rmtree(TRAINED)
    without = toy_connections.read(connectivity=None)
    connection_states.want_weights(without)
    toy_run.run(all_connections(resolved)[0].end, without)
    assert not TRAINED.exists()


def test_missing_weights_are_trained_again(resolved: Resolved, line: Connection) -> None:
    kept = read_connection(toy_connections.connect(line, resolved))[0]
    shutil.rmtree(TRAINED)
    again, footer = read_connection(toy_connections.connect(line, resolved))
    assert footer["weights"] == ["trained again", "trained again"]
    assert footer["differences"] == [0, 0]
    assert again.equals(kept)
    assert not [*TRAINED.iterdir()]


def test_a_corrupt_file_of_weights_is_trained_again(resolved: Resolved, line: Connection) -> None:
    file = folder_of(toy_run.settings_of(line.end, resolved)) / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    _, footer = read_connection(toy_connections.connect(line, resolved))
    assert footer["weights"] == ["kept", "trained again"]


def test_weights_of_another_training_are_refused(resolved: Resolved, line: Connection) -> None:
    settings = toy_run.settings_of(line.end, resolved)
    other = {name: torch.zeros_like(weight) for name, weight in kept_weights(settings).items()}
    write_tensors(folder_of(settings) / "weights.safetensors", trained_weights.KIND, other, {})
    with pytest.raises(UserError, match=r"give the score .* but the file says .* Delete the file and rerun Snakemake"):
        toy_connections.connect(line, resolved)
    assert not Path(line.path).exists()


def test_a_cell_of_other_settings_is_refused(resolved: Resolved, line: Connection) -> None:
    toy_run.run(line.end, resolved)
    shutil.copy(line.start.path, line.end.path)
    with pytest.raises(UserError, match="was made with other settings than this connection needs"):
        toy_connections.connect(line, resolved)


def test_a_kill_between_the_weights_and_the_file_of_a_cell(
    resolved: Resolved, line: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_connection(toy_connections.connect(line, resolved))[0]
    Path(line.path).unlink()
    Path(line.end.path).unlink()
    connection_states.want_weights(resolved)

    def killed(table: object, destination: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("junkdna.run.cell_file.write_cell", killed)
        with pytest.raises(KeyboardInterrupt):
            toy_run.run(line.end, resolved)
    assert (folder_of(toy_run.settings_of(line.end, resolved)) / "weights.safetensors").is_file()
    assert not Path(line.end.path).exists()
    toy_run.run(line.end, resolved)
    assert read_connection(toy_connections.connect(line, resolved))[0].equals(expected)


def test_a_killed_job_of_a_line_resumes_at_its_point(
    resolved: Resolved, line: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUNKDNA_CHECKPOINT_S", "0")
    scored: list[float] = []
    answers = connect_job._Line.answers

    def counted(self: object, alpha: float) -> object:
        scored.append(alpha)
        if scored == POINTS[:4]:
            raise KeyboardInterrupt
        return answers(self, alpha)

    with monkeypatch.context() as patch:
        patch.setattr(connect_job._Line, "answers", counted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt) if len(scored) < 4 else nullcontext():
                toy_connections.connect(line, resolved)
    assert scored == [*POINTS[:4], *POINTS[3:]]
    resumed, footer = read_connection(Path(line.path))
    assert footer["resumed"] == 1
    assert not [*CHECKPOINTS.rglob("*.safetensors")]
    connection_states.want_weights(resolved)
    assert resumed.equals(read_connection(toy_connections.connect(line, resolved))[0])


def test_stacks_keep_the_weights_that_they_trained(resolved: Resolved, line: Connection) -> None:
    """A stack is close to the plain loop, not equal (docs/stacks.md), and its own weights give its own scores."""
    plain = weights_of(line, resolved)[1]
    sparse = toy_run.settings_of(line.end, resolved)
    cells = [toy_run.settings_of(cell, resolved) for cell in line.cells]
    for _, score in run_stack(cells, 2, "cpu"):
        table = score()
        assert json.loads(table.schema.metadata[b"junkdna"])["training_engine"]["engine"] == "stack"
    stacked = dict(kept_weights(sparse))
    assert {*stacked} == {*plain}
    for name, weight in plain.items():
        assert stacked[name].shape == weight.shape
        torch.testing.assert_close(stacked[name], weight, rtol=0.02, atol=0.02)
        assert torch.equal(stacked[name] == 0, weight == 0), "the mask"


def test_batched_cells_keep_theirs(resolved: Resolved, line: Connection) -> None:
    kept = weights_of(line, resolved)[1]
    shutil.rmtree(TRAINED)
    connection_states.want_weights(resolved)
    Path(line.path).unlink(missing_ok=True)
    settings = toy_run.settings_of(line.end, resolved)
    from junkdna.run import batches

    plain_jobs.write_plain(batches.batched_file(settings), settings, "cpu", iter, "")
    again = kept_weights(settings)
    assert all(torch.equal(again[name], weight) for name, weight in kept.items())


def test_weights_that_cannot_be_written_do_not_stop_the_cell(
    resolved: Resolved, line: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = toy_run.settings_of(line.end, resolved)
    model = torch.nn.Linear(2, 2)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("junkdna.storage.tensors.write_tensors", full)
    keep_if_wanted(settings, model)
    assert "cannot be written" in caplog.text


def test_another_run_forgets_what_an_earlier_one_needed(resolved: Resolved) -> None:
    connection_states.want_weights(toy_connections.read(connectivity={"points": 3}))
    assert len([*TRAINED.glob("*/weights.safetensors")]) == 4, "other points, the same weights"
    connection_states.want_weights(toy_connections.read(connectivity=None))
    assert not [*TRAINED.iterdir()]

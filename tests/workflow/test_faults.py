"""Damaged files: each is named, with what to do; none is ever joined, and none ends in a traceback."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
import toy_run
from made_wheels import make_wheel
from toy_studies import CELL, TWO_CELLS

from junkdna.analysis.collect import collect, state
from junkdna.analysis.data_notes import check_data
from junkdna.compress.masks import MatrixResult
from junkdna.data.tokens_file import read_tokens, write_tokens
from junkdna.data.wheels import open_wheel
from junkdna.errors import UserError
from junkdna.models import manifest
from junkdna.models.manifest import check_model
from junkdna.run.cell_file import examples_of
from junkdna.storage import local_file_hashes
from junkdna.storage.checksums import read_verified, stored_checksum
from junkdna.storage.tables import read_frame, read_parquet, write_frame
from junkdna.study.load import resolve
from junkdna.study.sources import PinnedSource
from junkdna.study.study import Resolved


@pytest.fixture(scope="module")
def finished(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished cells, a dense and a compressed one."""
    folder = tmp_path_factory.mktemp("faults") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        toy_run.run_all(resolve(TWO_CELLS, "test"))
    return folder


@pytest.fixture
def resolved(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    shutil.copytree(finished, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return resolve(TWO_CELLS, "test")


def damaged(path: Path, step: int = 1) -> Iterator[str]:
    """The file with one byte changed, for every `step`-th byte: one bit of it, another one each time, or all of them.
    What was changed, while it is so; the file is whole again in the end."""
    whole = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for number, at in enumerate(range(0, len(whole), step)):
            wrong = 0xFF if number % 9 == 8 else 1 << number % 9
            file.seek(at)
            file.write(bytes([whole[at] ^ wrong]))
            yield f"byte {at} of {len(whole)} xor {wrong}"
            file.seek(at)
            file.write(whole[at : at + 1])


def cuts(path: Path) -> Iterator[str]:
    """The file cut short at some places, and with something behind its end."""
    whole = path.read_bytes()
    for kept in (0, 1, 4, len(whole) // 3, len(whole) // 2, len(whole) - 70, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:kept])
        yield f"{kept} of {len(whole)} bytes"
    path.write_bytes(whole + b"\0")
    yield "a byte behind its end"
    path.write_bytes(whole)


def spoilt(path: Path, step: int = 1) -> Iterator[str]:
    """All of both."""
    yield from damaged(path, step)
    yield from cuts(path)


def told(read: Callable[[], object], change: str) -> str:
    """What the UserError says that `read` ends in; "" where it ends well."""
    try:
        read()
    except UserError as error:
        return str(error)
    except Exception as error:
        pytest.fail(f"{change}: {error!r}")
    return ""


def refuses(read: Callable[[], object], path: Path, what: str, change: str) -> None:
    """`read` ends in a UserError that names the file and says what to do."""
    wanted = f"{re.escape(str(path))} is a corrupt {what} .* (Delete it and rerun|No run rebuilds it).*"
    assert re.fullmatch(wanted, told(read, change)), change


def test_a_damaged_cell_is_never_joined(resolved):
    """Every byte through what the join reads cells with, some through the whole join."""
    path, before = Path(CELL.path), collect(resolved)
    for change in spoilt(path):
        refuses(lambda: read_verified(path, "cell file"), path, "cell file", change)
    for change in spoilt(path, step=13):
        assert state(CELL, resolved) == "broken", change
    for change in spoilt(path, step=301):
        with pytest.raises(UserError, match=f"1 of 2 cells cannot be joined:\n  broken: {path}\n"):
            collect(resolved)
        refuses(lambda: examples_of(CELL), path, "cell file", change)
    assert collect(resolved).equals(before)


def test_a_damaged_encoded_file_stops_the_cell(resolved):
    path = Path(CELL.tokens_path("evaluate"))
    for change in spoilt(path):
        refuses(lambda: read_tokens(path), path, "tokens file", change)
    for change in damaged(path, step=path.stat().st_size // 2):
        refuses(lambda: toy_run.run(CELL, resolved), path, "tokens file", change)


def test_damaged_examples_stop_the_encoding(resolved):
    path, tokens = toy_run.examples_file("mood"), Path(CELL.tokens_path("evaluate"))
    tokens.unlink()
    for change in spoilt(path):
        refuses(lambda: read_parquet(path, "file of examples"), path, "file of examples", change)
    for change in damaged(path, step=path.stat().st_size // 2):
        refuses(lambda: toy_run.encode(CELL, resolved), path, "file of examples", change)
    assert not tokens.exists()


def test_a_damaged_table_stops_what_reads_it(resolved, tmp_path):
    path, wanted = tmp_path / "cells.parquet", collect(resolved)
    write_frame(wanted, path)
    assert pl.read_parquet(path).equals(wanted)
    for change in spoilt(path):
        refuses(lambda: read_frame(path, "table of cells"), path, "table of cells", change)
    study, drops = toy_run.document(resolved), tmp_path / "drops.parquet"
    for change in damaged(path, step=path.stat().st_size // 2):
        refuses(lambda: toy_run.table_jobs.analyze(drops, study, path), path, "table of cells", change)
    assert read_frame(path, "table of cells").equals(wanted)


def test_a_damaged_stored_compression_is_seen(tmp_path):
    """Weights, masks, shapes and facts: the result is the same, or the file is named."""
    import torch

    from junkdna.compress.artifact import read_artifact, write_artifact

    path = tmp_path / "compressed.safetensors"
    weight = torch.arange(24.0).reshape(4, 6)
    found = [("a.weight", MatrixResult(weight > 7, None)), ("b.weight", MatrixResult(weight > 3, weight.half()))]
    write_artifact(path, found, {"digest": "d", "report": {"effective_bits_per_weight": 9.0625}})
    wanted, refused = read_artifact(path, "d"), 0

    def same() -> None:
        got = read_artifact(path, "d")
        assert got.facts == wanted.facts
        for kind in ("masks", "weights"):
            one, other = getattr(got, kind), getattr(wanted, kind)
            assert one.keys() == other.keys()
            assert all(torch.equal(one[name], other[name]) for name in one)

    for change in spoilt(path):
        said = told(same, change)
        assert said.startswith(f"{path} ") or not said, change
        refused += bool(said)
    assert refused > 0.95 * path.stat().st_size


# --- model folders ----------------------------------------------------------------------------------------------------

FOLDER = Path("results/models/tiny")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_changed_file_of_a_model_stops_cells_and_encoding(resolved, name):
    path, tokens = FOLDER / name, Path(CELL.tokens_path("evaluate"))
    for _ in damaged(path, step=path.stat().st_size // 2):
        wanted = f"{path} has changed since the model folder was built.*delete {FOLDER}/model.json"
        with pytest.raises(UserError, match=wanted):
            toy_run.run(CELL, resolved)
        kept = tokens.rename("kept.arrow")
        with pytest.raises(UserError, match=wanted):
            toy_run.encode(CELL, resolved)
        kept.rename(tokens)
    check_model(FOLDER)
    path.unlink()
    with pytest.raises(UserError, match=f"{path} cannot be read"):
        check_model(FOLDER)


def test_large_weights_are_hashed_when_size_or_time_say_so(resolved, monkeypatch):
    monkeypatch.setattr(manifest, "ALWAYS_HASHED_BYTES", 0)
    monkeypatch.setattr(local_file_hashes, "ALWAYS_HASHED_BYTES", 0)
    hashed = []
    real = local_file_hashes.sha256_file
    monkeypatch.setattr(local_file_hashes, "sha256_file", lambda path: hashed.append(path.name) or real(path))

    def checked() -> list[str]:
        hashed.clear()
        local_file_hashes._facts.cache_clear()  # as another process begins
        check_model(FOLDER)
        return hashed

    names = sorted(json.loads((FOLDER / "model.json").read_text())["files"])
    assert sorted(checked()) == names
    assert checked() == []
    weights = FOLDER / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole)  # the same bytes at another time
    assert checked() == ["model.safetensors"]
    assert checked() == []
    weights.write_bytes(whole[:-1] + b"\1")
    with pytest.raises(UserError, match=r"model\.safetensors has changed since"):
        checked()


def test_a_damaged_manifest_is_named(resolved):
    path = FOLDER / "model.json"
    hashes = {name: entry["sha256"] for name, entry in check_model(FOLDER)["files"].items()}

    def same() -> None:
        assert {name: entry["sha256"] for name, entry in check_model(FOLDER)["files"].items()} == hashes

    for change in spoilt(path, step=3):
        said = told(same, change)
        assert str(FOLDER) in said or not said, change


# --- wheels -----------------------------------------------------------------------------------------------------------


def test_a_damaged_wheel_never_gives_another_file(tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    content = json.dumps([{"text": f"number {i}"} for i in range(30)]).encode()
    (folder / "rows.json").write_bytes(content)
    wheel = make_wheel(tmp_path / "toy.whl", "toy", folder)

    def same() -> None:
        with open_wheel(wheel) as opened:
            assert opened.read("toy/rows.json") == content

    for change in spoilt(wheel):
        said = told(same, change)
        assert "toy.whl" in said or not said, change


# --- seals ------------------------------------------------------------------------------------------------------------


def test_a_seal_is_read_anew_when_the_file_changes(resolved):
    path = Path(CELL.tokens_path("evaluate"))
    before = stored_checksum(path)
    write_tokens(read_tokens(path).slice(1), path)
    assert stored_checksum(path) not in (before, None, "")
    path.unlink()
    assert stored_checksum(path) is None


# --- data that changed ------------------------------------------------------------------------------------------------


def grown(rows: int) -> None:
    """The raw data of the task mood, with another number of rows."""
    pq.write_table(pa.Table.from_pylist(toy.classify_rows(rows)), "data/mood.parquet")


def test_data_that_changed_since_the_examples_were_made_are_named(resolved):
    """Neither encoded for another model nor joined; the old file back, and all is well."""
    raw, study, output = Path("data/mood.parquet"), toy_run.document(resolved), Path("results/cells.parquet")
    whole = raw.read_bytes()
    grown(161)
    Path(CELL.tokens_path("evaluate")).rename("kept.arrow")
    wanted = r"data/mood\.parquet has changed since results/examples/mood/evaluate\.parquet .*had 160 rows.*Delete"
    with pytest.raises(UserError, match=wanted):
        toy_run.encode(CELL, resolved)
    Path("kept.arrow").rename(CELL.tokens_path("evaluate"))
    with pytest.raises(UserError, match=wanted):
        toy_run.table_jobs.collect(output, study)
    assert not output.exists()
    raw.write_bytes(whole)
    toy_run.table_jobs.collect(output, study)
    raw.unlink()  # results may be looked at where the data are not
    toy_run.table_jobs.collect(output, study)


def test_roles_from_two_versions_of_one_split_are_not_joined(world):
    """Train rows of the data as they were, rows to evaluate of the data as they are, and the raw file gone."""
    modes = {**TWO_CELLS["experiments"]["one"], "transfer": ["dense"]}
    trained = resolve({**TWO_CELLS, "models": toy.STUDY["models"], "experiments": {"one": modes}}, "test")
    for rows, role in ((160, "train"), (161, "evaluate")):
        grown(rows)
        settings = toy_run.study_settings.example_settings("mood", role, trained)
        toy_run.jobs.examples(toy_run.examples_file("mood", role), settings)
    Path("data/mood.parquet").unlink()
    with pytest.raises(UserError, match=r"the same split \(all\) of task mood, which changed in between \(16. rows"):
        check_data(trained)


def test_a_wheel_put_in_anothers_place_is_not_read(world, tmp_path):
    """Its members fit its own RECORD, but it is not the wheel that the study pins."""
    Path("results/sources").mkdir(parents=True)
    make_wheel(Path("results/sources/toy.whl"), "toy/model", Path("model"))
    settings = PinnedSource(wheel="toy", path="toy/model", sha256="0" * 64)
    with pytest.raises(UserError, match=r"sources/toy\.whl is not the pinned wheel toy: its sha256 is .*Delete"):
        toy_run.jobs.model(toy_run.manifest("tiny"), settings)
    assert not toy_run.manifest("tiny").exists()

"""The key `connectivity`: which lines a study has, their files, and what is refused."""

import pytest
from toy_study import changed, error_of, toy_resolved

from junkdna.errors import UserError
from junkdna.study import grid, settings_from_study
from junkdna.study.connections import all_connections, connect_settings, connection_at, connections
from junkdna.study.load import from_document, study_document

KEY = "experiments|modes|connectivity"


def lines(study: dict, seeds: list[int], **more: object) -> list[tuple[str, int, int]]:
    """(Compression of the end, seed of the start, seed of the end) of every line."""
    study = changed(changed(study, "experiments|modes|seeds", seeds), KEY, {"points": 5})
    for name, value in more.items():
        study = changed(study, f"experiments|modes|{name}", value)
    found = connections(toy_resolved(study))["modes"]
    assert all(each.start.transfer == "dense" and each.points == 5 for each in found)
    assert {each.end.transfer for each in found} <= {"sparse", "dense"}
    return [(each.end.compression.tag, each.start.seed, each.end.seed) for each in found]


def test_each_sparse_cell_has_a_line_from_its_dense_cell(study: dict) -> None:
    levels = [{"method": "magnitude", "sparsity": [0.5, 0.8]}]
    assert lines(study, [4], compressions=levels) == [("magnitude-0.5", 4, 4), ("magnitude-0.8", 4, 4)]
    assert lines(study, [4], compressions=levels, transfer=["sparse"]) == lines(study, [4], compressions=levels)


def test_controls_are_of_two_seeds_each_and_share_none(study: dict) -> None:
    found = [line for line in lines(study, [0, 1, 2, 3, 4]) if line[0] == "dense"]
    assert found == [("dense", 0, 1), ("dense", 2, 3)]


def test_every_length_of_training_has_lines_of_its_own(study: dict) -> None:
    study = changed(changed(study, KEY, {}), "experiments|modes|recovery", [2])
    found = connections(toy_resolved(study))["modes"]
    assert {each.start.protocol for each in found} == {"default", "default-x2"}
    assert all(each.start.protocol == each.end.protocol for each in found)


def test_the_key_changes_no_cell_and_no_settings_of_one(study: dict) -> None:
    before, after = toy_resolved(study), toy_resolved(changed(study, KEY, {}))
    assert grid.all_cells(before) == grid.all_cells(after)
    for cell in grid.all_cells(before):
        assert settings_from_study.settings_text(cell, before) == settings_from_study.settings_text(cell, after)
    assert all_connections(before) == []
    assert "connectivity" not in str(study_document(before))


def test_paths_name_a_line_and_lead_back_to_it(study: dict) -> None:
    resolved = toy_resolved(changed(study, KEY, None))  # without a value: the defaults
    found = all_connections(resolved)
    assert {each.points for each in found} == {21}
    assert len({each.path for each in found}) == len(found)
    for each in found:
        assert connection_at(each.path, resolved) == each
    assert found[0].path == (
        "results/connectivity/tiny/mood/plain/magnitude-0.5/sparse/default/seed-0-to-0/points-21.parquet"
    )
    with pytest.raises(UserError, match="is no connection of this study"):
        connection_at("results/connectivity/other.parquet", resolved)


def test_settings_hold_those_of_both_cells(study: dict) -> None:
    resolved = toy_resolved(changed(study, KEY, {}))
    line = all_connections(resolved)[0]
    settings = connect_settings(line, resolved)
    assert settings.start == settings_from_study.cell_settings(line.start, resolved)
    assert settings.end == settings_from_study.cell_settings(line.end, resolved)
    more = toy_resolved(changed(study, KEY, {"points": 11}))
    assert connect_settings(all_connections(more)[0], more) != settings


def test_the_checked_study_keeps_the_key(study: dict) -> None:
    resolved = toy_resolved(changed(study, KEY, {"points": 7}))
    assert all_connections(from_document(study_document(resolved), "study")) == all_connections(resolved)


def test_what_is_refused(world, study: dict) -> None:
    for points in (2, 0, 1002, 2.5, "many", True):
        assert "connectivity" in error_of(changed(study, KEY, {"points": points}))
    assert "point" in error_of(changed(study, KEY, {"point": 5}))
    without = changed(changed(study, KEY, {}), "experiments|modes|transfer", ["dense", "dense_freeze"])
    assert "transfer is ['dense', 'dense_freeze']; add sparse" in error_of(without)
    assert "add sparse" in error_of(changed(study, "experiments|context|connectivity", {}))


def test_generated_text_has_no_loss(world, settings_study: dict) -> None:
    of = {"title": "x", "models": ["llm"], "tasks": ["named"], "transfer": ["dense", "sparse"], "connectivity": {},
          "compressions": [{"method": "magnitude", "sparsity": 0.5}]}  # fmt: skip
    text = error_of(changed(settings_study, "experiments", {"x": of}))
    assert "connectivity needs a loss of every example, which generated text does not have" in text

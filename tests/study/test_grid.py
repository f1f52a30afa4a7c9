"""The grid: which cells a study means, and whose protocol they run under."""

from dataclasses import replace

from toy_study import toy_resolved

from junkdna.study import grid
from junkdna.study.cell import Compression, knob_text
from junkdna.study.study import CompressionGrid, Protocol

DENSE = Compression()


# --- expansion --------------------------------------------------------------------------------------------------------


def test_cells_of_the_toy_study_counted_by_hand(study):
    cells = grid.expand(toy_resolved(study))
    assert {name: len(found) for name, found in cells.items()} == {"context": 10, "modes": 8}
    # context: without and with the passage (2) x (dense, 0.5, 0.9, random 0.5, keep 1 of 4) (5)
    assert {cell.knobs for cell in cells["context"]} == {(), (("context", "passage"),)}
    tags = {"dense", "magnitude-0.5", "magnitude-0.9", "random-0.5", "nm-keep1of4"}
    for knobs in ((), (("context", "passage"),)):
        assert {cell.compression.tag for cell in cells["context"] if cell.knobs == knobs} == tags
    # modes: seeds (2) x (dense, and three modes under the mask) (4)
    pairs = {("dense", "dense")} | {(mode, "magnitude-0.5") for mode in ("sparse", "sparse_to_dense", "dense_freeze")}
    for seed in (0, 1):
        assert {(c.transfer, c.compression.tag) for c in cells["modes"] if c.seed == seed} == pairs


def test_cells_of_the_settings_study_counted_by_hand(settings_study):
    cells = grid.expand(toy_resolved(settings_study))
    assert {name: len(found) for name, found in cells.items()} == {
        "data_adequacy": 4,  # 50 and 100 % x (dense, sparse)
        "option_count": 8,  # models x 2 and 4 options x (dense, 0.5)
        "context_length": 6,  # (nothing, the answer in its window, the mask in its) x (dense, 0.5)
        "shots": 4,  # 0 and 2 x (dense, 0.5)
        "across_tasks": 8,  # tasks x seeds x (dense, sparse)
        "cross_encoder": 2,
        "factoid_vs_choice": 4,  # all of them in the experiments before
    }
    assert len(grid.all_cells(toy_resolved(settings_study))) == 32
    assert {knob_text(cell.knobs) for cell in cells["context_length"]} == {
        "plain", "context=4", "answer_span=masked,context=4",
    }  # fmt: skip
    assert {knob_text(cell.knobs) for cell in cells["data_adequacy"]} == {"plain", "data_fraction=50"}


def test_a_cell_of_two_experiments_is_one_cell(study):
    first = grid.all_cells(toy_resolved(study))
    study["experiments"]["again"] = {
        **study["experiments"]["context"],
        "knobs": {"context": ["passage"], "options": [4, 2]},
    }
    resolved = toy_resolved(study)
    cells = grid.all_cells(resolved)
    assert len(grid.expand(resolved)["again"]) == 10
    assert len(cells) == len(set(cells)) == len({cell.path for cell in cells}) == 18 + 5  # options 4 is the default
    assert cells[:18] == first


def test_every_cell_has_its_dense_reference_in_its_experiment(study):
    study["experiments"]["modes"]["transfer"] = ["sparse"]
    study["experiments"]["context"]["seeds"] = [3, 4]
    for cells in grid.expand(toy_resolved(study)).values():
        for cell in cells:
            dense = grid.reference(cell)
            assert dense in cells
            assert dense.compression == DENSE
            assert dense.transfer == ("none" if cell.transfer == "none" else "dense")
            assert grid.reference(dense) == dense
            assert dense.seed == (cell.seed if cell.transfer != "none" else 0)
            kept = ("model", "task", "knobs", "protocol")
            assert all(getattr(dense, name) == getattr(cell, name) for name in kept)


def test_seeds_count_only_where_something_is_random(study):
    study["experiments"]["context"]["seeds"] = [3, 4]
    del study["experiments"]["context"]["knobs"]
    cells = grid.expand(toy_resolved(study))["context"]
    same = [("dense", 0), ("magnitude-0.5", 0), ("magnitude-0.9", 0), ("nm-keep1of4", 0)]
    assert sorted((c.compression.tag, c.seed) for c in cells) == [*same, ("random-0.5", 3), ("random-0.5", 4)]
    for cell in grid.all_cells(toy_resolved(study)):
        assert grid.canonical(cell) == cell
        assert cell.transfer == "none" or grid.canonical(replace(cell, seed=9)).seed == 9


def test_a_level_that_prunes_nothing_is_dense():
    grids = [
        CompressionGrid(method="magnitude", sparsity=[0, 0.5, 0.5]),
        CompressionGrid(method="random", sparsity=0.0),
        CompressionGrid(method="nm", keep=[4, 0], of=4),
    ]
    assert [level.tag for level in grid.levels(grids)] == ["dense", "magnitude-0.5", "nm-keep0of4"]


def test_integer_formats_and_bits_are_the_same_compressions():
    formats = CompressionGrid(method="rtn", format=["int4", "nvfp4", "int5"])
    assert [each.tag for each in formats.compressions()] == ["rtn-4bit", "rtn-nvfp4", "rtn-5bit"]
    assert formats.compressions()[0] == CompressionGrid(method="rtn", bits=4).compressions()[0]
    grouped = [CompressionGrid(method="rtn", group=64, **level) for level in ({"bits": 4}, {"format": "int4"})]
    assert [level.tag for level in grid.levels(grouped)] == ["dense", "rtn-4bit,group=64"]
    (per_row,) = CompressionGrid(method="rtn", format="fp8", per_channel=True).compressions()
    assert per_row.tag == "rtn-fp8,per_channel=true"


def test_knobs_fixed_for_a_task_go_before_the_experiments(study):
    use = [{"task": "colours", "options": 2}, "colours"]
    study["experiments"]["context"] |= {"tasks": use, "knobs": {"options": [3, 4], "context": ["none"]}}
    cells = grid.expand(toy_resolved(study))["context"]
    assert {cell.knobs for cell in cells} == {(("options", 2),), (("options", 3),), ()}


def test_experiments_that_are_off_have_no_cells(study):
    study["experiments"]["modes"]["optional"] = True
    assert list(grid.expand(toy_resolved(study))) == ["context"]
    study["run"] = ["modes"]
    assert list(grid.expand(toy_resolved(study))) == ["modes"]


# --- protocol ---------------------------------------------------------------------------------------------------------


def test_whose_protocol_setting_counts(study):
    study["tasks"]["mood"]["protocol"] = {"batch_size": 4, "epochs": 5}
    study["protocols"] = {"named": {"epochs": 9, "warmup_fraction": 0.06}, "empty": None}
    resolved = toy_resolved(study)
    mood = resolved.tasks["mood"]
    named, default = resolved.study.protocol("named", mood), resolved.study.protocol("default", mood)
    assert (named.epochs, named.batch_size, named.max_length, named.weight_decay) == (9, 4, 16, 0.0)
    assert (default.epochs, default.batch_size, default.max_length) == (5, 4, 16)
    assert default.learning_rate == named.learning_rate == 1e-3  # the task file's
    assert resolved.study.protocol("empty", mood) == default
    assert resolved.study.protocol("default", resolved.tasks["colours"]) == Protocol()
    study["protocols"]["named"]["batch_size"] = Protocol().batch_size  # set to what is the default anyway: still set
    assert toy_resolved(study).study.protocol("named", mood).batch_size == 32


def test_a_protocol_named_default_is_the_default(study):
    study["protocols"] = {"default": {"epochs": 9}}
    resolved = toy_resolved(study)
    assert resolved.study.protocol("default", resolved.tasks["mood"]).epochs == 9

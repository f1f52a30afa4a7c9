"""Which cells are compared, and what is said of the others."""

import copy
import json
import shutil

import polars as pl
import pytest
from study_folders import FOOTER, STUDY, write_study

from junkdna.cli.compare import Options
from junkdna.errors import UserError
from junkdna.storage.table_record import study_record, write_recorded
from junkdna.storage.tables import write_frame


def changed(**keys) -> dict:
    """The study with other keys of its experiment."""
    data = copy.deepcopy(STUDY)
    data["experiments"]["only"] |= keys
    return data


def renamed_model() -> dict:
    data = changed(models=["other"])
    return {**data, "models": {"other": data["models"]["enc"]}}


def test_one_model_each_is_matched_by_the_rest(first, tmp_path, compare):
    found = compare(first, write_study(tmp_path, renamed_model()))
    assert found.matching.ignored == ("model",)
    assert set(found.compressed["model_b"]) == {"other"}
    assert found.compressed["drop_difference"].to_list() == [0.0] * 3


def test_methods_of_one_study_match_by_their_level(first, compare):
    found = compare(first, first, Options(a={"method": "magnitude"}, b={"method": "random"}, ignore=("seed",)))
    assert found.matching.ignored == ("method", "options", "seed")
    assert found.compressed.select("compression_a", "compression_b").rows() == [("magnitude-0.3", "random-0.3")]
    assert found.a.name == "one (magnitude)"
    assert found.b.file_name == "one-random"
    alone = found.tables["not_compared"].filter(study="A")
    assert alone["cell"].to_list() == ["enc/sciq/plain/magnitude-0.6/none/default/seed-0"]
    assert "level 0.3" in alone["reason"][0]


def test_several_methods_of_one_level_must_be_chosen(first, compare):
    with pytest.raises(UserError, match=r"A has several cells.*--a method=magnitude"):
        compare(first, first, Options(ignore=("method", "seed")))


def test_levels_of_one_study_are_named(first, tmp_path, compare):
    other = write_study(tmp_path, changed(compressions=[{"method": "magnitude", "sparsity": [0.6, 0.9]}]))
    found = compare(first, other)
    assert found.compressed["compression_a"].to_list() == ["magnitude-0.6"]
    reasons = {row["cell"].split("/")[3]: row["reason"] for row in found.tables["not_compared"].to_dicts()}
    assert set(reasons) == {"magnitude-0.3", "random-0.3", "magnitude-0.9"}
    assert reasons["magnitude-0.9"].endswith("the nearest has level 0.3")


def test_nothing_in_common_names_the_nearest_keys(first, tmp_path, compare):
    other = write_study(tmp_path, changed(protocol="slow") | {"protocols": {"slow": {"max_length": 99}}})
    with pytest.raises(UserError, match=r"differ in protocol default against slow.*add --ignore protocol"):
        compare(first, other)
    assert compare(first, other, Options(ignore=("protocol",))).compressed.height == 3


RANDOM = [{"method": "random", "sparsity": 0.3}]


def test_seed_0_is_named_as_a_seed(tmp_path, compare):
    places = [tmp_path / name for name in ("one", "two", "three")]
    for place in places:
        place.mkdir()
    other = write_study(places[0], changed(seeds=[7], compressions=RANDOM))
    zero = write_study(places[1], changed(seeds=[0], compressions=RANDOM))
    with pytest.raises(UserError, match=r"differ in seed 0 against 7\. .*add --ignore seed"):
        compare(zero, other)
    both = write_study(places[2], changed(seeds=[0, 5], compressions=RANDOM))
    alone = compare(both, zero).tables["not_compared"].filter(study="A")
    assert {row["reason"].rpartition("; ")[2] for row in alone.to_dicts()} == {"the nearest has seed 0"}


def test_another_task_cannot_be_ignored(first, tmp_path, compare):
    other = write_study(tmp_path, changed(tasks=["csqa"]) | {"tasks": {"csqa": None}})
    with pytest.raises(UserError, match=r"task sciq against csqa.*have a task in common"):
        compare(first, other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(ignore=("modle",)), "Did you mean 'model'"),
        (Options(ignore=("version",)), "keys have no version"),
        (Options(a={"methods": "wanda"}), "Did you mean 'method'"),
        (Options(b={"method": "randm"}), "--b: unknown method 'randm'. Did you mean 'random'"),
    ],
)
def test_wrong_options(first, compare, options, words):
    with pytest.raises(UserError) as error:
        compare(first, first, options)
    assert words in str(error.value)


# ---- cells that match but cannot be compared -------------------------------------------------------------------------


def reasons(found) -> set[str]:
    return {each.reason for each in found.left_out}


def test_other_examples_are_left_out_or_unpaired(first, tmp_path, compare):
    other = write_study(tmp_path, ids=[f"q{at}" for at in range(20, 120)])
    with pytest.raises(UserError, match=r"other examples: 120 against 100, 100 of them common.*--unpaired"):
        compare(first, other)
    found = compare(first, other, Options(unpaired=True))
    assert set(found.compressed["interval"]) == {"unpaired"}
    row = found.compressed.row(0, named=True)
    table = found.b.inputs.drops.filter(compression=row["compression_b"]).row(0, named=True)
    assert row["drop_b_low"] == table["drop_low"]
    assert row["drop_difference"] == row["drop_b"] - row["drop_a"]
    assert row["broken"] is None


def test_the_order_of_the_examples_does_not_matter(first, tmp_path, compare):
    found = compare(first, write_study(tmp_path, ids=[f"q{at}" for at in reversed(range(120))]))
    assert set(found.compressed["interval"]) == {"paired"}
    dense = found.differences.filter(pl.col("compression_a") == "dense")
    assert dense["broken"].to_list() == dense["fixed"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gold": 2}, "different right answers to 120 of 120 examples"),
        ({"facts": {"chance": 0.5}}, "different numbers of options: chance 0.25 against 0.5"),
        ({"facts": {"metric": "matthews"}}, "other metric: accuracy against matthews"),
        ({"facts": {"n_train": 64}}, "trained on different numbers of rows: 0 against 64"),
    ],
)
def test_other_questions_and_measures_are_left_out(first, tmp_path, compare, changes, reason):
    other = write_study(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        compare(first, other)
    assert reason in str(error.value)


def test_without_cell_files_the_tables_are_compared(first, tmp_path, compare):
    shutil.copytree(first, tmp_path / "only")
    found = compare(first, tmp_path / "only/tables")
    assert set(found.compressed["interval"]) == {"unpaired"}
    assert "B has no cell files" in found.compressed["note"][0]
    row = found.compressed.row(0, named=True)
    assert row["drop_difference"] == 0
    assert row["drop_difference_high"] > 0


def test_what_differs_is_counted(first, tmp_path, compare):
    data = copy.deepcopy(STUDY) | {"claims": {"margin": 0.1}}
    footer = FOOTER | {
        "versions": {"python": "3.12.0", "torch": "2.13.0"},
        "settings": {"code": "0ther", "scoring": {"dtype": "bfloat16"}},
    }
    found = compare(first, write_study(tmp_path, data, footer=footer))
    rows = {row["setting"]: (row["a"], row["b"], row["pairs"]) for row in found.tables["settings"].to_dicts()}
    assert rows == {
        "study.claims.margin": ("(not set)", "0.1", 0),
        "code fingerprint": ("c0de", "0ther", 5),
        "settings.scoring.dtype": ("float32", "bfloat16", 5),
        "versions.python": ("3.11.7", "3.12.0", 5),
    }


def test_verdicts_match_by_test(first, tmp_path, compare):
    other = write_study(tmp_path, right=lambda cell: 0.85)
    table = compare(first, other).tables["verdicts"]
    monotone = table.filter(claim="monotone").row(0, named=True)
    assert (monotone["verdict_a"], monotone["same"]) == ("supported", False)
    assert monotone["verdict_b"] != "supported"


def test_a_folder_without_a_study_is_refused(first, tmp_path, compare):
    shutil.copytree(first / "tables", tmp_path / "alone/tables")
    with pytest.raises(UserError, match=r"alone has no checked study"):
        compare(first, tmp_path / "alone")
    with pytest.raises(UserError, match="does not exist"):
        compare(first, tmp_path / "nowhere")


def test_the_study_of_the_tables_counts_not_the_newest(first, tmp_path, compare):
    shutil.copytree(first, folder := tmp_path / "results/studies/one")
    (folder / "study-9.json").write_text(json.dumps({"study": {**STUDY, "study": "newer"}}))
    assert compare(first, folder).b.name == "newer"  # the tables do not record theirs
    table = folder / "tables/cells.parquet"
    write_recorded(pl.read_parquet(table), table, study_record(folder / "study-0.json"))
    assert compare(first, folder).b.name == "one"
    assert compare(first, folder / "tables").b.name == "one"


def test_a_table_of_another_version_is_named(first, tmp_path, compare):
    shutil.copytree(first, folder := tmp_path / "results/studies/one")
    table = folder / "tables/drops.parquet"
    write_frame(pl.read_parquet(table).drop("share_lost", "retention_low", strict=False), table)
    with pytest.raises(UserError, match=r"drops\.parquet has other columns .* it lacks retention_low"):
        compare(first, folder)

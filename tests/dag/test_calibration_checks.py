"""Calibrations that cannot be drawn are found by planning, as far as limits, local files and models tell."""

import copy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy

from junkdna.cli.plan import plan
from junkdna.dag.calibration_checks import calibration_problems
from junkdna.study.load import resolve

pytestmark = pytest.mark.usefixtures("world")


def resolved(method="wanda", **calibration):
    study = copy.deepcopy(toy.METHODS)
    study["calibrations"] = {"c": {"task": "hues", "role": "train", "samples": 4, "context_tokens": 16} | calibration}
    if "local" in calibration:
        del study["calibrations"]["c"]["task"], study["calibrations"]["c"]["role"]
    compressions = [{"method": method, "sparsity": 0.5} | ({"calibration": "c"} if method == "wanda" else {})]
    study["tasks"]["hues"] = study["tasks"]["hues"] | {"limits": {"train": 8, "evaluate": 6}}
    study["experiments"] = {
        "e": {"title": "", "models": ["tiny"], "tasks": ["hues"], "compressions": compressions, "transfer": ["none"]}
    }
    return resolve(study, "study")


def problems(**settings):
    return list(calibration_problems(resolved(**settings)))


def test_that_fit():
    assert problems() == problems(samples=8) == problems(samples=6, role="evaluate") == []


def test_more_tokens_than_the_model_reads():
    (line,) = problems(context_tokens=4096)
    assert line.startswith("calibrations.c: context_tokens is 4096, but the model tiny reads at most ")
    most = int(line.split(" at most ")[1].split()[0])
    assert line.endswith(f"Lower it to {most} or less")
    assert problems(context_tokens=most) == []
    assert len(problems(context_tokens=most + 1)) == 1


@pytest.mark.parametrize("windows", ["texts", "long"])
def test_more_samples_than_the_task_has_texts(windows):
    assert problems(samples=9, windows=windows) == [
        f"calibrations.c: samples is 9, but there are at most 8 texts (windows: {windows}). "
        "Lower it, raise the limit of the task, or name more texts"
    ]
    assert len(problems(samples=7, role="evaluate")) == 1


def test_one_text_can_give_several_joined_samples():
    assert problems(samples=9, windows="joined") == []


def test_rows_of_local_parquet_files_count():
    for part, rows in (("a", 3), ("b", 2)):
        pq.write_table(pa.table({"text": ["some words"] * rows}), f"{part}.parquet")
    Path("notes.txt").write_text("")
    local = {"local": ".", "path": "*.parquet"}
    assert problems(samples=5, **local) == []
    assert "samples is 6, but there are at most 5 texts" in problems(samples=6, **local)[0]
    assert problems(samples=6, local="nowhere", path="*.parquet") == []  # another check names the folder


def test_a_calibration_that_no_method_uses_is_not_checked():
    assert problems(method="magnitude", samples=9, context_tokens=4096) == []


def test_plan_shows_them_as_wrong():
    lines, runs = plan(resolved(samples=9))
    assert not runs
    assert any(line.startswith("WRONG    calibrations.c: samples is 9") for line in lines)

"""Inputs that a printed command does not find: the message says so, and names the command that makes them."""

import json
from pathlib import Path

import pytest

from junkdna.cli import jobs, table_jobs
from junkdna.compress.artifact import read_artifact
from junkdna.data.calibration_file import read_calibration
from junkdna.data.examples_file import read_examples_file
from junkdna.data.tokens_file import read_tokens
from junkdna.errors import UserError
from junkdna.report.page.write import write_report
from junkdna.storage.checksums import read_verified
from junkdna.storage.file_errors import corrupt_file, making
from junkdna.storage.tables import read_frame, write_frame

READERS = {
    "results/tokens/tiny/mood/plain/default/train.arrow": read_tokens,
    "results/examples/mood/train.parquet": read_examples_file,
    "results/calibration/tiny/c4/seed-0.parquet": read_calibration,
    "results/compressed/tiny/wanda-0.5,calibration=c4/seed-0.safetensors": read_artifact,
    "results/cells/tiny/mood/plain/dense/none/default/seed-0.parquet": lambda path: read_verified(path, "cell file"),
    "results/studies/toy/tables/drops.parquet": lambda path: read_frame(path, "table of drops"),
    "results/studies/toy/study-0.json": table_jobs.read_study,
    "results/studies/it's/study-0.json": lambda path: table_jobs.collect(Path("out"), path),
}


@pytest.mark.parametrize("name", READERS)
def test_a_missing_file_names_the_command_that_makes_it(world, name):
    with pytest.raises(UserError) as caught:
        READERS[name](Path(name))
    text = str(caught.value)
    assert text.startswith(f"{name} does not exist")
    assert "`snakemake --cores 1 -s " in text
    assert "delete" not in text.lower()
    assert "Errno" not in text


@pytest.mark.parametrize("name", [name for name in READERS if "'" not in name])
def test_a_corrupt_file_is_to_be_deleted_and_rebuilt(world, name):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("{}")
    with pytest.raises(UserError, match=r"elete it and rerun: `snakemake --cores 1 -s \S+ -- '?results/"):
        READERS[name](Path(name))


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("/results/cells/x.parquet", "Delete it and rerun: the run rebuilds it."),
        ("docs/findings/answers.parquet", "No run rebuilds it: get it again from where it came from."),
    ],
)
def test_only_a_file_of_a_run_is_to_be_deleted(name, fix):
    assert str(corrupt_file(Path(name), "file of answers", "too short")).endswith(f"(too short). {fix}")


def test_no_command_is_named_for_other_files(world):
    for name in ("x.parquet", "/results/cells/x.parquet", "results", "results/batches/x", "results/logs/x.log", ".."):
        assert making(Path(name)) == ""
    with pytest.raises(UserError, match=r"^x.parquet does not exist, where a table of cells .*is the name right"):
        read_frame(Path("x.parquet"), "table of cells")


def test_the_report_needs_its_study(world):
    import polars as pl

    for name in ("drops", "cells", "claims", "behavior", "difficulty"):
        write_frame(pl.DataFrame({"a": [1]}), Path(f"{name}.parquet"))
    for content in (None, "{"):
        if content:
            Path("s.json").write_text(content)
        with pytest.raises(UserError, match=r"^s.json (does not exist|is a corrupt checked study)"):
            write_report(Path(), Path("s.json"), Path("out.html"))


def test_settings_from_a_file(world):
    with pytest.raises(UserError, match=r"^--settings @none: the file cannot be read \(No such file"):
        jobs.settings_from("@none")
    Path("s.json").write_text(json.dumps({"a": 1}))
    assert jobs.settings_from("@s.json") == {"a": 1}

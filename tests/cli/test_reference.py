"""docs/reference: generated pages are up to date, every key has a meaning, every column is one of the real files."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import toy_run
from project import ROOT
from pydantic import Field

from junkdna.analysis import columns, result_columns
from junkdna.analysis.difficulty_table import SCHEMA as DIFFICULTY_SCHEMA
from junkdna.analysis.gaps import Missing
from junkdna.cli import job_commands, reference
from junkdna.cli.main import parser
from junkdna.cli.partial import COLUMN, _gap_table
from junkdna.compress.artifact import read_artifact
from junkdna.data import examples
from junkdna.report.reference import keys
from junkdna.study.strict_model import StrictModel

FOLDER = ROOT / "docs/reference"
TYPES = {
    pl.String: columns.TEXT,
    pl.Boolean: columns.FLAG,
    **dict.fromkeys((pl.Float32, pl.Float64), columns.NUMBER),
    **dict.fromkeys((pl.Int32, pl.Int64, pl.UInt32), columns.COUNT),
}


def test_the_pages_are_up_to_date(tmp_path: Path) -> None:
    for file in reference.write(tmp_path, parser(), (*job_commands.HELP, "reference")):
        assert (FOLDER / file.name).read_text() == file.read_text(), "run `junkdna reference docs/reference`"


@pytest.mark.parametrize("name", keys.PAGES)
def test_every_key_has_a_meaning_and_no_meaning_lacks_its_key(name: str) -> None:
    _, model, meanings = keys.PAGES[name]
    found = keys.keys(model, meanings)
    assert not [key for key in found if not key.meaning]
    known = {(key.path, key.name) for key in found}
    assert not [(path, key) for path, texts in meanings.items() for key in texts if key and (path, key) not in known]
    assert {key.path for key in found} == {*meanings}


def test_keys_have_their_type_bounds_and_default() -> None:
    _, model, meanings = keys.PAGES["task"]
    found = {(key.path, key.name): key for key in keys.keys(model, meanings)}
    assert found["columns", "require"].type == "list of texts"
    assert found["", "label_groups"].type == "mapping of names to list of texts"
    assert found["", "hash_split"].type == "[mapping](#hash_split)"
    assert found["sources.NAME", "columns"].type == "[mapping](#columns)"
    assert found["shots", "count"].type == "whole number (at least 1, at most 1,000)"
    assert found["shots", "count"].default == "`5`"
    assert found["protocol", "learning_rate"].type == "number (above 0, below 1)"
    assert found["", "license"].default == "required"
    _, model, meanings = keys.PAGES["study"]
    bands = [key for key in keys.keys(model, meanings) if key.name == "band"]
    assert [key.type for key in bands] == ["list of [number, number]"]


def test_a_field_that_describes_itself_needs_no_other_meaning() -> None:
    class Model(StrictModel):
        size: int = Field(3, ge=1, description="how many rows")

    assert keys.keys(Model, {}) == [keys.Key("", "size", "whole number (at least 1)", "`3`", "How many rows.")]


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [*FOLDER.glob("*.md"), ROOT / "docs/README.md"]:
        text = page.read_text()
        headings = [
            re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^#+ (.+)$", text)
        ]
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            assert (page.parent / path).exists() if path else anchor in headings, (page, target)


def test_all_commands_are_on_the_page() -> None:
    named = re.findall(r"(?m)^##+ `junkdna ([a-z ]+)`", (FOLDER / "cli.md").read_text())
    every = {name for action in parser()._actions if action.choices for name in action.choices}
    assert {name.split()[0] for name in named} == every
    at = (FOLDER / "cli.md").read_text().index("## Commands that rules run")
    assert all((FOLDER / "cli.md").read_text().index(f"`junkdna {name}`") > at for name in job_commands.HELP)


def words(kind: pl.DataType) -> str:
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        names = [field.name for field in kind.inner.fields]
        return "list of {name, value}" if names == ["name", "value"] else "list of rows"
    if isinstance(kind, pl.List):
        inner = words(kind.inner)
        return f"list of {inner.replace('list', 'lists')}{'' if inner.startswith('list') else 's'}"
    return TYPES[type(kind)]


def check(schema: pl.Schema, table: columns.Table) -> None:
    found = [(name, words(kind)) for name, kind in schema.items()]
    assert found == [(column.name, column.type) for column in table.columns]


def only(pattern: str) -> Path:
    return sorted(Path("results").glob(pattern))[0]


def test_columns_are_those_of_the_files(finished: Path) -> None:
    cell = only("cells/**/*.parquet")
    schema = pl.read_parquet_schema(cell)
    check(schema, columns.CELL_FILE)
    check(pl.Schema({field.name: field.dtype for field in schema["examples"].inner.fields}), columns.EXAMPLE)
    assert {*json.loads(pl.read_parquet_metadata(cell)["junkdna"])} == {*columns.FOOTER}
    check(pl.read_parquet_schema(only("studies/*/tables/cells.parquet")), columns.CELLS)
    for name, table in result_columns.RESULTS.items():
        check(pl.read_parquet_schema(only(f"studies/*/tables/{name}.parquet")), table)
        assert pl.read_csv(only(f"studies/*/tables/{name}.csv")).columns == [each.name for each in table.columns]
    check(pl.Schema(DIFFICULTY_SCHEMA), result_columns.DIFFICULTY)
    check(pl.from_arrow(examples.DIFFICULTY_SCHEMA.empty_table()).schema, columns.RATED)
    check(pl.read_parquet_schema(only("examples/hues/evaluate.parquet")), columns.EXAMPLES)
    check(pl.read_ipc_schema(only("tokens/**/evaluate.arrow")), columns.TOKENS)
    check(pl.read_parquet_schema(only("calibration/**/*.parquet")), columns.CALIBRATION)
    partial = _gap_table(Missing(toy_run.read(), []))
    assert partial.columns == [column.name for column in columns.MISSING.columns]
    assert f"`{COLUMN}`" in (FOLDER / "columns.md").read_text()


def code(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (FOLDER / page).read_text(), flags=re.DOTALL)


def test_the_code_on_cell_files_runs(finished: Path) -> None:
    names: dict = {"path": only("cells/**/*.parquet")}
    for block in code("columns.md"):
        exec(block, names)
    assert names["rows"].columns == [column.name for column in columns.EXAMPLE.columns]
    assert names["footer"]["settings"]["cell"] in str(names["path"])


def test_the_code_on_masks_reads_what_was_stored(finished: Path) -> None:
    path = only("compressed/**/*.safetensors")
    names: dict = {"path": path}
    exec(code("masks.md")[0], names)
    stored = read_artifact(path).masks
    assert names["masks"].keys() == stored.keys()
    assert all((names["masks"][name] == mask.numpy()).all() for name, mask in stored.items())
    assert any(not mask.all() for mask in stored.values())
    facts = json.loads(names["file"].metadata()["junkdna"])["facts"]["facts"]
    page = (FOLDER / "masks.md").read_text()
    assert all(f"`{name}`" in page for name in facts)

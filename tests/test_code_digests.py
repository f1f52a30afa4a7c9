"""Which code counts for a stored result: what runs, not what it says of itself."""

import shutil
from pathlib import Path

import pytest

from junkdna import job_settings, keys, provenance
from junkdna.keys import Cell


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package that digests are taken of, to be edited."""
    copied = tmp_path / "junkdna"
    shutil.copytree(provenance.PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copied)
    forget()
    yield copied
    monkeypatch.undo()
    forget()


def forget() -> None:
    for cached in (provenance.code_digest, provenance._imports_of, provenance._tree_text):
        cached.cache_clear()


def code_of(tag: str, transfer: str = "none", kind: str = "choice") -> str:
    forget()
    compression = keys.parse_compression(tag)
    return provenance.code_digest(*job_settings._modules(Cell("m", "t", (), compression, transfer, "default", 0), kind))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_do_not_count(package):
    file = package / "compress" / "magnitude.py"
    before = code_of("magnitude-0.5")
    text = file.read_text()
    assert text.startswith('"""')
    file.write_text(text.replace('"""', '"""Other words. ', 1) + "\n\n# a comment\n")
    assert code_of("magnitude-0.5") == before
    seeds = package / "seeds.py"
    edit(seeds, '    """63-bit seed', '    """A 63-bit seed')
    edit(seeds, "text = ", "text   =   (")
    edit(seeds, "for part in key)])", "for part in key)]))  # the same")
    assert code_of("magnitude-0.5") == before


SPARE = "def spare():\n    return 1\n\n\ndef "
EVERY = {"magnitude", "nm", "dense", "trained", "generated", "stored"}


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        ("seeds.py", ">> 1", ">> 2", EVERY),
        ("compress/nm.py", "def compress(", f"{SPARE}compress(", {"nm"}),
        ("compress/magnitude.py", "def masks(", f"{SPARE}masks(", {"magnitude", "trained"}),
        ("compress/masks.py", "import ", "import os\nimport ", EVERY),
        ("compress/artefact.py", "from ", "import os\nfrom ", {"stored"}),
        ("compress/sparsegpt.py", "import ", "import os\nimport ", set()),
        ("compress/statistics.py", "import ", "import os\nimport ", set()),
        ("compress/svd.py", "import ", "import os\nimport ", set()),
        ("metrics.py", "import ", "import os\nimport ", EVERY),
        ("windows.py", "import ", "import os\nimport ", EVERY),
        ("transfer.py", "import ", "import os\nimport ", {"trained"}),
        ("objectives.py", "import ", "import os\nimport ", {"trained"}),
        ("training_state.py", "import ", "import os\nimport ", {"trained"}),
        ("walk.py", "import ", "import os\nimport ", EVERY),
        ("checkpoint.py", "import ", "import os\nimport ", set()),
        ("subsets.py", "from ", "import os\nfrom ", {"trained"}),
        ("generation.py", "import ", "import os\nimport ", {"generated"}),
        ("answers.py", "import ", "import os\nimport ", {"generated"}),
        ("errors.py", "n=3", "n=4", set()),
        ("job_settings.py", "SETTINGS_VERSION", "SETTINGS_VERSIONS", set()),
        ("figures/style.py", "import ", "import os\nimport ", set()),
        ("study.py", "import ", "import os\nimport ", set()),
        ("tasks/schema.py", "import ", "import os\nimport ", set()),
        ("tasks/sciq.yaml", "SciQ", "Sci", set()),
    ],
)
def test_an_edit_counts_for_the_cells_that_run_it(package, file, old, new, moved):
    cells = {"magnitude": ("magnitude-0.5",), "nm": ("nm-keep2of4",), "dense": ("dense",)}
    cells |= {"stored": ("wanda-0.5,calibration=c4",)}
    cells |= {"trained": ("magnitude-0.5", "sparse"), "generated": ("dense", "none", "generate")}
    before = {name: code_of(*cell) for name, cell in cells.items()}
    edit(package / file, old, new)
    assert {name for name, cell in cells.items() if code_of(*cell) != before[name]} == moved


@pytest.mark.parametrize(
    ("file", "old", "moved"),
    [
        ("tasks/load.py", "import ", {"tasks.load"}),
        ("tasks/fields.py", "import ", {"tasks.load"}),
        ("tasks/knobs.py", "import ", {"tasks.load", "encode"}),
        ("windows.py", "import ", {"encode"}),
        ("prompts.py", "from ", {"encode"}),
        ("tasks/schema.py", "import ", set()),
        ("tasks/columns.py", "import ", set()),
        ("metric_names.py", "METRIC_KINDS", set()),
        ("yaml_files.py", "import ", set()),
    ],
)
def test_an_edit_counts_for_the_inputs_that_it_makes(package, file, old, moved):
    def digests() -> dict[str, str]:
        forget()
        return {name: provenance.code_digest(f"junkdna.{name}") for name in ("tasks.load", "encode")}

    before = digests()
    edit(package / file, old, f"import os\n{old}")
    after = digests()
    assert {name for name in before if before[name] != after[name]} == moved


def test_digests_differ_by_what_runs(package):
    assert len({code_of("dense"), code_of("magnitude-0.5"), code_of("nm-keep2of4"), code_of("random-0.5")}) == 4

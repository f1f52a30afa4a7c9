"""Which code counts for a stored result: what runs, not its docstrings and captions."""

import ast
import shutil
from pathlib import Path

import pytest

from junkdna.storage import fingerprint
from junkdna.storage.code_text import code_text
from junkdna.study import cell as study_cell
from junkdna.study import settings_from_study
from junkdna.study.cell import Cell


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package that digests are taken of, to be edited."""
    copied = tmp_path / "junkdna"
    shutil.copytree(fingerprint.PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "PACKAGE", copied)
    forget()
    yield copied
    monkeypatch.undo()
    forget()


def forget() -> None:
    for cached in (fingerprint.code_fingerprint, fingerprint._read):
        cached.cache_clear()


def code_of(tag: str, transfer: str = "none", kind: str = "choice") -> str:
    compression = study_cell.parse_compression(tag)
    answer_format = {"choice": "cloze", "generate": "generate"}[kind] if transfer == "none" else "classifier"
    return fingerprint.code_fingerprint(
        *settings_from_study._modules(Cell("m", "t", (), compression, transfer, "default", 0), answer_format)
    )


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    forget()


def test_comments_docstrings_and_layout_do_not_count(package):
    file = package / "compress" / "methods" / "magnitude.py"
    before = code_of("magnitude-0.5")
    text = file.read_text()
    assert text.startswith('"""')
    file.write_text(text.replace('"""', '"""Other words. ', 1) + "\n\n# a comment\n")
    forget()
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
        ("compress/methods/nm.py", "def compress(", f"{SPARE}compress(", {"nm"}),
        ("compress/methods/magnitude.py", "def masks(", f"{SPARE}masks(", {"magnitude", "trained"}),
        ("compress/masks.py", "import ", "import os\nimport ", EVERY),
        ("compress/artifact.py", "from ", "import os\nfrom ", {"stored"}),
        ("compress/methods/sparsegpt.py", "import ", "import os\nimport ", set()),
        ("compress/input_stats.py", "import ", "import os\nimport ", set()),
        ("compress/methods/svd.py", "import ", "import os\nimport ", set()),
        ("evaluate/metrics.py", "import ", "import os\nimport ", EVERY),
        ("data/knobs.py", "import ", "import os\nimport ", set()),
        ("models/prefix_tree.py", "import ", "import os\nimport ", EVERY),
        ("evaluate/formats/cloze.py", "from ", "import os\nfrom ", EVERY - {"trained", "generated"}),
        ("evaluate/formats/cloze.py", 'label="cloze"', 'label="CLOZE"', set()),
        ("evaluate/formats/cloze.py", "suffix=lambda row", "suffix=lambda  row", set()),
        ("evaluate/train_outputs.py", "import ", "import os\nimport ", {"trained"}),
        ("train/finetune.py", "import ", "import os\nimport ", {"trained"}),
        ("train/train_rows.py", "import ", "import os\nimport ", {"trained"}),
        ("train/state.py", "import ", "import os\nimport ", {"trained"}),
        ("resumable.py", "import ", "import os\nimport ", EVERY),
        ("run/checkpoint.py", "import ", "import os\nimport ", set()),
        ("train/subset.py", "from ", "import os\nfrom ", {"trained"}),
        ("evaluate/greedy.py", "import ", "import os\nimport ", {"generated"}),
        ("evaluate/text_match.py", "import ", "import os\nimport ", {"generated"}),
        ("errors.py", "n=3", "n=4", set()),
        ("__init__.py", "__all__ = ", "import os\n__all__ = ", set()),
        ("report/results.py", "import ", "import os\nimport ", set()),
        ("study/settings_from_study.py", "SETTINGS_VERSION", "SETTINGS_VERSIONS", set()),
        ("report/plotting/theme.py", "import ", "import os\nimport ", set()),
        ("study/study.py", "import ", "import os\nimport ", set()),
        ("study/task.py", "import ", "import os\nimport ", set()),
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
        ("data/examples.py", "import ", {"examples"}),
        ("data/templates.py", "import ", {"examples"}),
        ("data/knobs.py", "import ", {"tokenize"}),
        ("data/prompts.py", "from ", {"tokenize"}),
        ("evaluate/scores.py", "import ", set()),
        ("evaluate/likelihoods.py", "import ", set()),
        ("models/prefix_tree.py", "import ", set()),
        ("evaluate/formats/mcq.py", "from ", set()),
        ("study/task.py", "import ", set()),
        ("study/columns.py", "import ", set()),
        ("study/metrics.py", "METRIC_KINDS", set()),
        ("study/yaml_reader.py", "import ", set()),
    ],
)
def test_an_edit_counts_for_the_inputs_that_it_makes(package, file, old, moved):
    def digests() -> dict[str, str]:
        forget()
        tokenize = ("junkdna.evaluate.tokenize", "junkdna.evaluate.formats.cloze")
        jobs = {"examples": ("junkdna.data.examples",), "tokenize": tokenize}
        return {name: fingerprint.code_fingerprint(*modules) for name, modules in jobs.items()}

    before = digests()
    edit(package / file, old, f"import os\n{old}")
    after = digests()
    assert {name for name in before if before[name] != after[name]} == moved


def test_fingerprints_differ_with_the_code_that_runs(package):
    assert len({code_of("dense"), code_of("magnitude-0.5"), code_of("nm-keep2of4"), code_of("random-0.5")}) == 4


def declared(file: Path, fields: str) -> None:
    file.write_text(f'METHOD = Method({fields})\n\n\ndef compress():\n    """Nothing."""\n')
    forget()


@pytest.mark.parametrize("field", ["label", "line_style", "meaning", "source", "caption"])
def test_display_fields_of_a_declaration_do_not_count(package, field):
    file = package / "compress" / "methods" / "nm.py"
    declared(file, f'levels=("keep_of",), {field}="one"')
    before = code_of("nm-keep2of4")
    declared(file, f'levels=("keep_of",), {field}="another"')
    assert code_of("nm-keep2of4") == before
    declared(file, f'levels=("sparsity",), {field}="another"')
    assert code_of("nm-keep2of4") != before


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("from junkdna.data import knobs", True),
        ("import junkdna.data.knobs", True),
        ("from junkdna.data.knobs import apply", True),
        ("if TYPE_CHECKING:\n    from junkdna.data import knobs", False),
        ("def inside():\n    from junkdna.data import knobs", False),
    ],
)
def test_imports_at_the_top_of_a_file_are_followed_and_no_others(package, line, counts):
    file = package / "seeds.py"
    file.write_text(f"{line}\n")
    before = code_of("dense")
    edit(package / "data" / "knobs.py", "import ", "import os\nimport ")
    assert (code_of("dense") != before) == counts


def test_each_module_that_is_not_counted_exists_and_has_a_reason():
    for module, reason in fingerprint.NOT_COUNTED.items():
        assert fingerprint.file_of(module).is_file(), module
        assert reason


SYNTAX = '''
import math
from collections.abc import Iterable


class Level(tuple[int, ...]):
    """A docstring."""

    size: int = 1

    @property
    def text(self) -> str:
        return f"{self!r:>{self.size}} of {'a' 'b'}, {math.pi=:.3f}"


def total(*values: int, start: "int" = 0, **options: str) -> int | None:
    """A docstring."""
    match values:
        case []:
            return None
        case [first, *rest] if first > 0:
            return start + sum(value for value in (first, *rest) if value)
    try:
        with open("a") as one, open("b") as two:
            pass
    except* (OSError, ValueError):
        raise
    else:
        return (lambda: [*values])()[-1]


async def later(items: Iterable[int]) -> dict:
    return {**{}, "a": [item async for item in items], "b": {1: {2, 3}}}
'''


def test_every_python_gives_the_same_fingerprint(tmp_path):
    """The digest is that of Python 3.11: with another Python, stored results would be stale."""
    (tmp_path / "syntax.py").write_text(SYNTAX)
    assert fingerprint.digest(fingerprint._read(tmp_path / "syntax.py")[1]) == "6052829910e5bf82"


def text_of(code: str) -> str:
    return code_text(ast.parse(code))


@pytest.mark.parametrize(
    "pair",
    [
        ("[1, 2]", "[12]"),
        ("a = 1, 2", "a = (1, 2),"),
        ("f(1, a=2)", "f(1, b=2)"),
        ("f(*a)", "f(**a)"),
        ("{1: 2}", "{1, 2}"),
        ("{**a}", "{None: a}"),
        ("a if b else c", "b if a else c"),
        ("a - b - c", "a - (b - c)"),
        ("a < b < c", "(a < b) < c"),
        ("a[1:]", "a[:1]"),
        ("a[1]", "a[1:]"),
        ("a = '1'", "a = 1"),
        ("a = 1", "a = 1.0"),
        ("a = b'a'", "a = 'a'"),
        ("x: int", "x: int = None"),
        ("def f(a, b): pass", "def f(a, /, b): pass"),
        ("def f(a, b): pass", "def f(a, *, b): pass"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
        ("def f(): pass", "async def f(): pass"),
        ("def f(): return", "def f(): return None"),
        ("del a", "a"),
        ("import a", "import a as b"),
        ("from a import b", "from .a import b"),
        ("f'{a}'", "f'{a!r}'"),
        ("f'{a:2}'", "f'{a:3}'"),
        ("f'{a}b'", "f'b{a}'"),
        ("match a:\n case None: pass", "match a:\n case True: pass"),
        ("match a:\n case b: pass", "match a:\n case _: pass"),
        ("try: a\nexcept: b", "try: a\nfinally: b"),
        ("if a: b\nelse: c", "if a: b\nc"),
        ("[x for x in a if b]", "[x for x in a for b in x]"),
    ],
    ids=" | ".join,
)
def test_code_that_does_something_else_has_another_text(pair):
    assert text_of(pair[0]) != text_of(pair[1])


def test_a_name_of_declarations_may_hold_something_else():
    assert text_of("FORMAT = 'a'") != text_of("FORMAT = 'b'")


def test_the_text_of_the_package_tells_apart_what_ast_dump_does():
    """Of every statement of the package, on its own: equal texts only where `ast.dump` says the same."""
    dumps: dict[str, str] = {}
    for file in sorted(fingerprint.PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.stmt) and not hasattr(node, "body"):
                dump = ast.dump(node)
                inside = ast.If(ast.Constant(True), [ast.Pass(), node], [])  # no declaration and no docstring
                assert dumps.setdefault(code_text(ast.Module([inside], [])), dump) == dump
    assert len(dumps) > 5000

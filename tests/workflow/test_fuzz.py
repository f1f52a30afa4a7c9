"""Broken and hostile study and task files: each is a study that works, or is refused on one screen, with the place.

`JUNKDNA_FUZZ_EXAMPLES=10000 pytest -s tests/workflow/test_fuzz.py` tests 10,000 new random files on every run.
"""

import contextlib
import copy
import io
import os
import re
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mutations
import pytest
import toy
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_study import JARGON, changed

from junkdna.cli import main
from junkdna.dag import inputs
from junkdna.dag.source_checks import check_sources
from junkdna.errors import UserError
from junkdna.study import grid
from junkdna.study.cell import parse_cell_path
from junkdna.study.grid import used_examples
from junkdna.study.load import load_study
from junkdna.study.study import Resolved

BY_HAND = "JUNKDNA_FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("JUNKDNA_FUZZ_EXAMPLES", "500"))
CPU_S = 30  # for one file: ten times what the largest legal one takes
SHARES = {"study trees": 0.35, "study texts": 0.25, "task trees": 0.2, "task texts": 0.15, "overrides": 0.05}
COUNTS: Counter = Counter()


def fuzz(share: str):
    """Hypothesis settings for a share of all examples; the same ones each time, except by hand."""
    return settings(
        max_examples=max(int(EXAMPLES * SHARES[share]), 10), deadline=None, derandomize=not BY_HAND, database=None,
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """A block that must neither take `CPU_S` seconds nor run anything that a file says."""

    def stop(*_: object) -> None:
        raise AssertionError(f"more than {CPU_S} s of CPU time for one file")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert not Path(mutations.PWNED).exists()


PLACE = re.compile(
    r"line \d+|: \S+\.\S+|^[^\n:]+: [^\n]+: |\n  [^\n]+: |: (unknown |its |the task's name )"
    r"|: (no experiment is (active|named)|\S+ is not a list of names)"
    r"|must contain a mapping|has more than [0-9,]+ bytes|local place|cannot be read"
    r"| is (a|the copy of a checked) (study|task file|Snakemake profile)[,;]?"
)


def check_message(error: UserError) -> None:
    text = str(error)
    lines = text.split("\n")
    assert len(text) <= 2400
    assert sum(max(1, -(-len(line) // 120)) for line in lines) <= 24
    assert all(map(str.isprintable, lines))
    assert "Traceback" not in text
    assert not JARGON.search(text), text
    assert len(text) > 20
    assert PLACE.search(text), text


def said(*arguments: str) -> str:
    """What a command of `junkdna` prints."""
    args = main.parser().parse_args([*arguments])
    with contextlib.redirect_stdout(io.StringIO()) as out:
        args.run(args)
    return out.getvalue()


def check_accepted(resolved: Resolved) -> None:
    """Everything that Snakemake asks of a study before the first job."""
    cells = grid.all_cells(resolved)
    assert cells
    assert all(parse_cell_path(cell.path) == cell for cell in cells)
    check_sources(resolved)
    folder = f"results/studies/{resolved.study.study}"
    names = [*inputs.figure_files(resolved, folder), inputs.study_file(resolved, folder)]
    names += [cell.path for cell in cells]
    for cell in cells:
        names += inputs.wheel_of_model(resolved, cell.model)
    for task, role in used_examples(cells, resolved):
        names += inputs.wheel_of_task(resolved, task, role)
    for name in names:
        assert max(map(len, map(os.fsencode, name.split("/")))) <= 255
        assert ".." not in name.split("/")


def check(read, study_file: Path | None = None) -> None:
    """`read` gives a study that works, or one screen."""
    with bounded():
        try:
            resolved = read()
            COUNTS["valid"] += 1
            check_accepted(resolved)
            if study_file is not None:
                for command in (["plan"], ["plan", "--commands"], ["status"]):
                    assert said(*command, "--study", str(study_file))
            COUNTS["valid and all its places there"] += 1
        except UserError as error:
            COUNTS["refused"] += 1
            check_message(error)


@pytest.fixture(scope="module", autouse=True)
def _count() -> Iterator[None]:
    COUNTS.clear()
    yield
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stderr.write(f"{dict(COUNTS)}, at most {peak_gb:.1f} GB\n")
    assert peak_gb < 3
    if COUNTS.total() > EXAMPLES:  # else only some of the tests were asked for
        assert COUNTS["valid and all its places there"] > EXAMPLES / 20
        assert COUNTS["refused"] > EXAMPLES / 20


def dumped(tree: dict) -> str:
    try:
        return yaml.dump(tree, Dumper=toy._Plain, sort_keys=False, allow_unicode=True)
    except ValueError:  # a number of more digits than Python writes
        return "a: " + "9" * 5000


# --- what was found once ----------------------------------------------------------------------------------------------

MANY = {f"k{number}": number for number in range(3000)}
RECURSIVE: list = []
RECURSIVE.append(RECURSIVE)
LOOP = "experiments|context"
NO_PASSAGE = {key: value for key, value in toy.CHOICE_TASK["columns"].items() if key not in ("passage", "require")}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (f"{LOOP}|seeds", list(range(10**5)), "experiments.context has 800,000 combinations"),
        (f"{LOOP}|seeds", "0..1000000000", "experiments.context.seeds: must be a list (given: '0..1000000000')"),
        (f"{LOOP}|seeds", [10**5000], "experiments.context.seeds.0: a whole number of more than 64 bits"),
        (f"{LOOP}|title", "\ud800", "experiments.context.title: "),
        (f"{LOOP}|title", "\x1b[2J", "experiments.context.title: "),
        (f"{LOOP}|title", RECURSIVE, "experiments.context.title.0.0.0"),
        (f"{LOOP}|title", mutations.NESTED, "nested more than 40 levels deep"),
        (f"{LOOP}|knobs|context", ["none", 10**10], "experiments.context.knobs.context.1: must be at most 1000000000"),
        (f"{LOOP}|compressions|0|method", "x" * 400_000, "unknown compression method 'xxx"),
        ("models|\n touch PWNED", {}, "models.'\\n touch PWNED': this name may contain letters"),
        ("models|\ud800", {}, "models."),
        ("models", MANY, "models.k0: "),
        ("run", ["a" * 80 + str(number) for number in range(2000)], "run: unknown experiment"),
        ("protocols", {"default": {"epochs": 10**9}}, "protocols.default.epochs: "),
    ],
)
def test_studies_that_once_broke_something(world, path, value, says):
    tree = changed(toy.STUDY, path, value)
    with bounded(), pytest.raises(UserError) as caught:
        inputs.load_for_workflow(tree)
    check_message(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("columns|extract", {"q": "a{99999999999}"}, "columns.extract: extract q: 'a{99999999999}' is not a regular"),
        ("columns|extract", {"q": "(" * 500 + ")" * 500}, "is not a regular expression"),
        ("columns|answer", 4, "columns: answer 4 must be the position of a choice, 0 to 3"),
        ("columns|answer", -1, "0 to 3"),
        ("sources|local|columns", NO_PASSAGE, "context passage, but source local has no passages"),
        ("limits", {"evaluate": 10**12}, "limits.evaluate: "),
        ("title", "two\nlines", "title: "),
    ],
)
def test_tasks_that_once_broke_something(world, path, value, says):
    toy.write_yaml(Path("tasks/colours.yaml"), changed(toy.CHOICE_TASK, path, value))
    with bounded(), pytest.raises(UserError) as caught:
        load_study(Path("config.yaml"))
    check_message(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("text", [one for one in mutations.SNIPPETS if len(one) > 40], ids=lambda text: text[:20])
def test_files_that_would_fill_memory_or_run_something(world, text):
    for content in (text, b"study: x\n" + text, b"study: " + text, b"study: x\na:\n- " + text):
        Path("fuzzed.yaml").write_bytes(content)
        with bounded(), pytest.raises(UserError) as caught:
            load_study(Path("fuzzed.yaml"))
        check_message(caught.value)


# --- anything at all --------------------------------------------------------------------------------------------------


@fuzz("study trees")
@given(change=mutations.changed_tree(mutations.studies()), through_snakemake=st.booleans())
def test_changed_studies(world, change, through_snakemake):
    _, tree = change
    if through_snakemake and "study" in tree and "models" in tree:
        check(lambda: inputs.load_for_workflow(copy.deepcopy(tree)))
        return
    file = Path("fuzzed.yaml")
    file.write_bytes(dumped(tree).encode(errors="surrogatepass"))
    check(lambda: load_study(file), file)


@fuzz("study texts")
@given(change=mutations.changed_text({name: dumped(tree).encode() for name, tree in mutations.studies().items()}))
def test_changed_study_texts(world, change):
    file = Path("fuzzed.yaml")
    file.write_bytes(change[1])
    check(lambda: load_study(file), file)


TASKS = mutations.tasks()


def check_task(name: str, content: bytes) -> None:
    Path("tasks/fuzzed.yaml").write_bytes(content)
    toy.write_yaml(Path("fuzzed.yaml"), mutations.study_of(TASKS[name], "tasks/fuzzed.yaml"))
    check(lambda: load_study(Path("fuzzed.yaml")), Path("fuzzed.yaml"))


@fuzz("task trees")
@given(change=mutations.changed_tree(TASKS))
def test_changed_tasks(world, change):
    check_task(change[0], dumped(change[1]).encode(errors="surrogatepass"))


@fuzz("task texts")
@given(change=mutations.changed_text({name: dumped(tree).encode() for name, tree in TASKS.items()}))
def test_changed_task_texts(world, change):
    check_task(*change)


@fuzz("overrides")
@given(key=st.sampled_from(mutations.KEYS), value=st.sampled_from(mutations.SCALARS))
def test_overrides_of_any_type(world, key, value):
    check(lambda: inputs.load_for_workflow({key: copy.deepcopy(value)}))

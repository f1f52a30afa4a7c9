"""Names of logs on the command line: what they say of the compression."""

from pathlib import Path

import pytest

from junkdna.errors import UserError
from junkdna.grade.names import Run, close_names, runs, source
from junkdna.study.methods import METHODS, with_methods


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some logs, as the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "Llama-3 8B (AWQ)", "wanda-0.5", "x=y"):
        (tmp_path / name).mkdir()
    (tmp_path / "table.csv").touch()
    return tmp_path


def named(*words: str) -> list[Run]:
    return runs([source(word) for word in words])


def found(*words: str) -> list[tuple[str, int]]:
    return [(run.compression.tag, run.seed) for run in named(*words)]


def test_method_and_level(logs: Path) -> None:
    names = ("wanda-0.5", "nm-keep2of4", "gptq-4bit", "svd-rank0.25", "awq-4bit", "GPTQ-3bit")
    assert found(*(f"{name}=a" for name in names)) == [(name.lower(), 0) for name in names]


def test_what_is_known_of_a_method(logs: Path) -> None:
    """Runs of calibrated methods differ, those of magnitude pruning do not; of other tools' methods it is unknown. A
    name says nothing of options, such as the groups of GPTQ."""
    known = {run.method.name: run.method for run in named("gptq-4bit=a", "magnitude-0.5=a", "awq-4bit=a", "mine=a")}
    assert [name for name, method in known.items() if method.random] == ["gptq", "awq"]
    assert all({*method.options} == {"layers"} for method in known.values())  # as of every method
    assert known["gptq"].label == METHODS["gptq"].label == "GPTQ"
    with with_methods(known.values()):
        assert METHODS["awq"].label == "awq"
        assert not METHODS["gptq"].function_options
    assert "awq" not in METHODS
    assert METHODS["gptq"].function_options


def test_a_name_close_to_that_of_a_method_is_noted(logs: Path) -> None:
    mistyped = named("wand-0.5=a", "wand-0.7=x=y", "awq-4bit=a", "wanda-0.3=a", "pruned=x=y")
    assert close_names(mistyped) == ["wand is no method of this package; did you mean wanda?"]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("magnitude-30", "write magnitude-0.3, with"),
        ("Wanda-2of4", "write wanda-0.3 or wanda-keep2of4, with"),
        ("gptq-4", "write gptq-4bit, with"),
        ("magnitude", None),
        ("my-30", None),
    ],
)
def test_a_method_without_a_level_of_it_is_noted(logs: Path, name: str, write: str | None) -> None:
    """magnitude-30 is probably 30 %, and would only be a name."""
    assert [write in note for note in close_names(named(f"{name}=a"))] == ([True] if write else [])


def test_other_names_are_checkpoints_of_unknown_compression(logs: Path) -> None:
    assert found("mine=a", "Llama-3 8B (AWQ)", "table.csv") == [
        ("checkpoint-from-mine", 0), ("checkpoint-from-Llama-3-8B-AWQ", 0), ("checkpoint-from-table", 0),
    ]  # fmt: skip


def test_only_a_given_name_says_a_level(logs: Path) -> None:
    """A folder called wanda-0.5 may be a model of half a billion parameters."""
    assert found("wanda-0.5") == [("checkpoint-from-wanda-0.5", 0)]


def test_a_path_with_an_equals_sign(logs: Path) -> None:
    assert found("x=y") == [("checkpoint-from-x-y", 0)]


def test_one_name_for_several_logs_means_seeds(logs: Path) -> None:
    assert found("wanda-0.5=a", "wanda-0.5=table.csv", "wanda-0.6=a") == [
        ("wanda-0.5", 0), ("wanda-0.5", 1), ("wanda-0.6", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("magnitude-0.5=a", "magnitude-0.5=table.csv"), "does not depend on a seed"),
        (("mine=a", "mine=table.csv"), "two logs are called 'mine'"),
        (("gptq-0.5=a",), "gptq takes no level of this kind (sparsity; it takes bits"),
        (("checkpoint-0.5=a",), "takes no level of this kind"),
        (("mine=nowhere",), "'nowhere' does not exist"),
        (("wanda-0.5=a", "wanda-0.5=./a"), "is given twice"),
    ],
)
def test_refused(logs: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as raised:
        found(*words)
    assert message in str(raised.value)

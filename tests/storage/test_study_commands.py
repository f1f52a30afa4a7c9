"""Commands in messages: they name the study, can be pasted into a shell, and give Snakemake the same values."""

import shlex
from pathlib import Path

import pytest
import toy
import toy_run
from snakemake.cli import parse_config

from junkdna.cli.main import parser
from junkdna.cli.table_jobs import study as keep_study
from junkdna.errors import UserError
from junkdna.storage.study_commands import StudyCommands, config_words, in_folder
from junkdna.study.load import load_study, study_document

VALUES = [
    4, -1, 0.5, 1e-5, True, False, None, "text", "a/b-c.yaml", "12", "1e5", "True", "False", "None", "nan", "Infinity",
    "a: b", "x y", "it's", 'say "so"', "[a]", "{a", "#x", "~/x", "$HOME", "ä.yaml", "a=b", ["a", "b c"], [], {"a": "1"},
    {"a": {"b": ["1", "x: y"]}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_snakemake_reads_back_the_value_of_a_key(value: object) -> None:
    line = shlex.join(["snakemake", *config_words({"key_a": value, "other": "x"})])
    _, option, *entries = shlex.split(line)
    assert option == "--config"
    assert parse_config(entries) == {"key_a": value, "other": "x"}


@pytest.mark.parametrize("file", ["config.yaml", "./config.yaml", "my study.yaml", "/far/it's.yaml", "-x.yaml"])
def test_the_command_line_reads_back_the_study(file: str) -> None:
    for command in ("status", "plan", "fetch", "partial", "where", "doctor"):
        words = shlex.split(StudyCommands(file, ("a", "b")).junkdna(command))
        if file.startswith("-"):
            continue
        args = parser().parse_args(words[1:])
        assert Path(args.study) == Path(file)
        if command not in ("where", "doctor"):
            assert args.experiments == ["a", "b"]
    entries = shlex.split(StudyCommands(file, ("a",)).snakemake("--cores", "1", targets=["x y"]))
    assert entries[-2:] == ["--", "x y"]
    config = parse_config(entries[entries.index("--config") + 1 : -2])
    assert config == {"run": ["a"], **({} if Path(file) == Path("config.yaml") else {"study_file": file})}


def test_commands_go_to_their_folder() -> None:
    assert StudyCommands(folder="/my place").junkdna("where") == "cd '/my place' && junkdna where"
    assert in_folder("", "ls") == "ls"


def test_hints_name_the_study_they_are_about(world: Path) -> None:
    from junkdna.analysis.collect import collect
    from junkdna.cli.doctor import doctor, leftovers
    from junkdna.cli.plan import cells_like
    from junkdna.cli.status import status

    toy.write_yaml(Path("my study.yaml"), toy.STUDY)
    resolved = toy_run.read("my study.yaml")
    name = "--study 'my study.yaml'"
    with pytest.raises(UserError) as stale:
        collect(resolved)
    assert f"`junkdna status --stale {name} | xargs -r rm`" in str(stale.value)
    assert f"`junkdna partial {name}`" in str(stale.value)
    with pytest.raises(UserError) as unknown:
        cells_like(resolved, "nothing")
    assert f"`junkdna plan --list {name}`" in str(unknown.value)
    assert any(f"`junkdna plan {name}`" in line for line in status(resolved))
    lines, _ = doctor(Path("my study.yaml"))
    assert all("`snakemake" not in line or "my study.yaml" in line for line in lines)  # in ticks: a command
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    assert any("study_file=" in text and "--unlock" in text for _, text in leftovers(resolved.commands))


def test_a_kept_study_is_read_like_the_file_it_came_from(world: Path) -> None:
    resolved = load_study(Path("config.yaml"), {"bootstrap": 300, "run": ["modes"]})
    kept = Path("kept/study-1.json")
    keep_study(kept, study_document(resolved))
    again = load_study(kept)
    assert study_document(again) == study_document(resolved)
    assert again.commands.junkdna("status") == "junkdna status --study kept/study-1.json"
    assert list(load_study(kept, {"experiments": ["context"]}).study.active()) == ["context"]
    with pytest.raises(UserError, match="unknown experiment"):
        load_study(kept, {"experiments": ["contxt"]})
    kept.write_text('{"study": {}, "tasks": {}}')
    with pytest.raises(UserError):
        load_study(kept)
    Path("plain.json").write_text(Path("config.yaml").read_text())
    assert study_document(load_study(Path("plain.json"))) == study_document(load_study(Path("config.yaml")))

"""Errors on the command line of `junkdna`: one line with close names, and the help command."""

import json
import re

import pytest

from junkdna.cli import job_commands
from junkdna.cli.main import parser
from junkdna.errors import UserError


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("plann", "junkdna: unknown command 'plann'. Did you mean plan? Valid: plan, status, "),
        ("qqq", "junkdna: unknown command 'qqq'. Valid: plan, status, "),
        ("", "junkdna: the following arguments are required: COMMAND.\nHelp: junkdna --help"),
        ("plan --stduy x", "junkdna plan: unknown option '--stduy'. Did you mean --study"),
        ("plan --stduy=x", "junkdna plan: unknown option '--stduy'. Did you mean --study"),
        ("plan more words", "junkdna plan: unexpected arguments 'more words'.\nHelp: junkdna plan --help"),
        ("task sho x", "junkdna task: unknown action 'sho'. Did you mean show? Valid: show."),
        ("task show x --model m --protcol p", "junkdna task show: unknown option '--protcol'. Did you mean --protocol"),
        ("task show x --model m --n many", "junkdna task show: --n must be a whole number, but is 'many'."),
        ("status --watch soon", "--watch: soon must be a number of seconds from 0.1 to 86400."),
        ("status --watch 0", "--watch: 0 must be a number of seconds from 0.1 to 86400."),
        ("cell out --settings {} --gpus one", "junkdna cell: --gpus must be a whole number, but is 'one'."),
    ],
)
def test_a_mistake_is_one_line(capsys, line, says):
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(line.split())
    text = capsys.readouterr().err
    assert caught.value.code == 2
    assert says in text
    assert "usage:" not in text
    assert "_seconds" not in text
    assert len(text.splitlines()) == 2


def test_help_lists_commands_for_people_before_those_of_rules():
    people, rules = parser().format_help().split("commands that Snakemake's rules run")
    listed = re.findall(r"(?m)^    (\w+)  ", people)
    assert {"plan", "status", "doctor", "fetch", "partial", "where", "tasks", "task"} <= {*listed}
    assert not {*listed} & {*job_commands.HELP}
    assert re.findall(r"(?m)^  (\w+) ", rules) == [*job_commands.HELP]


def test_correct_arguments_are_parsed():
    args = parser().parse_args(["plan", "--study", "a.yaml", "--experiments", "x", "y"])
    assert (args.command, str(args.study), args.experiments) == ("plan", "a.yaml", ["x", "y"])


@pytest.mark.parametrize("command", ["wheel", "examples", "tokenize", "calibration", "compress", "cell", "study"])
def test_settings_of_another_command_are_named(command, tmp_path):
    files = ["--model", "m.json"] if command in ("tokenize", "calibration", "compress") else []
    files += ["--examples", "e.parquet"] if command == "tokenize" else []
    args = parser().parse_args([command, str(tmp_path / "out"), *files, "--settings", '{"version": 2}'])
    with pytest.raises(
        UserError, match=rf"--settings: the key \w+ is missing.* not the settings of `junkdna {command}`.*snakemake"
    ):
        args.run(args)
    assert not list(tmp_path.iterdir())


COMPRESS = {
    "version": 3, "model": "m", "model_kind": "decoder", "model_dtype": "float32", "compression": "wanda-0.5",
    "options": {}, "seed": 0, "inputs": {"model": "0"}, "code": "0",
}  # fmt: skip


TOKENIZE = {
    "version": 3, "task": "t", "role": "train", "kind": "choice", "model_kind": "decoder", "format": "cloze",
    "knobs": [], "knob_defaults": {}, "max_length": 8, "inputs": {}, "code": "0",
}  # fmt: skip
SCORING = {"length_normalization": "none", "dtype": "float32"}
CELL = {
    "version": 3, "cell": "c", "kind": "choice", "metric": "accuracy", "classes": [], "format": "cloze",
    "model_kind": "decoder", "model_dtype": "float32", "options": {}, "inputs": {}, "code": "0", "scoring": SCORING,
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "settings", "says"),
    [
        (
            "wheel",
            {"wheel": "a", "version": "1", "filename": "a.whl", "sha265": "0"},
            "unknown key 'sha265'. Did you mean",
        ),
        ("model", {"locale": "folder"}, "unknown key 'locale'. Did you mean 'local'"),
        (
            "model",
            {"local": "folder", "hub": "a/b"},
            "exactly one of wheel, local, hub (given: local: folder, hub: a/b)",
        ),
        ("compress", COMPRESS | {"seed": "0"}, "--settings: seed: '0' must be a whole number"),
        ("compress", COMPRESS | {"seeds": 0}, "--settings: unknown key 'seeds'. Did you mean 'seed'"),
        ("compress", {key: value for key, value in COMPRESS.items() if key != "inputs"}, "the key inputs is missing"),
        ("tokenize", TOKENIZE | {"max_lenght": 8}, "--settings: unknown key 'max_lenght'. Did you mean 'max_length'"),
        ("tokenize", TOKENIZE | {"max_length": "8"}, "--settings: max_length: '8' must be a whole number"),
        ("tokenize", {**TOKENIZE, "format": None}, "--settings: format: None must be a text"),
        ("cell", CELL | {"choice": "cloze"}, "--settings: unknown key 'choice'"),
        ("cell", CELL | {"training": {"epochs": 1}}, "--settings: training: the key batch_size is missing"),
        ("cell", CELL | {"scoring": SCORING | {"dtype": "half"}}, "'half' must be 'float32' or 'bfloat16'"),
        ("cell", {key: value for key, value in CELL.items() if key != "format"}, "the key format is missing"),
    ],
)
def test_a_wrong_key_of_settings_is_named(command, settings, says, tmp_path):
    files = ["--model", "m.json"] if command in ("compress", "tokenize") else []
    files += ["--examples", "e.parquet"] if command == "tokenize" else []
    args = parser().parse_args([command, str(tmp_path / "out"), *files, "--settings", json.dumps(settings)])
    with pytest.raises(UserError) as caught:
        args.run(args)
    assert says in str(caught.value)
    assert f"These are not the settings of `junkdna {command}`." in str(caught.value)

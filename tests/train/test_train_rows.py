"""Rows that are not usable for training are refused before the first step."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from job_settings import training_settings
from toy_training import NAMES, load, loss_of, training, with_columns

from junkdna.errors import UserError
from junkdna.study.formats import FORMATS
from junkdna.train.finetune import fine_tune
from junkdna.train.train_rows import check_rows, read_columns

KEY = ("mood", 0)


@pytest.fixture(scope="module")
def folder(toy_world_once: Path) -> Path:
    return toy_world_once / "model"


ABSENT = None  # the whole column; else {row: value}
BAD = {
    "no rows": ("classifier", "answer", [], "There are no train rows"),
    "no answers": ("classifier", "answer", ABSENT, r"answer format classifier needs the columns answer, .* lack"),
    "no targets": ("regressor", "target", ABSENT, r"answer format regressor needs the columns target, .* kind"),
    "no options": ("cross_encoder", "options", ABSENT, r"answer format cross_encoder needs the columns options"),
    "null answer": ("classifier", "answer", {3: None}, r"1 of 20 .* row 3 \(from 0\): no answer"),
    "null text": ("bi_encoder", "query", {0: None, 4: None}, r"2 of 20 .* row 0 .*: no query"),
    "empty text": ("regressor", "query", {19: []}, r"row 19 .*: no query"),
    "null target": ("regressor", "target", {1: None}, r"row 1 .*: no target"),
    "nan target": ("regressor", "target", {1: float("nan")}, r"target nan is not a finite number"),
    "unknown class": ("classifier", "answer", {2: 2}, r"row 2 .*: answer 2 is not one of 2 classes"),
    "negative answer": ("bi_encoder", "answer", {2: -1}, r"answer -1 is not one of 4 options"),
    "answer past the options": ("cross_encoder", "answer", {0: 2}, r"answer 2 is not one of 2 options"),
    "one option": ("bi_encoder", "options", {5: [[7, 8]]}, r"at least two options .* \[2\] tokens"),
    "empty option": ("bi_encoder", "options", {5: [[7], []]}, r"at least one token each, .* \[1, 0\] tokens"),
    "null option": ("bi_encoder", "options", {5: [[7], None]}, r"at least one token each, .* \[1, 0\] tokens"),
    "no choices": ("mcq", "options", ABSENT, r"answer format mcq needs the columns options"),
    "nothing to predict": ("cloze", "option_starts", {0: [9, 9]}, r"an answer of \d tokens, of which 9 are not"),
    "no written answer": ("generate", "options", {7: None}, r"row 7 .*: no options"),
    "empty written answer": ("generate", "options", {1: [[]]}, r"an answer of 0 tokens, of which 1 are not predicted"),
    "nothing before": ("generate", "query", {0: []}, r"row 0 .*: no token precedes the answer"),
    "letter past the options": ("mcq", "answer", {0: 2}, r"answer 2 is not one of 2 options"),
    "null options": ("cross_encoder", "options", {5: None}, r"row 5 .*: no options"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_rows_stop_before_training(folder, case):
    name, column, change, message = BAD[case]
    data = training(name, rows=0 if change == [] else 20)
    if isinstance(change, dict):
        change = [change.get(row, value) for row, value in enumerate(data.columns[column])]
    model, _ = load(folder, name, ("tiny", *KEY))
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    with pytest.raises(UserError, match=message):
        fine_tune(model, [], {}, "dense", with_columns(data, **{column: change}), training_settings(), KEY)
    assert all(torch.equal(before[key], p) for key, p in model.named_parameters())


def test_an_unknown_format_gives_close_names():
    with pytest.raises(UserError, match=r"unknown answer format 'bi_encodr'. Did you mean 'bi_encoder'"):
        check_rows(training("bi_encodr"), 2)


def test_a_format_that_cannot_be_trained_is_refused(monkeypatch):
    monkeypatch.setitem(FORMATS, "cloze", replace(FORMATS["cloze"], training="none"))
    with pytest.raises(
        UserError, match=r"answer format cloze cannot be trained \(only bi_encoder, .* can\)\. Use transfer: none"
    ):
        check_rows(training("cloze"), 2)


def test_windows_of_a_text_have_no_prompt():
    rows = training("likelihood", rows=2)
    check_rows(with_columns(rows, query=[[], []], option_starts=[[1], [1]], options=[[[5, 6, 7]], [[8, 9]]]), 2)


def test_columns_that_are_not_read_may_be_missing(folder):
    for name in NAMES:
        data = training(name)
        bare = replace(data, columns={column: data.columns[column] for column in read_columns(name)})
        check_rows(bare, 2)
        assert len(bare) == 20
        assert loss_of(load(folder, name, KEY)[0], bare, [0, 1]).isfinite()

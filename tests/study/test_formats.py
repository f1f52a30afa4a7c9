"""Declarations of answer formats: what serves what, and what their files import."""

import ast
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from junkdna.storage.fingerprint import PACKAGE, imported_modules
from junkdna.study import formats
from junkdna.study.formats import FORMATS, Format, Kind, ModelKind, format_of, picks, tokens_format

WANTED = {  # kind, model, trained: the format, where the protocol picks nothing
    ("choice", "encoder", False): "bi_encoder",
    ("choice", "encoder", True): "bi_encoder",
    ("classify", "encoder", True): "classifier",
    ("pair", "encoder", True): "classifier",
    ("regress", "encoder", True): "regressor",
    ("choice", "decoder", False): "cloze",
    ("classify", "decoder", False): "cloze",
    ("pair", "decoder", False): "cloze",
    ("classify", "decoder", True): "classifier",
    ("pair", "decoder", True): "classifier",
    ("regress", "decoder", True): "regressor",
    ("choice", "decoder", True): "cloze",
    ("generate", "decoder", False): "generate",
    ("generate", "decoder", True): "generate",
    ("likelihood", "decoder", False): "likelihood",
    ("likelihood", "decoder", True): "likelihood",
}
DEFAULT = {"encoder": "bi_encoder", "decoder": "cloze"}


def test_the_default_format_of_every_kind_of_task_and_model():
    for kind, model, trained in product(get_args(Kind), get_args(ModelKind), (False, True)):
        assert format_of(kind, model, DEFAULT[model], trained) == WANTED.get((kind, model, trained))


def test_a_protocol_picks_the_format_of_choices_alone():
    assert picks("encoder") == ("bi_encoder", "cross_encoder")
    assert picks("decoder") == ("cloze", "mcq")
    assert format_of("choice", "encoder", "cross_encoder", trained=True) == "cross_encoder"
    assert format_of("choice", "encoder", "cross_encoder", trained=False) is None
    assert format_of("choice", "decoder", "mcq", trained=False) == "mcq"
    assert format_of("choice", "decoder", "mcq", trained=True) == "mcq"
    assert format_of("classify", "decoder", "mcq", trained=False) == "cloze"


def test_cells_with_and_without_training_share_tokens():
    assert tokens_format("classify", "decoder", "cloze") == "cloze"
    assert tokens_format("classify", "encoder", "bi_encoder") == "classifier"
    assert tokens_format("choice", "encoder", "cross_encoder") == "cross_encoder"
    assert tokens_format("generate", "encoder", "bi_encoder") is None


def test_two_defaults_for_one_kind_are_a_mistake(monkeypatch):
    monkeypatch.setitem(FORMATS, "other", FORMATS["generate"])
    with pytest.raises(ValueError, match="formats generate, other are all the default of a decoder for generate"):
        format_of("generate", "decoder", "cloze", trained=False)


def test_language_models_add_no_head():
    assert [name for name, each in FORMATS.items() if each.is_language_model] == [
        "cloze", "generate", "likelihood", "mcq"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ("encodr",)}, r"answer format 'X': models 'encodr' is not one of \('encoder', 'decoder'\)"),
        ({"picked_for": ("choices",)}, "picked_for 'choices' is not one of"),
        ({"training": "yes"}, "training 'yes' is not one of"),
    ],
)
def test_a_declaration_with_a_wrong_word_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Format(**{"label": "X", "meaning": "", "models": ("encoder",), "columns": (), "modules": (), **change})


@pytest.mark.parametrize("name", FORMATS)
def test_modules_are_those_that_the_functions_import(name):
    file = Path(PACKAGE, "evaluate/formats", f"{name}.py")
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    imported = {*imported_modules(node for function in functions for node in ast.walk(function))}
    assert {*FORMATS[name].modules, FORMATS[name].loss_module} - {""} == imported - {"junkdna.evaluate"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_a_loss_exactly_where_it_can_be_trained(name):
    trains = FORMATS[name].training != "none"
    assert hasattr(formats.load(name), "batch") == trains
    for function in ("outputs", "loss"):
        assert hasattr(formats.load_loss(name), function) == trains
        assert not (FORMATS[name].loss_module and hasattr(formats.load(name), function)), "two definitions"

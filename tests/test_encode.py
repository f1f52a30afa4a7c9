"""Encoding: what is kept when a query is cut, where the second segment begins, and that options stand alone."""

from pathlib import Path

import pyarrow as pa
import pytest
import toy

from junkdna.encode import SCHEMA, encode, read_tokens, write_tokens
from junkdna.errors import UserError
from junkdna.tasks.load import SCHEMA as EXAMPLES


@pytest.fixture(scope="module")
def tokenizer(toy_world_once):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(toy_world_once / "model")


@pytest.fixture(scope="module")
def bare_tokenizer():
    """A tokenizer like those of many decoders: it adds no special tokens, and a space belongs to its word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*toy.WORDS, "Question:", "Answer:", *(f"\u2581{word}" for word in (*toy.WORDS, "Question:", "Answer:"))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")


def table(*rows: dict) -> pa.Table:
    blank = {"split": "evaluate", "text_b": None, "passage": None, "choices": None, "answer": 0}
    return pa.Table.from_pylist([{**blank, "id": str(i), **row} for i, row in enumerate(rows)], schema=EXAMPLES)


def settings(kind: str = "classify", model_kind: str = "encoder", **more: object) -> dict:
    base = {"kind": kind, "model_kind": model_kind, "max_length": 64, "knobs": [], "knob_defaults": {}, "task": "t"}
    return {**base, "prompt": "{passage}Question: {text}\nAnswer:", **more}


LONG = " ".join(["the red fox sees a tree ."] * 5)  # 35 tokens


# --- encoders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_length", [8, 12, 16, 36])
def test_special_tokens_stay_when_a_text_is_cut(tokenizer, max_length):
    found = encode(table({"text": LONG}, {"text": "a good day"}), tokenizer, settings(max_length=max_length))
    query = found["query"][0].as_py()
    assert len(query) == max_length
    assert query == tokenizer(LONG, truncation=True, max_length=max_length)["input_ids"]
    assert (query[0], query[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert found["truncated"].to_pylist() == [True, False]
    assert found["query"][1].as_py() == tokenizer("a good day")["input_ids"]


def test_truncation_starts_one_token_above_the_limit(tokenizer):
    n = len(tokenizer(LONG)["input_ids"])
    for max_length, cut in ((n + 1, False), (n, False), (n - 1, True)):
        found = encode(table({"text": LONG}), tokenizer, settings(max_length=max_length))
        assert found["truncated"].to_pylist() == [cut]
        assert len(found["query"][0]) == min(n, max_length)


@pytest.mark.parametrize("field", ["text_b", "passage"])
def test_the_second_segment_begins_where_the_tokenizer_says(tokenizer, field):
    pairs = [("the fox", "a good day ."), ("the red tree is good", "a"), ("river", LONG)]
    found = encode(table(*({"text": a, field: b} for a, b in pairs)), tokenizer, settings())
    for i, (first, second) in enumerate(pairs):
        code = tokenizer(first, second, return_token_type_ids=True)
        query, start = found["query"][i].as_py(), found["second_start"][i].as_py()
        assert query == code["input_ids"]
        assert [int(k >= start) for k in range(len(query))] == code["token_type_ids"]


def test_a_single_text_has_no_second_segment(tokenizer):
    found = encode(table({"text": "the fox"}, {"text": LONG}), tokenizer, settings(max_length=9))
    assert found["second_start"].to_pylist() == [len(query) for query in found["query"].to_pylist()] == [4, 9]


@pytest.mark.parametrize("max_length", range(8, 20))
def test_the_second_segment_of_a_cut_pair_never_begins_behind_the_query(tokenizer, max_length):
    first = "the red fox sees a tree"
    found = encode(table({"text": first, "text_b": LONG}), tokenizer, settings(max_length=max_length))
    query, start = found["query"][0].as_py(), found["second_start"][0].as_py()
    assert len(query) == max_length
    assert start == min(8, max_length)
    assert query[:start] == tokenizer(first)["input_ids"][:start]


def test_the_second_text_goes_before_the_passage(tokenizer):
    found = encode(table({"text": "fox", "text_b": "tree", "passage": "river"}), tokenizer, settings())
    assert found["query"][0].as_py() == tokenizer("fox", "tree")["input_ids"]


def test_a_choice_query_is_one_text_with_its_passage(tokenizer):
    rows = table({"text": "what colour is the fox ?", "passage": "the fox is red", "choices": ["red", "blue"]})
    found = encode(rows, tokenizer, settings("choice"))
    assert found["query"][0].as_py() == tokenizer("what colour is the fox ? the fox is red")["input_ids"]
    assert found["second_start"][0].as_py() == len(found["query"][0])
    assert found["query"][0].as_py().count(tokenizer.sep_token_id) == 1


def test_an_empty_text_is_encoded_and_not_dropped(tokenizer):
    found = encode(table({"text": ""}, {"text": "", "passage": "the fox"}), tokenizer, settings())
    assert found["query"].to_pylist() == [tokenizer("")["input_ids"], tokenizer("", "the fox")["input_ids"]]


def test_each_option_equals_tokenising_it_alone(tokenizer):
    rows = [
        {"text": "what ?", "choices": choices} for choices in (["red", "the blue fox", "green"], ["red", "a day ."])
    ]
    found = encode(table(*rows), tokenizer, settings("choice"))
    for i, row in enumerate(rows):
        assert found["options"][i].as_py() == [tokenizer(option)["input_ids"] for option in row["choices"]]
    assert found["option_characters"].to_pylist() == [[3, 12, 5], [3, 7]]


def test_options_are_null_for_classes(tokenizer):
    found = encode(table({"text": "fox", "answer": 1}), tokenizer, settings())
    assert found["options"].to_pylist() == found["option_characters"].to_pylist() == [None]
    assert found.schema.equals(SCHEMA)
    assert found.select(["id", "split", "answer"]).to_pylist() == [{"id": "0", "split": "evaluate", "answer": 1}]


# --- decoders ---------------------------------------------------------------------------------------------------------

ASKED = {"text": "what colour is the fox ?", "passage": LONG, "choices": ["red", "the blue fox"]}
PROMPT = f"{LONG}\nQuestion: what colour is the fox ?\nAnswer:"


@pytest.mark.parametrize("max_length", [9, 16, 30])
def test_a_cut_prompt_keeps_the_end_of_the_question(bare_tokenizer, max_length):
    whole = bare_tokenizer(PROMPT)["input_ids"]
    found = encode(table(ASKED), bare_tokenizer, settings("choice", "decoder", max_length=max_length))
    assert found["query"][0].as_py() == whole[-max_length:]
    assert found["truncated"].to_pylist() == [True]
    assert found["second_start"].to_pylist() == [max_length]


def test_a_cut_prompt_keeps_the_first_special_token(tokenizer):
    whole = tokenizer(PROMPT)["input_ids"]
    query = encode(table(ASKED), tokenizer, settings("choice", "decoder", max_length=16))["query"][0].as_py()
    assert query == [tokenizer.cls_token_id, *whole[-15:]]


def test_prompts_that_fit_are_left_alone(bare_tokenizer):
    plain = {**ASKED, "passage": None}
    found = encode(table(ASKED, plain), bare_tokenizer, settings("choice", "decoder"))
    assert found["query"].to_pylist() == [
        bare_tokenizer(PROMPT)["input_ids"],
        bare_tokenizer("Question: what colour is the fox ?\nAnswer:")["input_ids"],
    ]
    assert found["truncated"].to_pylist() == [False, False]


def test_a_decoders_option_begins_with_a_space_and_has_no_special_tokens(tokenizer, bare_tokenizer):
    for one in (tokenizer, bare_tokenizer):
        found = encode(table(ASKED), one, settings("choice", "decoder"))
        alone = [one(f" {option}", add_special_tokens=False)["input_ids"] for option in ASKED["choices"]]
        assert found["options"][0].as_py() == alone
    assert bare_tokenizer("red")["input_ids"] != alone[0]  # the space is part of the word here
    assert found["option_characters"].to_pylist() == [[3, 12]]


def test_the_prompt_of_the_task_is_used_and_values_with_braces_are_text(bare_tokenizer):
    prompt = "{passage}{text} {{red}} {text_b}"
    rows = table({"text": "{fox}", "text_b": "tree", "choices": ["red", "blue"]})
    found = encode(rows, bare_tokenizer, settings("choice", "decoder", prompt=prompt))
    assert found["query"][0].as_py() == bare_tokenizer("{fox} {red} tree")["input_ids"]


# --- knobs, files -----------------------------------------------------------------------------------------------------


def test_knobs_go_before_their_defaults(tokenizer):
    rows = table({"text": "what ?", "passage": LONG, "choices": ["red", "blue", "green"], "answer": 2})
    defaults = {"context": "none", "options": 3}
    plain = encode(rows, tokenizer, settings("choice", knob_defaults=defaults))
    assert plain["query"][0].as_py() == tokenizer("what ?")["input_ids"]
    assert len(plain["options"][0]) == 3
    harder = encode(
        rows, tokenizer, settings("choice", knob_defaults=defaults, knobs=[["context", "passage"], ["options", 2]])
    )
    assert harder["query"][0].as_py() == tokenizer(f"what ? {LONG}")["input_ids"]
    kept, answer = harder["options"][0].as_py(), harder["answer"][0].as_py()
    assert len(kept) == 2
    assert kept[answer] == tokenizer("green")["input_ids"]
    with pytest.raises(UserError, match="options=4"):
        encode(rows, tokenizer, settings("choice", knobs=[["options", 4]]))


def test_round_trip_through_a_memory_mapped_file(tokenizer, tmp_path):
    rows = table(*({"text": LONG, "choices": ["red", "blue"], "answer": i % 2} for i in range(50)), {"text": "fox"})
    encoded = encode(rows, tokenizer, settings("choice", max_length=16))
    path = tmp_path / "deep" / "er" / "x.arrow"
    before = pa.total_allocated_bytes()
    write_tokens(encoded, path)
    found = read_tokens(path)
    if Path("/proc/self/maps").exists():
        assert str(path) in Path("/proc/self/maps").read_text()
    assert found.equals(encoded)
    assert found.schema.equals(SCHEMA)
    assert pa.total_allocated_bytes() - before < encoded.nbytes / 2  # mapped, not copied
    assert [file.name for file in path.parent.iterdir()] == ["x.arrow"]
    write_tokens(encoded.slice(0, 3), path)  # replaces the file; the old mapping still reads
    assert read_tokens(path).num_rows == 3
    assert found.equals(encoded)


def test_a_write_that_breaks_leaves_the_old_file(tokenizer, tmp_path, monkeypatch):
    path = tmp_path / "x.arrow"
    encoded = encode(table({"text": "fox"}), tokenizer, settings())
    write_tokens(encoded, path)
    before = path.read_bytes()

    class Broken:
        schema = encoded.schema

    with pytest.raises(TypeError):
        write_tokens(Broken(), path)
    assert path.read_bytes() == before

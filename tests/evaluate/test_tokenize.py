"""Encoding for encoders: what is kept when a text is cut, where segments begin, knobs, and the files."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import toy
import toy_tokenizers
from job_settings import token_settings
from tokenizers import processors

from junkdna.data.examples import SCHEMA as EXAMPLES
from junkdna.data.tokens_file import SCHEMA, read_tokens, write_tokens
from junkdna.errors import UserError
from junkdna.evaluate.tokenize import alike_options
from junkdna.evaluate.tokenize import tokenize_examples as tokenize
from junkdna.study.cell_settings import TokenSettings


@pytest.fixture(scope="module")
def tokenizer(toy_world_once):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(toy_world_once / "model")


def table(*rows: dict) -> pa.Table:
    blank = {"split": "evaluate", "answer": 0}
    numbered = ({"id": str(i), "position": i, **blank, **row} for i, row in enumerate(rows))
    return pa.Table.from_pylist(list(numbered), schema=EXAMPLES)


def settings(kind: str = "classify", picked: str = "", **more: object) -> TokenSettings:
    return token_settings(kind, "encoder", picked, **more)


def encoded(rows: pa.Table, tokenizer: object, settings: TokenSettings) -> pa.Table:
    return tokenize(rows, None, tokenizer, settings)


LONG = " ".join(["the red fox sees a tree ."] * 5)  # 35 tokens
FOX, TREE = "0af77dc847a92026", "3772490f916f9552"


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_length", [8, 12, 16, 36])
def test_special_tokens_stay_when_a_text_is_cut(tokenizer, max_length):
    found = encoded(table({"text": LONG}, {"text": "a good day"}), tokenizer, settings(max_length=max_length))
    query = found["query"][0].as_py()
    assert len(query) == max_length
    assert query == tokenizer(LONG, truncation=True, max_length=max_length)["input_ids"]
    assert (query[0], query[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert found["truncated"].to_pylist() == [True, False]
    assert found["query"][1].as_py() == tokenizer("a good day")["input_ids"]


def test_truncation_starts_one_token_above_the_limit(tokenizer):
    n = len(tokenizer(LONG)["input_ids"])
    for max_length, cut in ((n + 1, False), (n, False), (n - 1, True)):
        found = encoded(table({"text": LONG}), tokenizer, settings(max_length=max_length))
        assert found["truncated"].to_pylist() == [cut]
        assert len(found["query"][0]) == min(n, max_length)


@pytest.mark.parametrize("choice", ["bi_encoder", "cross_encoder"])
def test_nothing_is_longer_than_the_model_reads(tokenizer, choice):
    rows = table({"text": LONG, "choices": ["red", LONG]})
    for max_length, readable, limit in ((64, 16, 16), (12, 16, 12), (64, None, 64)):
        found = tokenize(rows, None, tokenizer, settings("choice", choice, max_length=max_length), readable)
        other = encoded(rows, tokenizer, settings("choice", choice, max_length=limit))
        assert found.equals(other)
        assert max(map(len, [found["query"][0].as_py(), *found["options"][0].as_py()])) <= limit


@pytest.mark.parametrize("field", ["text_b", "passage"])
def test_the_second_segment_begins_where_the_tokenizer_says(tokenizer, field):
    pairs = [("the fox", "a good day ."), ("the red tree is good", "a"), ("river", LONG)]
    found = encoded(table(*({"text": a, field: b} for a, b in pairs)), tokenizer, settings())
    for i, (first, second) in enumerate(pairs):
        code = tokenizer(first, second, return_token_type_ids=True)
        query, start = found["query"][i].as_py(), found["second_start"][i].as_py()
        assert query == code["input_ids"]
        assert [int(k >= start) for k in range(len(query))] == code["token_type_ids"]


def test_a_single_text_has_no_second_segment(tokenizer):
    found = encoded(table({"text": "the fox"}, {"text": LONG}), tokenizer, settings(max_length=9))
    assert found["second_start"].to_pylist() == [len(query) for query in found["query"].to_pylist()] == [4, 9]


@pytest.mark.parametrize("max_length", range(8, 20))
def test_the_second_segment_of_a_cut_pair_never_begins_behind_the_query(tokenizer, max_length):
    first = "the red fox sees a tree"
    found = encoded(table({"text": first, "text_b": LONG}), tokenizer, settings(max_length=max_length))
    query, start = found["query"][0].as_py(), found["second_start"][0].as_py()
    assert len(query) == max_length
    assert start == min(8, max_length)
    assert query[:start] == tokenizer(first)["input_ids"][:start]


def test_the_second_text_goes_before_the_passage(tokenizer):
    found = encoded(table({"text": "fox", "text_b": "tree", "passage": "river"}), tokenizer, settings())
    assert found["query"][0].as_py() == tokenizer("fox", "tree")["input_ids"]


def test_a_choice_query_is_one_text_with_its_passage(tokenizer):
    rows = table({"text": "what colour is the fox ?", "passage": "the fox is red", "choices": ["red", "blue"]})
    found = encoded(rows, tokenizer, settings("choice"))
    assert found["query"][0].as_py() == tokenizer("what colour is the fox ? the fox is red")["input_ids"]
    assert found["second_start"][0].as_py() == len(found["query"][0])
    assert found["query"][0].as_py().count(tokenizer.sep_token_id) == 1


def test_an_empty_text_is_encoded_and_not_dropped(tokenizer):
    found = encoded(table({"text": ""}, {"text": "", "passage": "the fox"}), tokenizer, settings())
    assert found["query"].to_pylist() == [tokenizer("")["input_ids"], tokenizer("", "the fox")["input_ids"]]


def test_each_option_equals_tokenizing_it_alone(tokenizer):
    rows = [
        {"text": "what ?", "choices": choices} for choices in (["red", "the blue fox", "green"], ["red", "a day ."])
    ]
    found = encoded(table(*rows), tokenizer, settings("choice"))
    for i, row in enumerate(rows):
        assert found["options"][i].as_py() == [tokenizer(option)["input_ids"] for option in row["choices"]]
    assert found["option_characters"].to_pylist() == [[3, 12, 5], [3, 7]]
    assert found["option_bytes"].to_pylist() == [None] * 2


def test_options_are_null_for_classes(tokenizer):
    found = encoded(table({"text": "fox", "answer": 1}), tokenizer, settings())
    names = ("options", "option_starts", "option_characters", "option_bytes")
    assert [found[name][0].as_py() for name in names] == [None] * 4
    assert found.schema.equals(SCHEMA)


def test_what_the_examples_say_is_kept(tokenizer):
    rows = [
        {"id": "a", "split": "train", "position": 7, "text": "fox", "answer": 1},
        {"id": "b", "text": "fox", "answer": None, "target": 2.5},
        {"id": "c", "text": "fox", "answer": None, "references": ["red", "a red one"]},
    ]
    found = encoded(table(*rows), tokenizer, settings()).to_pylist()
    blank = {"split": "evaluate", "answer": 0, "target": None, "references": None}
    for number, (row, kept) in enumerate(zip(rows, found, strict=True)):
        wanted = {"position": number, **blank, **{name: value for name, value in row.items() if name != "text"}}
        assert {name: kept[name] for name in wanted} == wanted


def test_examples_of_one_passage_are_a_cluster_whether_it_is_shown_or_not(tokenizer):
    """The hash is that of `printf 'the fox is red .' | sha256sum`."""
    passages = ["the fox is red .", "a tree", "the fox is red .", None, None]
    rows = table(*({"text": f"what {i} ?", "passage": passage} for i, passage in enumerate(passages)))
    defaults = {"answer_span": "kept", "context": "none"}
    found = [
        encoded(rows, tokenizer, settings(knob_defaults=defaults, knobs=[["context", value]]))["cluster"].to_pylist()
        for value in ("none", 1, "passage")
    ]
    assert found[0] == found[1] == found[2]
    assert found[0] == [FOX, TREE, FOX, None, None]


def test_options_are_cut_like_texts_and_counted(tokenizer):
    found = encoded(table({"text": "what ?", "choices": ["red", LONG]}), tokenizer, settings("choice", max_length=12))
    assert found["options"][0].as_py() == [
        tokenizer("red")["input_ids"], tokenizer(LONG, truncation=True, max_length=12)["input_ids"],
    ]  # fmt: skip
    assert found["truncated"].to_pylist() == [True]


def test_what_follows_an_option_belongs_to_it(tokenizer):
    rows = table({"text": "the fox", "choices": ["sees", "is"], "suffix": "a tree ."})
    found = encoded(rows, tokenizer, settings("choice"))
    assert found["options"][0].as_py() == [tokenizer(f"{word} a tree .")["input_ids"] for word in ("sees", "is")]


# --- cross-encoders ---------------------------------------------------------------------------------------------------

ASKED = {"text": "what colour is the fox ?", "choices": ["red", "the blue fox", "a good day"], "answer": 1}


def test_a_cross_encoder_sees_the_question_with_each_option(tokenizer):
    rows = [ASKED, {**ASKED, "passage": "the fox is blue ."}, {**ASKED, "choices": ["red", "."], "suffix": "is good"}]
    firsts = [ASKED["text"], f"{ASKED['text']} the fox is blue .", ASKED["text"]]
    found = encoded(table(*rows), tokenizer, settings("choice", "cross_encoder")).to_pylist()
    for row, first, coded in zip(rows, firsts, found, strict=True):
        seconds = [f"{choice} is good" if "suffix" in row else choice for choice in row["choices"]]
        assert len(coded["options"]) == len(coded["option_starts"]) == len(seconds)
        for second, ids, start in zip(seconds, coded["options"], coded["option_starts"], strict=True):
            whole = tokenizer(first, second, return_token_type_ids=True)
            assert ids == whole["input_ids"]
            assert [int(place >= start) for place in range(len(ids))] == whole["token_type_ids"]
        assert coded["query"] == tokenizer(first)["input_ids"]
        assert (coded["answer"], coded["truncated"]) == (1, False)


@pytest.mark.parametrize("max_length", range(8, 45))
def test_a_cut_pair_keeps_the_option(tokenizer, max_length):
    options = ["red", "the blue fox", "a good day was a bad day ."]
    rows = table({"text": LONG, "choices": options})
    coded = encoded(rows, tokenizer, settings("choice", "cross_encoder", max_length=max_length)).to_pylist()[0]
    assert coded["truncated"] == (max_length < 35 + 8 + 3)
    for option, ids, start in zip(options, coded["options"], coded["option_starts"], strict=True):
        alone = tokenizer(option, add_special_tokens=False)["input_ids"]
        assert len(ids) == min(max_length, 35 + len(alone) + 3)
        if max_length >= len(alone) + 3 + 1:  # room for the option, three special tokens and one of the question
            assert ids[start:] == [*alone, tokenizer.sep_token_id]
            assert ids[: start - 1] == tokenizer(LONG)["input_ids"][: start - 1]
        assert ids[start - 1] == ids[-1] == tokenizer.sep_token_id
        assert 0 < start < len(ids)


def test_an_option_longer_than_the_limit_is_cut_and_counted(tokenizer):
    rows = table({"text": "what ?", "choices": ["red", LONG]}, {"text": "what ?", "choices": ["red", "blue"]})
    found = encoded(rows, tokenizer, settings("choice", "cross_encoder", max_length=10)).to_pylist()
    short, long = found[0]["options"]
    assert short == tokenizer("what ?", "red")["input_ids"]
    assert len(long) == 10
    assert long[:4] == tokenizer("what ?")["input_ids"]  # of the two, the option is the longer one
    assert [row["truncated"] for row in found] == [True, False]


def test_a_tokenizer_without_segments_has_none():
    bare = toy_tokenizers.make("unigram")
    coded = encoded(table(ASKED), bare, settings("choice", "cross_encoder")).to_pylist()[0]
    assert coded["options"] == [bare(ASKED["text"], option)["input_ids"] for option in ASKED["choices"]]
    assert coded["option_starts"] == [len(ids) for ids in coded["options"]]
    pair = encoded(table({"text": "the fox", "text_b": "a tree"}), bare, settings("pair")).to_pylist()[0]
    assert (pair["query"], pair["second_start"]) == (bare("the fox", "a tree")["input_ids"], len(pair["query"]))


# --- knobs ------------------------------------------------------------------------------------------------------------


def test_knobs_go_before_their_defaults(tokenizer):
    rows = table({"text": "what ?", "passage": LONG, "choices": ["red", "blue", "green"], "answer": 2})
    defaults = {"answer_span": "kept", "context": "none", "options": 3}
    plain = encoded(rows, tokenizer, settings("choice", knob_defaults=defaults))
    assert plain["query"][0].as_py() == tokenizer("what ?")["input_ids"]
    assert len(plain["options"][0]) == 3
    harder = encoded(
        rows, tokenizer, settings("choice", knob_defaults=defaults, knobs=[["context", "passage"], ["options", 2]])
    )
    assert harder["query"][0].as_py() == tokenizer(f"what ? {LONG}")["input_ids"]
    kept, answer = harder["options"][0].as_py(), harder["answer"][0].as_py()
    assert len(kept) == 2
    assert kept[answer] == tokenizer("green")["input_ids"]
    with pytest.raises(UserError, match="options=4"):
        encoded(rows, tokenizer, settings("choice", knobs=[["options", 4]]))


@pytest.mark.parametrize("n", [2, 3])
def test_the_right_option_stands_at_every_place_equally_often(tokenizer, n):
    rows = [{"text": "?", "choices": [*toy.COLOURS], "answer": i % 2} for i in range(60)]  # unlike in the data
    found = encoded(table(*rows), tokenizer, settings("choice", knobs=[["options", n]])).to_pylist()
    assert Counter(row["answer"] for row in found) == dict.fromkeys(range(n), 60 // n)
    for row, coded in zip(rows, found, strict=True):
        assert coded["options"][coded["answer"]] == tokenizer(toy.COLOURS[row["answer"]])["input_ids"]
        assert len({tuple(option) for option in coded["options"]}) == n
    assert [row["answer"] for row in found] != [i % n for i in range(60)]  # which row has which is no pattern


def test_the_window_and_whether_it_holds_the_answer(tokenizer):
    passage = "the day was good . the fox is red . a wolf sees a tree ."
    rows = table(
        {"text": "what ?", "passage": passage, "choices": ["blue", "red"], "answer": 1},
        {"text": "what ?", "passage": passage, "choices": ["blue", "white"], "answer": 1},
        {"text": "what ?", "choices": ["blue", "white"], "answer": 1},
    )
    defaults = {"answer_span": "kept", "context": "none"}

    def shown(**knobs: object) -> tuple[list[str], list[bool | None]]:
        asked_for = settings("choice", knob_defaults=defaults, knobs=[list(pair) for pair in knobs.items()])
        found = encoded(rows, tokenizer, asked_for)
        texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in found["query"].to_pylist()]
        return [text.removeprefix("what?").strip() for text in texts], found["answer_shown"].to_pylist()

    assert shown() == (["", "", ""], [None, None, None])
    assert shown(context=4) == (["is red. a", "the day was good", ""], [True, False, None])
    masked, held = shown(context=4, answer_span="masked")
    assert "red" not in masked[0]
    assert masked[1:] == ["the day was good", ""]
    assert held == [False, False, None]
    assert shown(context="passage")[1] == [True, False, None]
    assert shown(context="passage", answer_span="masked")[1] == [False, False, None]


FAR = "the day was good . a wolf sees a tree . the fox is red ."  # 15 tokens, the answer is the last but one


@pytest.mark.parametrize("kind", ["choice", "cross", "pair"])
@pytest.mark.parametrize("max_length", [12, 16, 18, 19, 20, 21, 22, 23, 24, 64])
def test_an_answer_that_is_cut_off_is_not_shown(tokenizer, kind, max_length):
    row = {"text": "what ?", "passage": FAR, "choices": ["blue", "red"], "answer": 1}
    more = {"knobs": [["context", "passage"]], "knob_defaults": {"answer_span": "kept"}, "max_length": max_length}
    asked = settings("choice" if kind == "cross" else kind, "cross_encoder" if kind == "cross" else "", **more)
    found = encoded(table(row), tokenizer, asked).to_pylist()[0]
    pairs = zip(found["options"], found["option_starts"], strict=True) if kind == "cross" else ()
    rows = [ids[:start] for ids, start in pairs] or [found["query"]]
    texts = [tokenizer.decode(ids) for ids in rows]
    assert found["answer_shown"] == all("red" in text for text in texts)
    assert found["answer_shown"] or found["truncated"]


def test_a_passage_beside_a_second_text_is_not_shown(tokenizer):
    row = {"text": "fox", "text_b": "tree", "passage": "the fox is red", "choices": ["blue", "red"], "answer": 1}
    found = encoded(table(row), tokenizer, settings("choice", knobs=[["context", "passage"]]))
    assert found["answer_shown"].to_pylist() == [False]


@pytest.mark.parametrize("choice", ["bi_encoder", "cross_encoder"])
@pytest.mark.parametrize("family", ["wordpiece", "byte_bpe", "unigram"])
def test_no_cut_brings_the_masked_answer_about(family, choice):
    """ "1" is masked as a number of its own, and a cut of 1,000 must not make one."""
    one = toy_tokenizers.make(family)
    row = {"text": "what", "passage": "1 fox paid 1,000 foxes", "choices": ["1", "2"], "answer": 0}
    for max_length in range(8, 40):
        knobs = {"knobs": [["answer_span", "masked"], ["context", "passage"]], "max_length": max_length}
        found = encoded(table(row), one, settings("choice", choice, **knobs)).to_pylist()[0]
        assert found["answer_shown"] is False
        if choice == "bi_encoder":
            text = one.decode(found["query"], skip_special_tokens=True)
            assert "1" not in text or "0" in text


def test_end_tokens_stay_however_many_they_are():
    one = toy_tokenizers.make("wordpiece")
    one.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    query = encoded(table({"text": LONG}), one, settings(max_length=8))["query"][0].as_py()
    assert query == [*one(LONG)["input_ids"][:6], 3, 2]


def test_an_unknown_last_word_is_no_end_token():
    one = toy_tokenizers.make("words")
    query = encoded(table({"text": "a b c d \u2603"}), one, settings(max_length=3))["query"][0].as_py()
    assert query == one("a b c d \u2603")["input_ids"][:3]


def test_a_passage_without_an_answer_to_look_for(tokenizer):
    """Whether a text answers a yes-no question: the passage is shown whole or not at all."""
    rows = table({"text": "what ?", "passage": LONG, "answer": 1})
    for value, query in (("none", tokenizer("what ?")), ("passage", tokenizer("what ?", LONG))):
        found = encoded(rows, tokenizer, settings(knob_defaults={"context": value}))
        assert found["query"][0].as_py() == query["input_ids"]
        assert found["answer_shown"].to_pylist() == [None]


# --- files ------------------------------------------------------------------------------------------------------------


def test_round_trip_through_a_memory_mapped_file(tokenizer, tmp_path):
    rows = table(*({"text": LONG, "choices": ["red", "blue"], "answer": i % 2} for i in range(50)))
    bare = encoded(table({"text": "fox"}), tokenizer, settings())  # without options
    stored = pa.concat_tables([encoded(rows, tokenizer, settings("choice", max_length=16)), bare]).combine_chunks()
    path = tmp_path / "deep" / "er" / "x.arrow"
    before = pa.total_allocated_bytes()
    write_tokens(stored, path)
    found = read_tokens(path)
    if Path("/proc/self/maps").exists():
        assert str(path) in Path("/proc/self/maps").read_text()
    assert found.equals(stored)
    assert found.schema.equals(SCHEMA)
    assert pa.total_allocated_bytes() - before < stored.nbytes / 2  # mapped, not copied
    assert [file.name for file in path.parent.iterdir()] == ["x.arrow"]
    write_tokens(stored.slice(0, 3), path)  # replaces the file; the old mapping still reads
    assert read_tokens(path).num_rows == 3
    assert found.equals(stored)


def test_a_write_that_breaks_leaves_the_old_file(tokenizer, tmp_path, monkeypatch):
    path = tmp_path / "x.arrow"
    stored = encoded(table({"text": "fox"}), tokenizer, settings())
    write_tokens(stored, path)
    before = path.read_bytes()

    class Broken:
        schema = stored.schema

    with pytest.raises(TypeError):
        write_tokens(Broken(), path)
    assert path.read_bytes() == before


def test_options_of_the_same_tokens_are_counted(tokenizer):
    """To an uncased tokenizer letter case is no difference, nor is one unknown word another; cut texts end alike."""
    rows = table(
        {"text": "a day", "choices": ["red fox", "Red fox", "tree"]},
        {"text": "a day", "choices": ["red fox", "red tree"]},
        {"text": "a day", "choices": ["ocelot", "gecko"]},
        {"text": "a day", "choices": [f"{LONG} red", f"{LONG} green"]},
    )
    assert alike_options(encoded(rows, tokenizer, settings("choice"))) == 2
    assert alike_options(encoded(rows, tokenizer, settings("choice", max_length=16))) == 3
    assert alike_options(encoded(table({"text": "a day"}), tokenizer, settings())) == 0

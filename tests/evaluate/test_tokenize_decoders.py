"""Encoding for decoders: what is cut, what follows a prompt, token for token, and which shots a prompt shows."""

from collections import Counter

import pyarrow as pa
import pytest
import toy
import toy_tokenizers
from job_settings import token_settings

from junkdna.data.examples import SCHEMA as EXAMPLES
from junkdna.errors import UserError
from junkdna.evaluate.tokenize import tokenize_examples as tokenize
from junkdna.study.cell_settings import TokenSettings

TOKENIZERS = {family: toy_tokenizers.make(family) for family in toy_tokenizers.FAMILIES}


@pytest.fixture(scope="module")
def tokenizer(toy_world_once):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(toy_world_once / "decoder")


def table(*rows: dict) -> pa.Table:
    blank = {"split": "evaluate", "answer": 0}
    numbered = ({"id": str(i), "position": i, **blank, **row} for i, row in enumerate(rows))
    return pa.Table.from_pylist(list(numbered), schema=EXAMPLES)


def settings(kind: str = "choice", picked: str = "cloze", **more: object) -> TokenSettings:
    more = {"max_length": 256, "mcq_prompt": "{text}\n{choices}\nAnswer:", **more}
    return token_settings(kind, "decoder", picked, **more)


def plain_ids(tokenizer: object, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


LONG = " ".join(["the red fox sees a tree ."] * 5)  # 35 tokens
ASKED = {"text": "what colour is the fox ?", "passage": LONG, "choices": ["red", "the blue fox"]}
PROMPT = f"{LONG}\nQuestion: what colour is the fox ?\nAnswer:"


# --- prompts ----------------------------------------------------------------------------------------------------------


def test_prompts_that_fit_are_left_alone(tokenizer):
    found = tokenize(table(ASKED, {**ASKED, "passage": None}), None, tokenizer, settings())
    short = "Question: what colour is the fox ?\nAnswer:"
    assert [tokenizer.decode(query) for query in found["query"].to_pylist()] == [PROMPT, short]
    assert found["truncated"].to_pylist() == [False, False]
    assert found["second_start"].to_pylist() == [len(query) for query in found["query"].to_pylist()]


@pytest.mark.parametrize("max_length", [9, 16, 30])
def test_a_cut_prompt_keeps_the_end_of_the_question_and_is_counted(tokenizer, max_length):
    whole = plain_ids(tokenizer, PROMPT)
    found = tokenize(table(ASKED), None, tokenizer, settings(max_length=max_length))
    assert found["query"][0].as_py() == whole[-max_length:]
    assert found["truncated"].to_pylist() == [True]
    assert found["second_start"].to_pylist() == [max_length]


def test_truncation_starts_one_token_above_the_limit(tokenizer):
    n = len(plain_ids(tokenizer, PROMPT))
    for max_length, cut in ((n + 1, False), (n, False), (n - 1, True)):
        assert tokenize(table(ASKED), None, tokenizer, settings(max_length=max_length))["truncated"][0].as_py() is cut


@pytest.mark.parametrize("readable", [20, 30, 47, 48, 49, 99])
def test_prompt_and_longest_option_fit_into_what_the_model_reads(tokenizer, readable):
    whole = plain_ids(tokenizer, PROMPT)  # 45 tokens; the longest option has 3
    found = tokenize(table(ASKED), None, tokenizer, settings(), readable).to_pylist()[0]
    assert len(whole) == 45
    assert found["query"] == whole[-min(45, readable - 3) :]
    assert found["truncated"] == (readable < 48)
    assert max(len(found["query"]) + len(option) for option in found["options"]) <= readable
    short = tokenize(table(ASKED), None, tokenizer, settings(max_length=10), readable).to_pylist()[0]
    assert short["query"] == whole[-10:]


FAR = "the fox is red . a wolf sees a tree . the day was good ."


@pytest.mark.parametrize("choice", ["cloze", "mcq"])
@pytest.mark.parametrize("max_length", [5, 20, 24, 25, 26, 27, 28, 30, 99])
def test_an_answer_that_is_cut_off_is_not_shown(tokenizer, choice, max_length):
    """What a list of options shows is no passage."""
    row = {"text": "what ?", "passage": FAR, "choices": ["blue", "red"], "answer": 1}
    more = {"knobs": [["context", "passage"]], "knob_defaults": {"answer_span": "kept"}, "max_length": max_length}
    more["mcq_prompt"] = "{passage}{text}\n{choices}\nAnswer:"
    found = tokenize(table(row), None, tokenizer, settings(picked=choice, **more)).to_pylist()[0]
    text = tokenizer.decode(found["query"])
    assert found["answer_shown"] == ("red" in text.partition("wolf")[0] and "wolf" in text)
    assert found["answer_shown"] or found["truncated"]


def test_a_template_without_a_passage_shows_none(tokenizer):
    row = {"text": "what ?", "passage": FAR, "choices": ["blue", "red"], "answer": 1}
    asked = settings(knobs=[["context", "passage"]], prompt="Question: {text}\nAnswer:")
    assert tokenize(table(row), None, tokenizer, asked)["answer_shown"].to_pylist() == [False]


@pytest.mark.parametrize("family", ["byte_bpe", "sentencepiece_bpe", "wordpiece"])
def test_no_cut_brings_the_masked_answer_about(family):
    """ "000" stands in "1,000" only, until a cut makes it a number of its own."""
    one = TOKENIZERS[family]
    row = {"text": "what", "passage": "paid 1,000 foxes", "choices": ["000", "2"], "answer": 0}
    for max_length in range(4, 40):
        asked = settings(knobs=[["answer_span", "masked"], ["context", "passage"]], max_length=max_length)
        found = tokenize(table(row), None, one, asked).to_pylist()[0]
        assert found["answer_shown"] is False
        text = one.decode(found["query"], skip_special_tokens=True)
        assert "1" in text or "000" not in text


@pytest.mark.parametrize("readable", [4, 5])
def test_a_first_token_alone_is_no_prompt(readable):
    """Room for the special token in front and nothing else: an error, never a prompt that is not cut."""
    one = TOKENIZERS["sentencepiece_bpe"]
    asked = settings("generate", new_tokens=4)
    if readable == 5:
        with pytest.raises(UserError, match="the model reads only 5 tokens, but 4 follow the prompt"):
            tokenize(table({"text": "what ?"}), None, one, asked, readable)
    assert len(tokenize(table({"text": "what ?"}), None, one, asked, readable + 2)["query"][0]) == readable - 2


def test_room_is_left_for_the_text_to_be_generated(tokenizer):
    row = {"text": "what colour is the fox ?", "passage": LONG, "references": ["red"], "answer": None}
    for new_tokens, cut in ((5, False), (6, True)):
        found = tokenize(table(row), None, tokenizer, settings("generate", new_tokens=new_tokens), 50).to_pylist()[0]
        assert found["truncated"] is cut
        assert len(found["query"]) == min(45, 50 - new_tokens)
    with pytest.raises(UserError, match=r"row '0': the model reads only \d+ tokens, but 50 follow the prompt"):
        tokenize(table(row), None, tokenizer, settings("generate", new_tokens=50), 50)


@pytest.mark.parametrize("family", ["sentencepiece_bpe", "wordpiece", "unigram", "byte_bpe"])
def test_first_tokens_stay_and_end_tokens_are_not_put_before_the_answer(family):
    one = TOKENIZERS[family]
    bare = plain_ids(one, PROMPT)
    first = {"sentencepiece_bpe": [one.bos_token_id], "wordpiece": [one.cls_token_id]}.get(family, [])
    whole = tokenize(table(ASKED), None, one, settings(max_length=9999))["query"][0].as_py()
    assert whole == [*first, *bare]
    cut = tokenize(table(ASKED), None, one, settings(max_length=16))["query"][0].as_py()
    assert cut == [*first, *bare[-(16 - len(first)) :]]


def test_an_unknown_last_word_is_no_end_token():
    one = TOKENIZERS["unigram"]
    query = tokenize(table({"text": "\u2603"}), None, one, settings("generate", prompt="{text}"))["query"][0].as_py()
    assert query == plain_ids(one, "\u2603")
    assert query[-1] == one.unk_token_id


def test_the_chat_template_brings_its_own_special_tokens():
    one = toy_tokenizers.make("sentencepiece_bpe")
    one.chat_template = toy_tokenizers.CHAT_TEMPLATE
    text = f"<|im_start|>user\n{PROMPT}<|im_end|>\n<|im_start|>assistant\n"
    found = tokenize(table(ASKED), None, one, settings(chat_template=True, max_length=9999))
    assert found["query"][0].as_py() == plain_ids(one, text)
    whole = plain_ids(one, f"{text}the blue fox")
    assert found["query"][0].as_py() + found["options"][0].as_py()[1] == whole  # no blank opens the answer


def test_blanks_that_end_a_prompt_open_what_follows_it():
    """As lm-eval cuts them: the blanks of the data and the one that parts prompt and option are scored with it."""
    one = toy_tokenizers.make("byte_bpe")
    asked = {"text": "the fox  ", "choices": ["red", " blue"]}
    found = tokenize(table(asked), None, one, settings(prompt="{text}")).to_pylist()[0]
    assert one.decode(found["query"]) == "the fox"
    assert [one.decode(ids) for ids in found["options"]] == ["   red", "    blue"]
    one.chat_template = toy_tokenizers.CHAT_TEMPLATE + "  "
    found = tokenize(table(asked), None, one, settings(prompt="{text}", chat_template=True)).to_pylist()[0]
    assert one.decode(found["query"]).startswith("<|im_start|>user\nthe fox  <|im_end|>")
    assert [one.decode(ids) for ids in found["options"]] == ["  red", "   blue"]


def test_a_prompt_that_is_continued_keeps_its_blanks():
    one = toy_tokenizers.make("byte_bpe")
    asked = {"text": "the fox  ", "references": ["red"]}
    found = tokenize(table(asked), None, one, settings("generate", prompt="{text}")).to_pylist()[0]
    assert one.decode(found["query"]) == "the fox  "


# --- what follows a prompt --------------------------------------------------------------------------------------------


def test_options_are_encoded_behind_the_prompt(tokenizer):
    found = tokenize(table(ASKED), None, tokenizer, settings())
    wanted = [[" red"], [" the", " blue", " fox"]]
    assert [[tokenizer.decode([token]) for token in option] for option in found["options"][0].as_py()] == wanted
    assert tokenizer("red")["input_ids"] != found["options"][0].as_py()[0]  # the space is part of the word here
    assert found["option_characters"].to_pylist() == [[3, 12]]
    assert found["option_starts"].to_pylist() == [[0, 0]]


@pytest.mark.parametrize("family", ["byte_bpe", "sentencepiece_bpe", "wordpiece"])
def test_only_the_suffix_is_scored_where_there_is_one(family):
    one = TOKENIZERS[family]
    row = {"text": "the fox sees", "choices": ["a", "New York"], "suffix": "far away", "answer": 1}
    found = tokenize(table(row), None, one, settings(prompt="{text}")).to_pylist()[0]
    before = len(plain_ids(one, "the fox sees"))
    for option, ids, start in zip(row["choices"], found["options"], found["option_starts"], strict=True):
        assert ids == plain_ids(one, f"the fox sees {option} far away")[before:]
        assert ids[start:] == plain_ids(one, f"the fox sees {option} far away")[-len(ids[start:]) :]
        assert before + start == len(plain_ids(one, f"the fox sees {option}"))
    assert found["option_characters"] == found["option_bytes"] == [8, 8]


def test_the_bytes_of_an_option_are_those_of_its_scored_text():
    """Two bytes for "ä" and "é", three for "東"."""
    row = {"text": "the fox sees", "choices": ["a", "zäh 東"], "answer": 1}
    for suffix, wanted in ((None, [1, 8]), ("né", [3, 3])):
        found = tokenize(table({**row, "suffix": suffix}), None, TOKENIZERS["byte_bpe"], settings(prompt="{text}"))
        assert found["option_bytes"].to_pylist() == [wanted]
        assert found["option_characters"].to_pylist() == [[2, 2] if suffix else [1, 5]]


def test_letters_are_the_options(tokenizer):
    found = tokenize(table(ASKED), None, tokenizer, settings(picked="mcq")).to_pylist()[0]
    assert tokenizer.decode(found["query"]) == "what colour is the fox ?\nA. red\nB. the blue fox\nAnswer:"
    assert found["options"] == [plain_ids(tokenizer, " A"), plain_ids(tokenizer, " B")]
    assert found["option_characters"] == found["option_bytes"] == [1, 1]


def test_words_stand_for_classes(tokenizer):
    row = {"text": "a good day", "answer": 1}
    found = tokenize(table(row), None, tokenizer, settings("classify", verbalizers=["no", "yes"])).to_pylist()[0]
    assert found["options"] == [plain_ids(tokenizer, " no"), plain_ids(tokenizer, " yes")]
    assert found["answer"] == 1


@pytest.mark.parametrize("kind", ["generate", "regress"])
def test_nothing_follows_where_text_is_generated_or_a_number_wanted(tokenizer, kind):
    row = {"text": "what ?", "references": ["red", "a red one"], "target": 1.0, "answer": None}
    found = tokenize(table(row), None, tokenizer, settings(kind)).to_pylist()[0]
    names = ("options", "option_starts", "option_characters", "option_bytes")
    assert [found[name] for name in names] == [None] * 4
    assert found["references"] == ["red", "a red one"]


@pytest.mark.parametrize("suffix", [None, "\x07"])
def test_an_option_without_tokens_is_no_option_that_always_wins(suffix):
    row = {"id": "r7", "text": "what ?", "choices": ["\x07", "fox"], "suffix": suffix}
    with pytest.raises(UserError, match=r"task t: row 'r7': this model's tokenizer has no token for '\\x07'"):
        tokenize(table(row), None, TOKENIZERS["wordpiece"], settings())  # whose normalizer takes control characters out


# --- shots ------------------------------------------------------------------------------------------------------------

SHOTS = [
    {"id": f"{group}{n}", "text": f"what is {word} ?", "choices": ["good", "bad", "red", "blue"], "group": group}
    for group, words in (("x", ("fox", "tree", "wolf")), ("y", ("lamp", "stone")))
    for n, word in enumerate(words)
]
ROWS = [{"text": "what ?", "choices": ["a", "the", "is", "was"], "answer": 3, "group": group} for group in "yxy"]


def shown(k: int, tokenizer: object, **more: object) -> list[str]:
    asked_for = settings(knob_defaults={"shots": 0}, knobs=[["shots", k]] if k else [], **more)
    shots = table(*SHOTS) if k else None
    return [tokenizer.decode(ids) for ids in tokenize(table(*ROWS), shots, tokenizer, asked_for)["query"].to_pylist()]


def test_shots_are_the_first_of_the_rows_group_in_order(tokenizer):
    first = {
        "x": ["Question: what is fox ?\nAnswer: good", "Question: what is tree ?\nAnswer: good"],
        "y": ["Question: what is lamp ?\nAnswer: good", "Question: what is stone ?\nAnswer: good"],
    }
    for k in (0, 1, 2):
        wanted = ["\n\n".join([*first[row["group"]][:k], "Question: what ?\nAnswer:"]) for row in ROWS]
        assert shown(k, tokenizer) == wanted


def test_shots_that_are_not_there_are_not_left_out(tokenizer):
    with pytest.raises(
        UserError, match=r"task t: knob shots=3, but row '0' \(group .*\) has only 2 in-context examples"
    ):
        shown(3, tokenizer)
    lost = table({**ROWS[0], "id": "lost", "group": "z"})
    with pytest.raises(UserError, match=r"row 'lost' \(group 'z'\) has only 0 in-context examples"):
        tokenize(lost, table(*SHOTS), tokenizer, settings(knobs=[["shots", 1]]))


def test_shots_that_do_not_fit_are_counted(tokenizer):
    found = tokenize(table(*ROWS), table(*SHOTS), tokenizer, settings(knobs=[["shots", 2]], max_length=20))
    assert found["truncated"].to_pylist() == [True] * 3
    assert {len(query) for query in found["query"].to_pylist()} == {20}


def test_knobs_turn_the_shots_too(tokenizer):
    shots = [{**SHOTS[0], "id": f"s{n}", "group": None, "answer": 2} for n in range(40)]
    asked_for = settings(picked="mcq", knobs=[["options", 2], ["shots", 40]], max_length=9999)
    query = tokenize(table({**ROWS[0], "group": None}), table(*shots), tokenizer, asked_for)["query"][0].as_py()
    text = tokenizer.decode(query)
    assert "C." not in text
    answers = Counter(part[-1] for part in text.split("\n\n")[:-1])
    assert answers == {"A": 20, "B": 20}
    for part in text.split("\n\n")[:-1]:
        letter = part[-1]
        assert f"{letter}. red" in part


def test_gold_is_balanced_under_fewer_options(tokenizer):
    rows = [{"text": "what ?", "choices": [*toy.COLOURS], "answer": 0} for _ in range(90)]
    for n in (2, 3):
        found = tokenize(table(*rows), None, tokenizer, settings(picked="mcq", knobs=[["options", n]]))
        assert Counter(found["answer"].to_pylist()) == dict.fromkeys(range(n), 90 // n)

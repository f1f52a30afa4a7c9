"""Generated answers: the text, its credit, the baselines, and what is stored of them."""

import numpy as np
import pytest
from decoders import make, plain_greedy, random_rows
from job_settings import cell_settings

from junkdna.evaluate.answers import Answers
from junkdna.evaluate.formats import generate
from junkdna.resumable import NO_CHECKPOINTS
from junkdna.study.cell_settings import CellSettings

N = 30
QUERIES = random_rows(N, 0)
COMMON = {"id": [f"row {k}" for k in range(N)], "truncated": [k % 4 == 0 for k in range(N)], "query": QUERIES}


@pytest.fixture(scope="module")
def decoder():
    return make("llama")


@pytest.fixture(scope="module")
def tokenizer():
    """Token n is the word "tn"; the tokens 0 to 2 are special."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({f"t{n}": n for n in range(31)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="t0", bos_token="t1", eos_token="t2")


def asked(metric: str = "exact_match", **more: object) -> CellSettings:
    how = {"max_new_tokens": 4, "stop": [], "match": "text", "extract": None, "exact": None, **more}
    return cell_settings("generate", "generate", metric, "none", how)


def answered(settings: CellSettings, model, rows: dict, tokenizer: object) -> Answers:
    return generate.score(settings, model, rows, "cpu", NO_CHECKPOINTS, lambda: tokenizer)


def words(decoder, query: list[int]) -> list[str]:
    return [f"t{token}" for token in plain_greedy(decoder, query, 4, {2}) if token > 2]


@pytest.mark.parametrize("metric", ["exact_match", "lenient_match", "token_f1"])
def test_generated_text_and_its_credit(decoder, tokenizer, metric):
    """A third of the rows accept the model's own text, a third its first word, a third another word."""
    texts = [words(decoder, query) for query in QUERIES]
    assert min(map(len, texts)) > 1
    accepted = [
        (["no", " ".join(text)], [text[0], "nothing"], ["other", "never"])[k % 3] for k, text in enumerate(texts)
    ]
    rows = {**COMMON, "references": accepted}
    found = answered(asked(metric), decoder, rows, tokenizer)
    assert found.examples["text"] == [" ".join(text) for text in texts]
    assert found.examples["reference"] == [references[0] for references in accepted]
    first_word = [2 * 1 / (len(text) + 1) for text in texts]  # F1: one word shared, of all of the text's and of one
    credit = {
        "exact_match": [float(k % 3 == 0) for k in range(N)],
        "lenient_match": [float(k % 3 < 2) for k in range(N)],
        "token_f1": [(1, first_word[k], 0)[k % 3] for k in range(N)],
    }
    assert found.examples["correct"] == pytest.approx(credit[metric])
    assert found.values == {name: pytest.approx(np.mean(of)) for name, of in credit.items()}
    assert found.chance == 0
    assert found.majority == pytest.approx(1 / 3)  # always "no", "nothing" or "other": each is accepted by a third
    assert set(found.examples) == {"id", "correct", "text", "reference", "truncated"}
    assert not found.collapsed


def test_generated_numbers_and_extracted_answers(decoder, tokenizer):
    """`extract` takes the number of the second word; no F1 of words where numbers are compared."""
    texts = [words(decoder, query) for query in QUERIES]
    second = [text[1].removeprefix("t") for text in texts]
    accepted = [[number if k % 2 else "-1"] for k, number in enumerate(second)]
    rows = {**COMMON, "references": accepted}
    found = answered(asked(match="number", extract=r"^t\d+ t(\d+)"), decoder, rows, tokenizer)
    assert found.examples["correct"] == [k % 2 for k in range(N)]
    last = [text[-1].removeprefix("t") == accepted[k][0] for k, text in enumerate(texts)]
    assert found.values == {"exact_match": 0.5, "lenient_match": pytest.approx(sum(last) / N)}
    assert found.majority == 0.5  # always -1


def test_a_stop_string_ends_the_text(decoder, tokenizer):
    rows = {**COMMON, "references": [["x"]] * N}
    found = answered(asked(stop=[" t"]), decoder, rows, tokenizer)
    assert found.examples["text"] == [words(decoder, query)[0] for query in QUERIES]


def test_one_text_for_everything_is_collapsed(decoder, tokenizer):
    rows = {**COMMON, "query": [QUERIES[0]] * N, "references": [["x"]] * N}
    assert answered(asked(), decoder, rows, tokenizer).collapsed


def test_other_rows_do_not_change_a_rows_answer(decoder, tokenizer):
    """All at once, in another order, and alone."""
    rows = {**COMMON, "references": [["t5"], ["t6 t7"]] * (N // 2)}
    together = answered(asked(), decoder, rows, tokenizer).examples
    assert together["truncated"] == COMMON["truncated"]
    for numbers in (np.random.default_rng(8).permutation(N), *([k] for k in range(N))):
        some, wanted = ({name: [column[k] for k in numbers] for name, column in of.items()} for of in (rows, together))
        assert answered(asked(), decoder, some, tokenizer).examples == wanted

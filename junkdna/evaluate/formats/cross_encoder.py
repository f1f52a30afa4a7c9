"""Cross-encoder: one trained output per pair of question and option; the option with the highest is the answer.

The loss is the softmax cross-entropy over the options of a question (Devlin et al. 2019, section 4.4).

Shapes: B rows of a batch, N options of a row, P pairs of all rows.
"""

from functools import partial

from junkdna.data.encoder_rows import joined, option_texts, passage_of, row_limit
from junkdna.data.truncation import cut_end, end_of_text, fit_row
from junkdna.study.formats import Format

FORMAT = Format(
    label="cross-encoder",
    meaning="a trained output for each pair of question and option",
    models=("encoder",),
    picked_for=("choice",),
    training="required",
    head="one",
    columns=("options", "option_starts", "answer"),
    modules=("junkdna.evaluate.answers", "junkdna.evaluate.scores", "junkdna.evaluate.train_outputs"),
)


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """Each option after the question, which is truncated to make room."""
    limit = row_limit(settings, readable)
    return [_row(row, tokenizer, limit) for row in rows]


def _row(row: dict, tokenizer: object, limit: int) -> dict:
    code = tokenizer(joined(row), return_special_tokens_mask=True, verbose=False)
    texts = option_texts(row)
    fits = [fit_row(row, limit, partial(_pair, tokenizer, row, text)) for text in texts]
    return {
        "query": cut_end(code["input_ids"], code["special_tokens_mask"], limit),
        "second_start": min(len(code["input_ids"]), limit),
        "options": [ids for (ids, _, _), _ in fits],
        "option_starts": [start for (_, start, _), _ in fits],
        "option_characters": [len(text) for text in texts],
        "answer_shown": None if row["answer_shown"] is None else all(shown for _, shown in fits),
        "truncated": any(cut for (_, _, cut), _ in fits),
    }


def _pair(tokenizer: object, row: dict, second: str, limit: int) -> tuple[tuple[list[int], int, bool], str]:
    """(Token ids of two segments, position of the second, whether they were truncated to `limit` tokens), and the part
    of the passage that they show. Only the first segment is truncated if at least one of its tokens stays, otherwise
    whichever is longer."""
    first, passage = joined(row), passage_of(row)
    code = tokenizer(first, second, return_token_type_ids=True, verbose=False)
    cut = len(code["input_ids"]) > limit
    if cut:
        spare = len(tokenizer(first, add_special_tokens=False, verbose=False)["input_ids"]) - 1
        how = "only_first" if len(code["input_ids"]) - limit <= spare else "longest_first"
        code = tokenizer(first, second, truncation=how, max_length=limit, return_token_type_ids=True, verbose=False)
    start = [*code["token_type_ids"], 1].index(1)
    if cut and passage:
        passage = passage[: max(0, end_of_text(tokenizer, code, start, [first]) - (len(first) - len(passage)))]
    return (code["input_ids"], start, cut), passage


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the output for each pair."""
    from junkdna.evaluate.answers import picked
    from junkdna.evaluate.scores import pair_logits

    return picked(settings, rows, pair_logits(model, rows["options"], rows["option_starts"], device, loop))


def batch(model, rows, numbers, device):
    """One text for each pair."""
    from junkdna.evaluate.train_outputs import classifier_batch

    pairs, starts = ([each for i in numbers for each in rows[name][i]] for name in ("options", "option_starts"))
    return classifier_batch(model, pairs, starts, device, [len(rows["options"][i]) for i in numbers])


def outputs(model, batch):
    """Outputs (B, N) for the pairs of each row; -inf pads rows with fewer options."""
    from junkdna.evaluate.train_outputs import classifier_outputs, padded_scores

    outputs_p1 = classifier_outputs(model, batch.texts["text"])
    assert outputs_p1.shape[1] == 1, f"a cross-encoder has one output, this model {outputs_p1.shape[1]}"
    return padded_scores(outputs_p1[:, 0].split(batch.counts))


def loss(outputs, labels):
    """Mean cross-entropy of the softmax over each row's own options."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs, labels["answer"])

"""Bi-encoder: question and options are embedded separately; the option most similar to the question is the answer.

Scores are cosine similarities of mean-pooled embeddings (Reimers and Gurevych 2019). The loss divides them by a
temperature and takes the softmax cross-entropy over the options of a question (the contrastive loss of SimCSE, Gao et
al. 2021, equation 1). Options of other questions are not used as negatives: scoring compares only the options of one
question, and an option of another question may be right too.

Shapes: B rows of a batch, D embedding width, N options of a row, P options of all rows.
"""

from junkdna.data.encoder_rows import code_texts, joined, option_texts, row_limit, text_row
from junkdna.data.truncation import cut_end
from junkdna.study.formats import Format

FORMAT = Format(
    label="bi-encoder",
    meaning="cosine similarity of the embeddings of question and option",
    models=("encoder",),
    picked_for=("choice",),
    training="possible",
    columns=("query", "options", "answer"),
    modules=("junkdna.evaluate.answers", "junkdna.evaluate.scores", "junkdna.evaluate.train_outputs"),
)
TEMPERATURE = 0.05  # of the cosines: SimCSE's value; sentence-transformers' default scale, 20, is its inverse


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The question and each option as separate texts. Question and passage are joined without a separator token,
    because options have none.
    """
    limit = row_limit(settings, readable)
    coded = code_texts(tokenizer, [text for row in rows for text in option_texts(row)])
    return [_row(row, coded, tokenizer, limit) for row in rows]


def _row(row: dict, coded: dict, tokenizer: object, limit: int) -> dict:
    texts = option_texts(row)
    query = text_row(row, [joined(row)], tokenizer, limit)
    return query | {
        "options": [cut_end(*coded[text], limit) for text in texts],
        "option_starts": [0] * len(texts),
        "option_characters": [len(text) for text in texts],
        "truncated": query["truncated"] or max(len(coded[text][0]) for text in texts) > limit,
    }


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the cosine similarity of each question and its options."""
    from junkdna.evaluate.answers import picked
    from junkdna.evaluate.scores import similarity

    return picked(settings, rows, similarity(model, rows["query"], rows["options"], device, loop))


def batch(model, rows, numbers, device):
    """Questions and options, padded separately."""
    from junkdna.evaluate.train_outputs import Batch, encoder_inputs

    queries = [rows["query"][i] for i in numbers]
    options = [option for i in numbers for option in rows["options"][i]]
    texts = {"query": encoder_inputs(queries, device), "options": encoder_inputs(options, device)}
    return Batch(texts, tuple(len(rows["options"][i]) for i in numbers))


def outputs(model, batch):
    """Cosine similarities (B, N); -inf pads rows with fewer options."""
    from junkdna.evaluate.train_outputs import embeddings, padded_scores

    queries_bd, options_pd = (embeddings(model, batch.texts[name]) for name in ("query", "options"))
    by_row = options_pd.split(batch.counts)
    return padded_scores([options @ query for options, query in zip(by_row, queries_bd, strict=True)])


def loss(outputs, labels):
    """Mean cross-entropy of the softmax over each row's own options."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs / TEMPERATURE, labels["answer"])

"""Classifier: a trained head with one output per class; the class with the highest output is the answer.

Decoders read the tokens file of `cloze`, which cells with and without training share.

Shapes: B rows of a batch, C classes.
"""

from junkdna.data.encoder_rows import row_limit, segment_rows
from junkdna.study.formats import Format

FORMAT = Format(
    label="classifier",
    meaning="a trained head with one output for each class",
    models=("encoder", "decoder"),
    default_for=("classify", "pair"),
    training="required",
    head="classes",
    columns=("query", "second_start", "answer"),
    modules=("junkdna.evaluate.answers", "junkdna.evaluate.scores", "junkdna.evaluate.train_outputs"),
)


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """One text or two segments."""
    return segment_rows(rows, tokenizer, row_limit(settings, readable))


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the logits of the classes."""
    from junkdna.evaluate.answers import picked
    from junkdna.evaluate.scores import class_logits

    return picked(settings, rows, list(class_logits(model, rows["query"], rows["second_start"], device, loop)))


def batch(model, rows, numbers, device):
    """One text for each row."""
    from junkdna.evaluate.train_outputs import classifier_batch

    texts, starts = ([rows[name][i] for i in numbers] for name in ("query", "second_start"))
    return classifier_batch(model, texts, starts, device)


def outputs(model, batch):
    """Logits (B, C)."""
    from junkdna.evaluate.train_outputs import classifier_outputs

    return classifier_outputs(model, batch.texts["text"])


def loss(outputs, labels):
    """Mean cross-entropy."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs, labels["answer"])

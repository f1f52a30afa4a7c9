"""Regressor: a trained head with one output, the predicted number.

Shapes: B rows of a batch.
"""

from junkdna.data.encoder_rows import row_limit, segment_rows
from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import Wording
from junkdna.study.formats import Format

FORMAT = Format(
    label="regressor",
    meaning="a trained head with one output, the number",
    caption="a trained head gives the number",
    models=("encoder", "decoder"),
    default_for=("regress",),
    training="required",
    head="one",
    prompt="prompt",
    columns=("query", "second_start", "target"),
    modules=("junkdna.evaluate.answers", "junkdna.evaluate.scores", "junkdna.evaluate.train_outputs"),
)


def wording(settings) -> Wording:
    """The prompt of a decoder, without options."""
    return Wording(settings.description, settings.prompt, lambda row: None, lambda row: f"{row['target']:g}")


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """One text or two segments for an encoder, the prompt for a decoder."""
    if settings.model_kind == "decoder":
        return prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))
    return segment_rows(rows, tokenizer, row_limit(settings, readable))


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the predicted numbers."""
    from junkdna.evaluate.answers import numbers
    from junkdna.evaluate.scores import class_logits

    return numbers(settings, rows, class_logits(model, rows["query"], rows["second_start"], device, loop)[:, 0])


def batch(model, rows, numbers, device):
    """One text for each row."""
    from junkdna.evaluate.train_outputs import classifier_batch

    texts, starts = ([rows[name][i] for i in numbers] for name in ("query", "second_start"))
    return classifier_batch(model, texts, starts, device)


def outputs(model, batch):
    """Outputs (B, 1)."""
    from junkdna.evaluate.train_outputs import classifier_outputs

    return classifier_outputs(model, batch.texts["text"])


def loss(outputs, labels):
    """Mean squared error."""
    from torch.nn.functional import mse_loss

    assert outputs.shape[-1] == 1, f"a head with one output is needed, not {outputs.shape[-1]}"
    return mse_loss(outputs[:, 0], labels["target"].to(outputs.dtype))  # torch 2.11 takes no two types

"""Likelihood: how probable the gold answer is after the prompt, or a text on its own. Nothing is generated.

With a prompt, the answer is also scored by the input-blind model: after the same prompt (description, shots, template)
without the row's question, second text and passage. What the question adds to the likelihood of the answer is the
usable information in it (Ethayarajh et al. 2022, arXiv 2110.08420, where both models are trained; here both are the
same model, as it is or after its training). With an empty prompt, the text is read in windows (`data.text_windows`).

Training minimizes the cross-entropy of the tokens of the gold answers, or of the texts (`language_model_loss`).
"""

from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import Wording
from junkdna.data.text_windows import begin_token, window_rows
from junkdna.study.formats import Format

FORMAT = Format(
    label="likelihood",
    meaning="log-likelihood of the gold answer after the prompt, or of a text, in bits per byte",
    caption="the gold answer is scored",
    models=("decoder",),
    default_for=("likelihood",),
    training="possible",
    prompt="prompt",
    columns=("query", "options", "option_starts", "references", "blind"),
    train_columns=("query", "options", "option_starts"),
    modules=("junkdna.evaluate.text_likelihoods",),
    loss_module="junkdna.evaluate.language_model_loss",
)


def wording(settings) -> Wording:
    """The only option is the gold answer. A shot shows `shown` or, without it, the gold answer."""

    def answer(row: dict) -> str:
        return row["references"][0]

    return Wording(
        settings.description,
        settings.prompt,
        lambda row: [answer(row)],
        lambda row: row["shown"] or answer(row),
    )


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The prompt and the gold answer, and both again without the question. Without a prompt, windows of the text."""
    if not settings.prompt:
        return window_rows(rows, tokenizer, settings, readable)
    asked = prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))
    without = [row | {"text": "", "text_b": None, "passage": None, "answer_shown": None} for row in rows]
    blind = prompt_rows(without, shots, tokenizer, settings, readable, wording(settings))
    return [row | {"blind": _blind(other, tokenizer)} for row, other in zip(asked, blind, strict=True)]


def _blind(row: dict, tokenizer: object) -> list[list[int]]:
    """Query and option; a prompt that is empty without its question is a begin token."""
    return [row["query"] or [begin_token(tokenizer)], row["options"][0]]


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the log-likelihoods of the gold answers or texts."""
    from junkdna.evaluate.text_likelihoods import text_answers

    return text_answers(rows, model, device, loop)


def batch(model, rows, numbers, device):
    """The prompt of each row with its gold answer, or every window of its text."""
    from junkdna.evaluate.language_model_loss import all_options, answer_batch

    return answer_batch(model, all_options(rows, numbers), device, [len(rows["options"][i]) for i in numbers])

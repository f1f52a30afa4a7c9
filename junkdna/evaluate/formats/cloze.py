"""Cloze: the option (or the verbalizer of a class) with the highest log-likelihood after the prompt is the answer.

If the task has a suffix (WinoGrande), the suffix after each option is scored instead of the option.
`length_normalization` selects whether the log-likelihood is divided by the length in tokens or in characters. Training
minimizes the cross-entropy of the right option's scored tokens (`language_model_loss`); the other options are not read.
"""

from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import Wording
from junkdna.study.formats import Format

FORMAT = Format(
    label="cloze",
    meaning="log-likelihood of the text of each option, or of the word of each class",
    caption="the text of each option is scored",
    models=("decoder",),
    picked_for=("choice",),
    default_for=("classify", "pair"),
    training="possible",
    prompt="prompt",
    columns=("query", "options", "option_starts", "option_characters", "option_bytes", "answer"),
    train_columns=("query", "options", "option_starts", "answer"),
    modules=("junkdna.evaluate.likelihoods",),
    loss_module="junkdna.evaluate.language_model_loss",
)


def wording(settings) -> Wording:
    """The options are the row's choices or, without choices, the verbalizers of the classes."""

    def options(row: dict) -> list[str]:
        return row["choices"] or settings.verbalizers

    return Wording(
        settings.description,
        settings.prompt,
        options,
        lambda row: options(row)[row["answer"]],
        suffix=lambda row: row["suffix"] or "",
    )


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The prompt and each option after it."""
    return prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the log-likelihoods of the options."""
    from junkdna.evaluate.likelihoods import likelihood_answers

    return likelihood_answers(settings, model, rows, device, loop)


def batch(model, rows, numbers, device):
    """The prompt of each row with its right option."""
    from junkdna.evaluate.language_model_loss import answer_batch, right_options

    return answer_batch(model, right_options(rows, numbers), device)

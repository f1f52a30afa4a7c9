"""Multiple-choice question: the prompt lists the options; the letter with the highest log-likelihood is the answer.

Training minimizes the cross-entropy of the right letter among all tokens (`language_model_loss`).
"""

from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import LETTERS, Wording
from junkdna.study.formats import Format

FORMAT = Format(
    label="multiple choice",
    meaning="options listed in the prompt; log-likelihood of the letter of each",
    caption="the letter of each option is scored",
    models=("decoder",),
    picked_for=("choice",),
    training="possible",
    prompt="mcq_prompt",
    suffix=False,
    columns=("query", "options", "option_starts", "option_characters", "option_bytes", "answer"),
    train_columns=("query", "options", "option_starts", "answer"),
    modules=("junkdna.evaluate.likelihoods",),
    loss_module="junkdna.evaluate.language_model_loss",
)


def wording(settings) -> Wording:
    """The options are letters. The prompt lists the choices without their suffix."""

    def letters(row: dict) -> list[str]:
        return list(LETTERS[: len(row["choices"])])

    return Wording(settings.description, settings.mcq_prompt, letters, lambda row: letters(row)[row["answer"]])


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The prompt and each letter after it."""
    return prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))


def score(settings, model, rows, device, loop, tokenizer):
    """Answers by the log-likelihoods of the letters."""
    from junkdna.evaluate.likelihoods import likelihood_answers

    return likelihood_answers(settings, model, rows, device, loop)


def batch(model, rows, numbers, device):
    """The prompt of each row with its right letter."""
    from junkdna.evaluate.language_model_loss import answer_batch, right_options

    return answer_batch(model, right_options(rows, numbers), device)

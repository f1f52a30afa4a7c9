"""Multiple-choice question: the prompt lists the options; the letter with the highest log-likelihood is the answer."""

from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import LETTERS, Wording
from junkdna.study.formats import Format

FORMAT = Format(
    label="multiple choice",
    meaning="options listed in the prompt; log-likelihood of the letter of each",
    caption="the letter of each option is scored",
    models=("decoder",),
    picked_for=("choice",),
    prompt="mcq_prompt",
    suffix=False,
    columns=("query", "options", "option_starts", "option_characters", "option_bytes", "answer"),
    modules=("junkdna.evaluate.likelihoods",),
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

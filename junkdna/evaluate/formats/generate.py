"""Generation: the model writes its answer with greedy decoding; the text is compared with the accepted answers.

Training minimizes the cross-entropy of the tokens of one right answer (`language_model_loss`): the text in `shown` or,
without one, the first accepted answer, then the end-of-text token, at which generation stops. The rows of role train
have these tokens as their only option.
"""

from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import Wording
from junkdna.errors import UserError
from junkdna.study.formats import Format

FORMAT = Format(
    label="generation",
    meaning="greedy text, compared with the accepted answers",
    caption="the text that the model writes is compared",
    models=("decoder",),
    default_for=("generate",),
    training="possible",
    prompt="prompt",
    columns=("query", "references"),
    train_columns=("query", "options", "option_starts"),
    modules=(
        "junkdna.evaluate.answers",
        "junkdna.evaluate.greedy",
        "junkdna.evaluate.metrics",
        "junkdna.evaluate.text_match",
    ),
    loss_module="junkdna.evaluate.language_model_loss",
)


def wording(settings) -> Wording:
    """A shot, or a row to train on, shows the answer in `shown` or, without one, its first accepted answer."""

    def answer(row: dict) -> str:
        return row["shown"] or row["references"][0]

    trains = settings.role == "train"
    return Wording(settings.description, settings.prompt, lambda row: [answer(row)] if trains else None, answer)


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The prompt, truncated to leave room for the new tokens. In rows to train on, with the answer and its end."""
    if settings.role != "train":
        return prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"task {settings.task}: this model's tokenizer has no end-of-text token, so training could not show where "
            "an answer ends. Set eos_token in its tokenizer_config.json, use another model, or transfer: none."
        )
    coded = prompt_rows(rows, shots, tokenizer, settings, readable and readable - 1, wording(settings))
    return [row | {"options": [[*row["options"][0], tokenizer.eos_token_id]]} for row in coded]


def score(settings, model, rows, device, loop, tokenizer):
    """The generated texts with their credits; `correct` of an example is its credit under the task's own metric."""
    import numpy as np

    from junkdna.evaluate import metrics, text_match
    from junkdna.evaluate.answers import Answers
    from junkdna.evaluate.greedy import greedy_texts

    options, metric = settings.generate, settings.metric
    texts = greedy_texts(model, tokenizer(), rows["query"], device, options.max_new_tokens, options.stop, loop)
    credits = [
        text_match.credit(text, references, options.match, options.extract, options.exact)
        for text, references in zip(texts, rows["references"], strict=True)
    ]
    return Answers(
        {
            "id": rows["id"],
            "correct": [row[metric] for row in credits],
            "text": texts,
            "reference": [references[0] for references in rows["references"]],
            "truncated": rows["truncated"],
        },
        {name: float(np.mean([row[name] for row in credits])) for name in credits[0]},
        metrics.METRICS[metric].chance(None, None),
        text_match.constant_credit(rows["references"], options.match, options.exact)[metric],
        metrics.collapsed(np.array(texts)),
    )


def batch(model, rows, numbers, device):
    """The prompt of each row with its answer."""
    from junkdna.evaluate.language_model_loss import all_options, answer_batch

    return answer_batch(model, all_options(rows, numbers), device)

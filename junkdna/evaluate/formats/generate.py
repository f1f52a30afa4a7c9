"""Generation: the model writes its answer with greedy decoding; the text is compared with the accepted answers."""

from junkdna.data.prompt_rows import prompt_rows
from junkdna.data.prompts import Wording
from junkdna.study.formats import Format

FORMAT = Format(
    label="generation",
    meaning="greedy text, compared with the accepted answers",
    caption="the text that the model writes is compared",
    models=("decoder",),
    default_for=("generate",),
    prompt="prompt",
    columns=("query", "references"),
    modules=(
        "junkdna.evaluate.answers",
        "junkdna.evaluate.greedy",
        "junkdna.evaluate.metrics",
        "junkdna.evaluate.text_match",
    ),
)


def wording(settings) -> Wording:
    """A shot shows the answer in `shown` or, without one, its first accepted answer."""
    return Wording(
        settings.description, settings.prompt, lambda row: None, lambda row: row["shown"] or row["references"][0]
    )


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The prompt, truncated to leave room for the new tokens."""
    return prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))


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

"""Generation: the model writes its answer, greedily, and the text is compared with the accepted ones."""

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
    """The answer of a shot is the one it shows, or else the first accepted one."""
    return Wording(
        settings.description, settings.prompt, lambda row: None, lambda row: row["shown"] or row["references"][0]
    )


def tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]:
    """The prompt, with room for the new tokens."""
    return prompt_rows(rows, shots, tokenizer, settings, readable, wording(settings))


def score(settings, model, rows, device, loop, tokenizer):
    """The texts, each with its credits; `correct` of an example is its credit under the task's own metric."""
    import numpy as np

    from junkdna.evaluate import metrics, text_match
    from junkdna.evaluate.answers import Answers
    from junkdna.evaluate.greedy import greedy_texts

    asked, main = settings.generate, settings.metric
    texts = greedy_texts(model, tokenizer(), rows["query"], device, asked.max_new_tokens, asked.stop, loop)
    credits = [
        text_match.credit(text, references, asked.match, asked.extract, asked.exact)
        for text, references in zip(texts, rows["references"], strict=True)
    ]
    return Answers(
        {
            "id": rows["id"],
            "correct": [row[main] for row in credits],
            "text": texts,
            "reference": [references[0] for references in rows["references"]],
            "truncated": rows["truncated"],
        },
        {name: float(np.mean([row[name] for row in credits])) for name in credits[0]},
        metrics.METRICS[main].chance(None, None),
        text_match.constant_credit(rows["references"], asked.match, asked.exact)[main],
        metrics.collapsed(metrics.Outcome(None, np.array(texts), None)),
    )


loss = None

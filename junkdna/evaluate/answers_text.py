"""What a model writes on encoded rows of a `generate` task, and what each answer is worth."""

import numpy as np
from torch import nn

from junkdna.evaluate import metrics, text_match
from junkdna.evaluate.answers import Answers, Columns
from junkdna.evaluate.generate import greedy
from junkdna.resumable import Loop


def answer(settings: dict, model: nn.Module, tokenizer: object, rows: Columns, device: str, loop: Loop) -> Answers:
    """Greedy answers on encoded rows (columns of `tokens_file.SCHEMA`) under `settings.cell_settings`, each with its
    credits.

    `correct` of an example is its credit under the task's own metric. `loop` goes through the batches.
    """
    asked = settings["generate"]
    texts = greedy(model, tokenizer, rows["query"], device, asked["max_new_tokens"], asked["stop"], loop)
    credits = [
        text_match.credit(text, references, asked["match"], asked["extract"], asked["exact"])
        for text, references in zip(texts, rows["references"], strict=True)
    ]
    main = settings["metric"]
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
        text_match.constant_credit(rows["references"], asked["match"], asked["exact"])[main],
        metrics.collapsed(metrics.Outcome(None, np.array(texts), None)),
    )

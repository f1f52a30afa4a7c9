"""Knobs: what makes one task harder by construction, applied to a canonical example."""

import hashlib
from collections.abc import Mapping

from junkdna.errors import UserError


def apply_knobs(example: dict, knobs: Mapping[str, int | str]) -> dict:
    """The example with every knob at the given value (a new dict; the example is left alone).

    `options=n` keeps the right choice and n - 1 distractors. Which distractors stay is fixed by a hash of the
    example's id and the distractor's position, the same for every n, so a smaller set lies inside a larger one;
    the order of the kept choices stays as it was. Raises UserError when the example has too few choices.
    `context=none` takes the passage away, `context=passage` keeps it whole.
    """
    changed = dict(example)
    if "options" in knobs:
        changed |= _keep_options(example, int(knobs["options"]))
    if knobs.get("context") == "none":
        changed["passage"] = None
    return changed


def _keep_options(example: dict, n: int) -> dict:
    choices, answer = example["choices"], example["answer"]
    if not 2 <= n <= len(choices):
        raise UserError(
            f"knob options={n}: example {example['id']!r} has {len(choices)} choices; n must lie in 2..{len(choices)}. "
            f"Take the value off the task's knob, or off the experiment."
        )
    distractors = [i for i in range(len(choices)) if i != answer]
    distractors.sort(key=lambda i: hash_key("options", example["id"], i))
    kept = sorted([answer, *distractors[: n - 1]])
    return {"choices": [choices[i] for i in kept], "answer": kept.index(answer)}


def hash_key(*parts: object) -> str:
    """SHA-256 hex digest of the parts: an order that is random to the eye and the same everywhere."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()

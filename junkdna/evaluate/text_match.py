"""Whether a generated text matches one of the accepted answers: strictly, leniently, and by shared words.

Texts are compared after the normalization of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250), numbers as numbers. For a
task with `generate.exact`, strict credit follows lm-evaluation-harness instead (`verbatim_match`). An empty text, or
one that normalization leaves empty, is always wrong.

`lenient_match` is the "exact match" of the literature on compressed models, containment in either direction, without
the rules that make that measure count wrong answers as right. There an empty text is right, any substring of an
accepted answer is right (a letter, "of"), short answers match inside words, and one script searches the prompt too.
Here the text must not contain the prompt, only complete words match, and a text inside an answer must be most of it.
"""

import math
import re
import string
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Literal

from junkdna.data.numbers import ascii_minus, last_number, number, reference_number

Match = Literal["text", "number"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LONG_DASHES = str.maketrans("—―", "  ")  # they separate words, with or without spaces around them
_RELATIVE = 1e-6


def credit(
    text: str, references: list[str], match: Match, extract: str | None = None, exact: dict | None = None
) -> dict[str, float]:
    """Credit of one generated text, each 0..1: {"exact_match", "lenient_match"} and, for text, "token_f1".

    - `references`: the accepted answers.
    - `extract`: a regular expression with one group. Strict credit and `token_f1` then use only the group of its first
      match, and are 0 without a match; lenient credit uses the complete text.
    - `exact`: the fields of `task.ExactMatch`; strict credit is then `verbatim_match`.

    Raises UserError for a reference that is not a number if `match` is "number".
    """
    answer = text if extract is None else _extracted(text, extract)
    strict = None if exact is None else verbatim_match(answer, references, exact)
    if match == "number":
        text = ascii_minus(text)
        answer = text if extract is None else _extracted(text, extract)
        numbers = [reference_number(reference) for reference in references]
        return {
            "exact_match": float(_equals_any(number(answer), numbers) if strict is None else strict),
            "lenient_match": float(_equals_any(last_number(text), numbers)),
        }
    return {
        "exact_match": float(strict_match(answer, references) if strict is None else strict),
        "lenient_match": float(lenient_match(text, references)),
        "token_f1": token_f1(answer, references),
    }


def constant_credit(references: list[list[str]], match: Match, exact: dict | None = None) -> dict[str, float]:
    """Mean credit of always giving the answer that most examples accept (the first such answer if there are several).

    This is the majority baseline of generated text. The answer is assumed to have the form that strict credit requires.
    For exact match no constant answer is better; for the other two metrics it is a lower bound of the best constant
    text.
    """
    spelled = [{_key(reference, match, exact): reference for reference in accepted} for accepted in references]
    counts = Counter(key for answers in spelled for key in answers if key != "")
    constant = ""
    if counts:
        most = counts.most_common(1)[0][0]
        constant = next(answers[most] for answers in spelled if most in answers)
    rows = [credit(constant, accepted, match, exact=exact) for accepted in references]
    return {name: math.fsum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _key(reference: str, match: Match, exact: dict | None) -> str | float:
    if exact is not None:
        return _without_ignored(reference, exact)
    return normalize(reference) if match == "text" else reference_number(reference)


def _extracted(text: str, extract: str) -> str:
    match = re.search(extract, text)
    return (match[1] or "") if match else ""


# ---- texts -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # all metrics of an example normalize the same accepted answers
def normalize(text: str) -> str:
    """Lower case, no punctuation, no articles (a, an, the), single spaces: the normalization of SQuAD.

    Punctuation is deleted, not replaced ("U.S." becomes "us"). SQuAD handles only ASCII; here all Unicode punctuation
    is deleted, so curly quotes do not matter, long dashes become spaces, and composed and decomposed accents are equal.
    Accents, number words and plurals do not change.
    """
    kept = text.lower().translate(_PUNCTUATION)
    if not kept.isascii():
        kept = unicodedata.normalize("NFC", kept).translate(_LONG_DASHES)
        kept = "".join(c for c in kept if not unicodedata.category(c).startswith("P"))
    return " ".join(_ARTICLES.sub(" ", kept).split())


def strict_match(prediction: str, references: list[str]) -> bool:
    """Whether the normalized prediction is not empty and equals a normalized accepted answer."""
    text = normalize(prediction)
    return bool(text) and any(text == normalize(reference) for reference in references)


def verbatim_match(prediction: str, references: list[str], exact: dict) -> bool:
    """Whether the prediction equals an accepted answer after removing from both what `exact` ignores.

    Follows lm-evaluation-harness 0.4.13 (`exact_match_hf_evaluate`, after its filter `remove_whitespace`): removes
    white space around the prediction, then the matches of each regular expression in `ignore`, then case and ASCII
    punctuation. Numbers are compared as text: "18.0" is not "18". Unlike there, a prediction that becomes empty is
    wrong.
    """
    text = _without_ignored(prediction.strip(), exact)
    return bool(text.strip()) and any(text == _without_ignored(reference, exact) for reference in references)


def _without_ignored(text: str, exact: dict) -> str:
    for pattern in exact["ignore"]:
        text = re.sub(pattern, "", text)
    text = text.lower() if exact["ignore_case"] else text
    return text.translate(_PUNCTUATION) if exact["ignore_punctuation"] else text


def lenient_match(prediction: str, references: list[str]) -> bool:
    """Whether the prediction contains an accepted answer, or is most of an accepted answer.

    Both as a consecutive run of complete words after normalization. A prediction inside an answer must be more than
    half of the answer's words: "New York" matches "New York City", but "New" does not match "New York", and a surname
    does not match a name of two words unless the data set lists it. A prediction that lists several candidates
    including the right one is right: the measure cannot detect guessing.
    """
    words = normalize(prediction).split()
    return any(
        _contains(words, answer) or (_contains(answer, words) and 2 * len(words) > len(answer))
        for answer in (normalize(reference).split() for reference in references)
    )


def _contains(words: list[str], run: list[str]) -> bool:
    """Whether `run` is not empty and a consecutive run of `words`."""
    size = len(run)
    return bool(run) and any(words[start : start + size] == run for start in range(len(words) - size + 1))


def token_f1(prediction: str, references: list[str]) -> float:
    """Largest F1 of the words shared with an accepted answer, counting repeated words as SQuAD does; 0 for an empty
    text.
    """
    words = Counter(normalize(prediction).split())
    answers = (normalize(reference).split() for reference in references)
    sharing = (answer for answer in answers if not words.keys().isdisjoint(answer))  # the others score 0
    return max(
        (2 * (words & Counter(answer)).total() / (words.total() + len(answer)) for answer in sharing), default=0.0
    )


def _equals_any(value: float | None, references: list[float]) -> bool:
    return value is not None and any(_same(value, reference) for reference in references)


def _same(a: float, b: float) -> bool:
    """Equal to within 1e-6 of the larger; integers exactly, because 1,234,567 is not 1,234,568."""
    if a.is_integer() and b.is_integer():
        return a == b
    return math.isclose(a, b, rel_tol=_RELATIVE)

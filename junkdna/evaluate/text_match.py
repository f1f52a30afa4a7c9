"""Whether a generated text gives one of the accepted answers: strictly, leniently, and by shared words.

Texts are compared after the normalization of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250). Numbers are compared as
numbers. A task that gives `generate.exact` is compared strictly as lm-evaluation-harness does instead (`as_written`). A
text that says nothing is wrong, always: an empty one, and one of which normalization leaves nothing.

`lenient_match` is the "exact match" of the literature on compressed models, containment in either direction, without
what makes that measure count wrong answers as right. There an empty text is right, any piece of an accepted answer is
right (a letter, "of"), short answers are found inside words, and one script searches the prompt too. Here the text must
not hold the prompt, containment is of whole words, and a text inside an answer must be most of it.
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
_LONG_DASHES = str.maketrans("—―", "  ")  # they part words, also where no space stands round them
_RELATIVE = 1e-6


def credit(
    text: str, references: list[str], match: Match, extract: str | None = None, exact: dict | None = None
) -> dict[str, float]:
    """Credit of one generated text, each 0..1: {"exact_match", "lenient_match"} and, for text, "token_f1".

    `references` are the accepted answers. `extract` is a regular expression with one group: strict credit (and
    `token_f1`) then looks at the group of its first match only, and is 0 where nothing matches; lenient credit looks
    at the whole text. `exact` (the fields of `task.ExactMatch`) makes strict credit that of `as_written`.
    Raises UserError for a reference that is no number where `match` is "number".
    """
    given = text if extract is None else _extracted(text, extract)
    strict = None if exact is None else as_written(given, references, exact)
    if match == "number":
        text = ascii_minus(text)
        found = text if extract is None else _extracted(text, extract)
        wanted = [reference_number(reference) for reference in references]
        return {
            "exact_match": float(_equals_any(number(found), wanted) if strict is None else strict),
            "lenient_match": float(_equals_any(last_number(text), wanted)),
        }
    found = given
    return {
        "exact_match": float(strict_match(found, references) if strict is None else strict),
        "lenient_match": float(lenient_match(text, references)),
        "token_f1": token_f1(found, references),
    }


def constant_credit(references: list[list[str]], match: Match, exact: dict | None = None) -> dict[str, float]:
    """Mean credit of always giving the answer that most examples accept (the first of them among equals).

    This is the majority baseline of generated text. The answer is taken to stand in the form that strict credit wants.
    For exact match no constant answer does better; for the other two it is a lower bound of the best constant text.
    """
    spelled = [{_key(reference, match, exact): reference for reference in accepted} for accepted in references]
    counts = Counter(key for own in spelled for key in own if key != "")
    constant = ""
    if counts:
        most = counts.most_common(1)[0][0]
        constant = next(own[most] for own in spelled if most in own)
    rows = [credit(constant, accepted, match, exact=exact) for accepted in references]
    return {name: math.fsum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _key(reference: str, match: Match, exact: dict | None) -> str | float:
    if exact is not None:
        return _left(reference, exact)
    return normalize(reference) if match == "text" else reference_number(reference)


def _extracted(text: str, extract: str) -> str:
    found = re.search(extract, text)
    return (found[1] or "") if found else ""


# ---- texts -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # every measure of one example asks for the same accepted answers
def normalize(text: str) -> str:
    """Lower case, no punctuation, no articles (a, an, the), single spaces: the normalization of SQuAD.

    Punctuation is deleted, not replaced ("U.S." is "us"). Beyond SQuAD, which knows ASCII alone, all of Unicode's
    punctuation goes (so that curly quotes and long dashes do not matter); long dashes become spaces, and composed and
    decomposed accents are the same. Accents, number words and plurals are left as they are.
    """
    kept = text.lower().translate(_PUNCTUATION)
    if not kept.isascii():
        kept = unicodedata.normalize("NFC", kept).translate(_LONG_DASHES)
        kept = "".join(c for c in kept if not unicodedata.category(c).startswith("P"))
    return " ".join(_ARTICLES.sub(" ", kept).split())


def strict_match(prediction: str, references: list[str]) -> bool:
    """Whether the prediction, normalized, equals any accepted answer, normalized, and is not empty."""
    given = normalize(prediction)
    return bool(given) and any(given == normalize(reference) for reference in references)


def as_written(prediction: str, references: list[str], exact: dict) -> bool:
    """Whether the prediction equals an accepted answer, both without what `exact` ignores.

    As lm-evaluation-harness 0.4.13 compares them (`exact_match_hf_evaluate`, after its filter `remove_whitespace`):
    white space around the prediction goes, then what each regular expression of `ignore` finds, then case and ASCII
    punctuation. Numbers are text here: "18.0" is not "18". Unlike there, a prediction that leaves nothing is wrong.
    """
    given = _left(prediction.strip(), exact)
    return bool(given.strip()) and any(given == _left(reference, exact) for reference in references)


def _left(text: str, exact: dict) -> str:
    for pattern in exact["ignore"]:
        text = re.sub(pattern, "", text)
    text = text.lower() if exact["ignore_case"] else text
    return text.translate(_PUNCTUATION) if exact["ignore_punctuation"] else text


def lenient_match(prediction: str, references: list[str]) -> bool:
    """Whether an accepted answer stands in the prediction, or the prediction is most of an accepted answer.

    Both as an unbroken run of whole words after normalization. A prediction inside an answer must be more than half of
    the answer's words: "New York" is enough for "New York City", "New" is not enough for "New York", nor is a surname
    for a name of two words unless the data set lists it. A prediction that names several candidates, the right one
    among them, is right: the measure cannot see that it guesses.
    """
    given = normalize(prediction).split()
    return any(
        _holds(given, wanted) or (_holds(wanted, given) and 2 * len(given) > len(wanted))
        for wanted in (normalize(reference).split() for reference in references)
    )


def _holds(words: list[str], part: list[str]) -> bool:
    """Whether `part`, which must not be empty, is an unbroken run of `words`."""
    size = len(part)
    return bool(part) and any(words[at : at + size] == part for at in range(len(words) - size + 1))


def token_f1(prediction: str, references: list[str]) -> float:
    """Largest F1 of words shared with an accepted answer, repeated words counted, as in SQuAD; 0 for an empty one."""
    given = Counter(normalize(prediction).split())
    wanted = (normalize(reference).split() for reference in references)
    near = (words for words in wanted if not given.keys().isdisjoint(words))  # the others score 0
    return max((2 * (given & Counter(words)).total() / (given.total() + len(words)) for words in near), default=0.0)


def _equals_any(given: float | None, wanted: list[float]) -> bool:
    return given is not None and any(_same(given, value) for value in wanted)


def _same(given: float, wanted: float) -> bool:
    """Equal to 1e-6 of the larger; whole numbers exactly, because 1,234,567 is not 1,234,568."""
    if given.is_integer() and wanted.is_integer():
        return given == wanted
    return math.isclose(given, wanted, rel_tol=_RELATIVE)

"""Find an answer in a passage: complete words and numbers, in any letter case and Unicode form.

Passage and answer are normalized before they are compared. The result is given in characters of the original passage.
The normalization:

- Compatibility decomposition and case folding: composed and decomposed accents, full-width letters and digits,
  ligatures, "ß" and "ss" compare equal, as do dotted, dotless and plain i. Accents count ("cafe" is not "café").
  Superscript digits and fractions such as "½" are kept: "5²" is not 52. A circled number is a separate word:
  "①" contains 1, and "Paris①" contains Paris.
- Invisible format characters (soft hyphens, zero-width spaces, direction marks) are ignored.
- A run of white space becomes one space, and so does a hyphen between two letters ("well-known"). Curly quotes and
  accents used as apostrophes (Newton´s, Hawaiʻi) become straight apostrophes, and dashes become hyphens.
- Commas, apostrophes and narrow or no-break spaces between thousands are ignored: "10,000" and "10'000" are 10000. An
  ordinary space separates thousands only if a group is 000: "10 000" is one number, "5 100" are two.
- A full-width comma or colon between digits that are not both full-width ends a number: "答案1：5个" contains 5.

What counts as a match:

- **Words** match only as complete words: "red" does not match in "reddish", "red_fox" or "reds" (a plural is another
  word), but it matches in "red's", "red-hot" and "_red_". A superscript number marks a footnote after three or more
  letters ("Paris¹"), and a power after fewer letters or after digits ("km²", "5²"). "U.S." does not match in "U.S.A.".
  A sign at the end of an answer (C++, $5) needs no word boundary.
- **Numbers** match only as complete numbers: 5 does not match in 2.5, 1,500, 12:50, 1/5, 1e-5, 5², 3rd, 5km or -5, but
  it matches in "$5", "5%", "5.", "№5", "3-5" and "3--5". A minus after a digit, letter, closing bracket, percent sign
  or hyphen is not a sign. "5.0" is another number. The parts of a date with hyphens are numbers too: 31 matches in
  2017-01-31, as in "31 January".
- **Chinese and Japanese numerals** (from 〇 and 一 to 億 and 兆) count as digits: 五 does not match in
  十五, nor 5 in 5万.
- **Scripts without spaces** (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan and others) have no word boundaries:
  an answer matches anywhere in such text, also across line breaks. Korean words take endings, so a Korean answer
  matches at the start of a word. A change to or from such a script ends a word.
- A match never starts or ends between a character and its accents.
- Quotes, brackets and punctuation at the ends of an answer are optional: a match includes them if the passage has them.
"""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

Span = tuple[int, int]

_SPACELESS = re.compile(  # Thai, Lao, Tibetan, Burmese, Khmer, Tai, Balinese, Javanese; CJK, kana, bopomofo, Yi
    r"[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9df\uaa60-\uaadf"
    r"\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uf900-\ufaff\U00016fe0-\U00018fff\U0001aff0-\U0001b16f"
    r"\U00020000-\U0003ffff]"
)
_HANGUL = re.compile(r"[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")  # decomposed
_JOINING_JAMO = re.compile(r"[\u1160-\u11ff\ud7b0-\ud7ff]")  # vowels and ends of a syllable
_SAME = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bb\u02bc\u2032\xb4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\xab\xbb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2007\u2009\u202f\xa0", "\u2009"),  # spaces that may separate thousands
    "\u2044": "/", "\u2215": "/", "\u2236": ":", "\u2116": "\u2116",
    "\u0130": "i", "\u0131": "i", "\u066b": ".", "\u066c": ",",
}  # fmt: skip
_GROUPED = re.compile(
    r"(?<![0-9])(?<![0-9][.,:/])[0-9]{1,3}"
    r"(?:(?:,[0-9]{3})+|(?:\u2009[0-9]{3})+|(?:'[0-9]{3})+|(?: [0-9]{3})* 000(?: [0-9]{3})*)(?![0-9])(?!,[0-9])"
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])|(?<=[\u0300-\u036f])-(?=[^\W\d_])")
_BLANK, _BLANKS = re.compile(r"\s"), re.compile(r"\s{2,}")
_NUMBER_BEFORE = re.compile(  # 2.5, 12:50, .5, -5, -$5: the digits that follow belong to a longer number
    r"(?:[0-9][.,:/^]|[0-9]e[-+]|(?:^|[\s(\[$€£-])\.|(?:^|[^\w)\]}%-])-[$€£¥₹]?)$"
)
_NUMBER_AFTER = re.compile(r"[.,:/][0-9]|\^")
_DOTTED_BEFORE, _DOTTED = re.compile(r"(?:^|\W)[^\W\d_]\.$"), re.compile(r"[^\W\d_]\.")
_DOTTED_END, _DOTTED_AFTER = re.compile(r"\.[^\W\d_]\.?$"), re.compile(r"\.?[^\W\d_](?!\w)")
_SUPERSCRIPTS, _THREE_LETTERS = "¹²³⁰⁴⁵⁶⁷⁸⁹", re.compile(r"(?:[^\W\d_][\u0300-\u036f]*){3}$")
_NUMERAL = re.compile(r"[0-9〇零一二三四五六七八九十百千万萬億亿兆]")
_CIRCLES = [0x24EA, *range(0x2460, 0x2474), *range(0x3251, 0x3260), *range(0x32B1, 0x32C0)]  # 0 to 50
_CIRCLED = {unicodedata.normalize("NFKD", sign): sign for sign in map(chr, _CIRCLES)}
_OPENING, _CLOSING = "'\"([{<\u300c\u300e\u3010\u300a", "'\")]}>.,;:!?\u300d\u300f\u3011\u300b\u3001\u3002"


def find_answer(passage: str, answers: list[str]) -> Span | None:
    """Start and end (exclusive) of the first match of any answer in characters of the passage; None without a match.

    Of several matches with the same start it returns the longest.
    """
    return min(_matches(passage, answers), key=lambda span: (span[0], -span[1]), default=None)


def find_answers(passage: str, answers: list[str]) -> list[Span]:
    """All matches of any answer, in order. Overlapping matches are merged into one span."""
    spans: list[Span] = []
    for start, end in sorted(_matches(passage, answers)):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _matches(passage: str, answers: list[str]) -> list[Span]:
    text, source = _folded(passage)
    matches = []
    for pattern in filter(None, map(_pattern, answers)):
        at = 0
        while match := pattern.search(text, at):
            at = match.start() + 1
            if _begins(text, source, *match.span()) and _ends(text, source, *match.span()):
                spans = source[slice(*match.span())]
                matches.append((min(start for start, _ in spans), max(end for _, end in spans)))
    return matches


def _begins(text: str, source: Sequence[Span], start: int, end: int) -> bool:
    """Whether `start` is the start of a word, a number and a character with its accents."""
    if _joins(text, source, start):
        return False
    before, first = _beyond(text, start - 1, -1) if start else "", text[start]
    if _script(before) and _script(before) == _script(first) != "spaceless":
        return False
    if _NUMERAL.match(before) and _NUMERAL.match(first):
        return False
    if re.match(r"[$€£¥₹]?[0-9]", text[start:end]) and _NUMBER_BEFORE.search(text, max(0, start - 3), start):
        return False
    if re.match(r"[-+.][0-9]", text[start:end]) and re.match(r"[\w)\]}%]", before):  # the minus in 3-5 is not a sign
        return False
    return not (_DOTTED.match(text, start) and _DOTTED_BEFORE.search(text, max(0, start - 3), start))


def _ends(text: str, source: Sequence[Span], start: int, end: int) -> bool:
    """Whether `end` is the end of a word, a number and a character with its accents. Korean words may continue."""
    if _joins(text, source, end):
        return False
    last, after = text[end - 1], _beyond(text, end, 1)
    if _script(after) and _script(after) == _script(last) == "other":
        return False
    if _NUMERAL.match(after) and _NUMERAL.match(last):
        return False
    stop = re.search(r"[0-9]([.,:/]?)$", text[start:end])
    if stop and _NUMBER_AFTER.match(text, end - len(stop[1])):
        return False
    return not (_DOTTED_END.search(text, start, end) and _DOTTED_AFTER.match(text, end))


def _joins(text: str, source: Sequence[Span], at: int) -> bool:
    """Whether the character at `at` belongs to the previous one, as accents and the letters of a ligature do."""
    if not 0 < at < len(text):
        return False
    joining = unicodedata.category(text[at])[0] == "M" or _JOINING_JAMO.match(text[at])
    return bool(joining) or source[at - 1] == source[at]


def _script(character: str) -> str:
    """Kind of a word character: "spaceless", "korean" or "other"; "" for a character that is not part of words."""
    if _SPACELESS.match(character):
        return "spaceless"
    if _HANGUL.match(character):
        return "korean"
    return "other" if (character.isalnum() and not _is_circled(character)) or character == "_" else ""


def _is_circled(character: str) -> bool:
    return character.isnumeric() and unicodedata.decomposition(character).startswith("<circle>")


def _beyond(text: str, at: int, step: int) -> str:
    """The character at `at`; "" if it only marks the adjacent word (_emphasis_, a footnote number).

    `step` is the direction away from the word: 1 or -1.
    """
    here, further = text[at : at + 1], text[at + step : at + step + 1] if at + step >= 0 else ""
    if here == "_" and not further.isalnum():
        return ""
    if step > 0 and here and here in _SUPERSCRIPTS and not further.isalpha():
        return "" if _THREE_LETTERS.search(text, max(0, at - 20), at) else here
    return here


# --- normalization ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _folded(text: str) -> tuple[str, Sequence[Span]]:
    """The normalized text and, for each of its characters, the span of `text` that it comes from."""
    if text.isascii():
        folded, spans = text.lower().replace("`", "'"), [(i, i + 1) for i in range(len(text))]
    else:
        pairs = [(letter, (i, i + 1)) for i, character in enumerate(text) for letter in _fold_at(text, i, character)]
        pairs = _ordered_accents(pairs)
        folded, spans = "".join(letter for letter, _ in pairs), [span for _, span in pairs]
    folded = _HYPHEN.sub(" ", folded)
    dropped = {
        group.start() + i
        for group in _GROUPED.finditer(folded)
        for i, letter in enumerate(group[0])
        if letter in ",\u2009' "
    }
    dropped |= {i for blanks in _BLANKS.finditer(folded) for i in range(blanks.start() + 1, blanks.end())}
    if dropped:
        spans = [span for i, span in enumerate(spans) if i not in dropped]
        folded = "".join(letter for i, letter in enumerate(folded) if i not in dropped)
    return _BLANK.sub(" ", folded), spans


def _fold_at(text: str, at: int, character: str) -> str:
    """One character, normalized. A full-width comma or colon ends a number unless between full-width digits."""
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    if character in "\uff0c\uff1a" and around.isdecimal() and not re.fullmatch(r"[\uff10-\uff19]{2}", around):
        return "\u3001"
    return _fold(character)


@cache
def _fold(character: str) -> str:
    if character in _SAME:
        return _SAME[character]
    if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f" or character == "\u034f":
        return ""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if _is_circled(character):
        return character
    if unicodedata.decomposition(character).startswith(("<super>", "<fraction>")) and not character.isalpha():
        return character if character.isnumeric() else "^"
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(_SAME.get(letter, letter) for letter in decomposed)


def _ordered_accents(pairs: list[tuple[str, Span]]) -> list[tuple[str, Span]]:
    """Accents in canonical order. The dot of a dotted i is removed."""
    ordered: list[tuple[str, Span]] = []
    for pair in pairs:
        order = unicodedata.combining(pair[0])
        if pair[0] == "\u0307" and ordered and ordered[-1][0] == "i":
            ordered[-1] = ("i", (ordered[-1][1][0], pair[1][1]))
            continue
        at = len(ordered)
        while order and at and unicodedata.combining(ordered[at - 1][0]) > order:
            at -= 1
        ordered.insert(at, pair)
    return ordered


@lru_cache(maxsize=4096)
def _pattern(answer: str) -> re.Pattern | None:
    """The pattern of an answer in normalized text; None if it is empty after normalization."""
    text = _folded(answer)[0].strip()
    core = text.lstrip(_OPENING).rstrip(_CLOSING).strip()
    if not any(map(_script, core)):  # signs only, such as "?" or "->"
        core = text
    if not core:
        return None
    head, tail = text[: text.index(core)], text[text.index(core) + len(core) :]
    letters = re.sub(rf"(?<={_SPACELESS.pattern}) (?={_SPACELESS.pattern})", "", core)
    body = re.escape(letters[0])
    for before, here in itertools.pairwise(letters):
        loose = _SPACELESS.match(before) and _SPACELESS.match(here)
        body += (" ?" if loose else "") + re.escape(here)
    pattern = f"(?:{re.escape(head)})?{body}(?:{re.escape(tail)})?"
    return re.compile(f"{pattern}|{_CIRCLED[core]}" if core in _CIRCLED else pattern)

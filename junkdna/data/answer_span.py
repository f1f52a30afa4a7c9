"""Where an answer stands in a passage: whole words, whole numbers, any case, any Unicode form.

Passage and answer are brought into one form before they are compared, and what is found is given in characters of the
passage as it is. The form:

- compatibility decomposition and case folding: composed and decomposed accents, full-width letters and digits,
  ligatures, "ß" and "ss" are equal (dotted, dotless and plain i too); accents count ("cafe" is not "café").
  Superscript digits and fractions such as "½" stay what they are: "5²" is not 52. A circled number is a word of its
  own: "①" holds 1, and "Paris①" holds Paris;
- invisible format characters (soft hyphens, zero-width blanks, direction marks) do not count;
- a run of white space is one blank, and so is a hyphen between two letters ("well-known"); curly quotes and
  accents used as apostrophes (Newton´s, Hawaiʻi) are straight and dashes are hyphens;
- commas, apostrophes and narrow or no-break spaces between thousands do not count: "10,000" and "10'000" are 10000. An
  ordinary space counts as such only where a group is 000: "10 000" is one number, "5 100" are two;
- a full-width comma or colon between digits that are not both full-width ends a number: "答案1：5个" holds 5.

What is a find:

- **Words** are whole: "red" does not stand in "reddish", "red_fox" or "reds" (a plural is another word), but in
  "red's", "red-hot" and "_red_". A superscript number after three or more letters marks a footnote ("Paris¹"), after
  fewer letters and after digits a power ("km²", "5²"). "U.S." does not stand in "U.S.A.". A sign at the end of an
  answer (C++, $5) needs no border.
- **Numbers** are whole: 5 does not stand in 2.5, 1,500, 12:50, 1/5, 1e-5, 5², 3rd, 5km or -5, but in "$5", "5%",
  "5.", "№5", "3-5" and "3--5". A minus after a digit, letter, closing bracket, percent sign or hyphen is none. "5.0" is
  another number. The parts of a date with hyphens are numbers too: 31 stands in 2017-01-31, as in "31 January".
- **Chinese and Japanese numerals** (from 〇 and 一 to 億 and 兆) are digits: 五 does not stand in 十五, nor 5 in 5万.
- **Scripts without blanks** (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan and others) have no word borders: an
  answer is found anywhere in such text, across line breaks too. Korean words take endings, so a Korean answer is found
  where a word begins with it. Where such a script meets another one, a word ends.
- A find never begins or ends inside a character and its accents.
- Quotes, brackets and stops at the ends of an answer are taken along where they are there, and need not be.
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
    **dict.fromkeys("\u2007\u2009\u202f\xa0", "\u2009"),  # blanks that may part thousands
    "\u2044": "/", "\u2215": "/", "\u2236": ":", "\u2116": "\u2116",
    "\u0130": "i", "\u0131": "i", "\u066b": ".", "\u066c": ",",
}  # fmt: skip
_GROUPED = re.compile(
    r"(?<![0-9])(?<![0-9][.,:/])[0-9]{1,3}"
    r"(?:(?:,[0-9]{3})+|(?:\u2009[0-9]{3})+|(?:'[0-9]{3})+|(?: [0-9]{3})* 000(?: [0-9]{3})*)(?![0-9])(?!,[0-9])"
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])|(?<=[\u0300-\u036f])-(?=[^\W\d_])")
_BLANK, _BLANKS = re.compile(r"\s"), re.compile(r"\s{2,}")
_NUMBER_BEFORE = re.compile(  # 2.5, 12:50, .5, -5, -$5: what makes the digits that follow a piece of another number
    r"(?:[0-9][.,:/^]|[0-9]e[-+]|(?:^|[\s(\[$€£-])\.|(?:^|[^\w)\]}%-])-[$€£¥₹]?)$"
)
_NUMBER_AFTER = re.compile(r"[.,:/][0-9]|\^")
_DOTTED_BEFORE, _DOTTED = re.compile(r"(?:^|\W)[^\W\d_]\.$"), re.compile(r"[^\W\d_]\.")
_DOTTED_END, _DOTTED_AFTER = re.compile(r"\.[^\W\d_]\.?$"), re.compile(r"\.?[^\W\d_](?!\w)")
_SUPERSCRIPTS, _THREE_LETTERS = "¹²³⁰⁴⁵⁶⁷⁸⁹", re.compile(r"(?:[^\W\d_][\u0300-\u036f]*){3}$")
_NUMERAL = re.compile(r"[0-9〇零一二三四五六七八九十百千万萬億亿兆]")
_CIRCLED = {unicodedata.normalize("NFKD", sign): sign for sign in map(chr, [0x24EA, *range(0x2460, 0x2474)])}
_CIRCLED |= {
    unicodedata.normalize("NFKD", sign): sign for sign in map(chr, [*range(0x3251, 0x3260), *range(0x32B1, 0x32C0)])
}
_OPENING, _CLOSING = "'\"([{<", "'\")]}>.,;:!?"
_OPENING += "\u300c\u300e\u3010\u300a"
_CLOSING += "\u300d\u300f\u3011\u300b\u3001\u3002"


def answer_place(passage: str, answers: list[str]) -> Span | None:
    """First and last character (exclusive) of the first answer that stands in the passage, the longest of those that
    begin there; None where none does."""
    found = _finds(passage, answers)
    return min(found, key=lambda span: (span[0], -span[1])) if found else None


def answer_places(passage: str, answers: list[str]) -> list[Span]:
    """Every place of any answer, in order; places that overlap are one."""
    places: list[Span] = []
    for start, end in sorted(_finds(passage, answers)):
        if places and start < places[-1][1]:
            places[-1] = (places[-1][0], max(end, places[-1][1]))
        else:
            places.append((start, end))
    return places


def _finds(passage: str, answers: list[str]) -> list[Span]:
    text, source = _folded(passage)
    found = []
    for pattern in filter(None, map(_pattern, answers)):
        at = 0
        while match := pattern.search(text, at):
            at = match.start() + 1
            if _begins(text, source, *match.span()) and _ends(text, source, *match.span()):
                spans = source[slice(*match.span())]
                found.append((min(start for start, _ in spans), max(end for _, end in spans)))
    return found


def _begins(text: str, source: Sequence[Span], start: int, end: int) -> bool:
    """Whether a word, a number and a character begin at `start`."""
    if _joins(text, source, start):
        return False
    before, first = _beyond(text, start - 1, -1) if start else "", text[start]
    if _script(before) and _script(before) == _script(first) != "spaceless":
        return False
    if _NUMERAL.match(before) and _NUMERAL.match(first):
        return False
    if re.match(r"[$€£¥₹]?[0-9]", text[start:end]) and _NUMBER_BEFORE.search(text, max(0, start - 3), start):
        return False
    if re.match(r"[-+.][0-9]", text[start:end]) and re.match(r"[\w)\]}%]", before):  # the minus of 3-5 is no sign
        return False
    return not (_DOTTED.match(text, start) and _DOTTED_BEFORE.search(text, max(0, start - 3), start))


def _ends(text: str, source: Sequence[Span], start: int, end: int) -> bool:
    """Whether a word, a number and a character end at `end`. Korean words may go on."""
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
    """Whether the character at a place belongs to the one before it: accents do, and the letters of a ligature."""
    if not 0 < at < len(text):
        return False
    joining = unicodedata.category(text[at])[0] == "M" or _JOINING_JAMO.match(text[at])
    return bool(joining) or source[at - 1] == source[at]


def _script(character: str) -> str:
    """The kind "spaceless", "korean" or "other" for what words are made of, "" for the rest."""
    if _SPACELESS.match(character):
        return "spaceless"
    if _HANGUL.match(character):
        return "korean"
    return "other" if (character.isalnum() and not _is_circled(character)) or character == "_" else ""


def _is_circled(character: str) -> bool:
    return character.isnumeric() and unicodedata.decomposition(character).startswith("<circle>")


def _beyond(text: str, at: int, step: int) -> str:
    """The character at a place, "" where it only marks the word next to it: _emphasis_ and the number of a footnote.

    `step` leads away from the word: 1 or -1.
    """
    here, further = text[at : at + 1], text[at + step : at + step + 1] if at + step >= 0 else ""
    if here == "_" and not further.isalnum():
        return ""
    if step > 0 and here and here in _SUPERSCRIPTS and not further.isalpha():
        return "" if _THREE_LETTERS.search(text, max(0, at - 20), at) else here
    return here


# --- one form ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _folded(text: str) -> tuple[str, Sequence[Span]]:
    """The text in the form that is compared, and for each of its characters the place in `text` that it comes from."""
    if text.isascii():
        folded, spans = text.lower().replace("`", "'"), [(i, i + 1) for i in range(len(text))]
    else:
        made = [(part, (i, i + 1)) for i, character in enumerate(text) for part in _fold_at(text, i, character)]
        made = _one_order(made)
        folded, spans = "".join(part for part, _ in made), [span for _, span in made]
    folded = _HYPHEN.sub(" ", folded)
    dropped = {
        group.start() + i
        for group in _GROUPED.finditer(folded)
        for i, part in enumerate(group[0])
        if part in ",\u2009' "
    }
    dropped |= {i for blanks in _BLANKS.finditer(folded) for i in range(blanks.start() + 1, blanks.end())}
    if dropped:
        spans = [span for i, span in enumerate(spans) if i not in dropped]
        folded = "".join(part for i, part in enumerate(folded) if i not in dropped)
    return _BLANK.sub(" ", folded), spans


def _fold_at(text: str, at: int, character: str) -> str:
    """The form of a character. A full-width comma or colon ends a number unless full-width digits are on both sides."""
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
    found = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(_SAME.get(part, part) for part in found)


def _one_order(made: list[tuple[str, Span]]) -> list[tuple[str, Span]]:
    """Accents in canonical order; the dot of a dotted i goes."""
    found: list[tuple[str, Span]] = []
    for pair in made:
        order = unicodedata.combining(pair[0])
        if pair[0] == "\u0307" and found and found[-1][0] == "i":
            found[-1] = ("i", (found[-1][1][0], pair[1][1]))
            continue
        at = len(found)
        while order and at and unicodedata.combining(found[at - 1][0]) > order:
            at -= 1
        found.insert(at, pair)
    return found


@lru_cache(maxsize=4096)
def _pattern(answer: str) -> re.Pattern | None:
    """What matches an answer in folded text; None where nothing of it is left."""
    text = _folded(answer)[0].strip()
    core = text.lstrip(_OPENING).rstrip(_CLOSING).strip()
    if not any(map(_script, core)):  # signs only, such as "?" or "->"
        core = text
    if not core:
        return None
    head, tail = text[: text.index(core)], text[text.index(core) + len(core) :]
    letters = re.sub(rf"(?<={_SPACELESS.pattern}) (?={_SPACELESS.pattern})", "", core)
    made = re.escape(letters[0])
    for before, here in itertools.pairwise(letters):
        loose = _SPACELESS.match(before) and _SPACELESS.match(here)
        made += (" ?" if loose else "") + re.escape(here)
    whole = f"{_optional(head)}{made}{_optional(tail)}"
    return re.compile(f"{whole}|{_CIRCLED[core]}" if core in _CIRCLED else whole)


def _optional(text: str) -> str:
    return f"(?:{re.escape(text)})?" if text else ""

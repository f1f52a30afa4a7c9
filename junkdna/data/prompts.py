"""Prompts of decoders: description, shots, question, and the texts of the options that may follow.

White space in the data stays. A template's own blanks at its end do not: a prompt and what follows it are parted by one
blank, as in lm-evaluation-harness 0.4.13, which `prompt` and `messages` follow.
"""

from collections.abc import Callable
from dataclasses import dataclass

from junkdna.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Wording:
    """How an answer format words a row: its question, the options that may follow, and the right answer in a shot.

    `options` gives None where no option is scored. A `suffix` follows every option and is scored in its place.
    """

    description: str
    template: str
    options: Callable[[dict], list[str] | None]
    answer: Callable[[dict], str]
    suffix: Callable[[dict], str] = lambda row: ""


def prompt(row: dict, shots: list[dict], wording: Wording) -> str:
    """The text in front of an answer: description, each shot with its answer, the row's own question.

    Parts are parted by an empty line.
    """
    parts = [f"{_question(shot, wording)} {_answer(shot, wording)}" for shot in shots]
    return _description(row, wording) + "\n\n".join([*parts, _question(row, wording)])


def messages(row: dict, shots: list[dict], wording: Wording) -> list[dict[str, str]]:
    """The same parts as a conversation: the description is the system's message, each shot one turn of the user and one
    of the assistant, the row's own question the user's last one."""
    said = [("system", _description(row, wording))]
    for shot in shots:
        said += [("user", _question(shot, wording)), ("assistant", _answer(shot, wording))]
    said.append(("user", _question(row, wording)))
    return [{"role": role, "content": text} for role, text in said if text]


def with_chat_template(tokenizer: object, said: list[dict[str, str]]) -> str:
    """The conversation `said` (`messages`) in the tokenizer's chat template, ready for the assistant's answer.

    Where the template refuses the system's message or leaves it out, its text stands in front of the first user message
    (lm-eval leaves it out). Raises UserError for a tokenizer without a template, and for a template that refuses the
    conversation or leaves out a question or an answer.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            "protocol chat_template: true, but this model's tokenizer has no chat template; set it to false, or take "
            "the model's instruction-tuned version."
        )
    found, why = _rendered(tokenizer, said)
    if not found and said[0]["role"] == "system":
        description, first, *rest = said
        found, why = _rendered(tokenizer, [{**first, "content": description["content"] + first["content"]}, *rest])
    if not found:
        raise UserError(
            f"protocol chat_template: true, but this model's chat template {why}; set it to false, or take fewer shots "
            f"(a template may know a single turn only)."
        )
    return found


def _rendered(tokenizer: object, said: list[dict[str, str]]) -> tuple[str | None, str]:
    """The conversation in the template and "", or None and why not: it must show every message."""
    from jinja2.exceptions import TemplateError

    try:
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        return None, f"refuses the conversation ({error})"
    lost = [message["role"] for message in said if message["content"].strip() not in text]
    return (None, f"leaves out what the {lost[0]} says") if lost else (text, "")


def _question(row: dict, wording: Wording) -> str:
    if len(row["choices"] or []) > len(LETTERS):
        raise UserError(f"example {row['id']!r} has more choices than there are letters ({len(row['choices'])}).")
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"] or [], strict=False))
    passage = f"{row['passage']}\n" if row["passage"] else ""
    return wording.template.rstrip(" ").format(
        passage=passage, text=row["text"], text_b=row["text_b"] or "", choices=lines, group=_group(row)
    )


def _answer(row: dict, wording: Wording) -> str:
    """The right answer of a row as a shot shows it, with what follows it."""
    return " ".join(filter(None, [wording.answer(row), wording.suffix(row)]))


def _description(row: dict, wording: Wording) -> str:
    text = wording.description.format(group=_group(row), passage="", text="", text_b="", choices="")
    return f"{text}\n\n" if text else ""


def _group(row: dict) -> str:
    return (row["group"] or "").replace("_", " ")

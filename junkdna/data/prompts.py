"""Prompts of decoders: description, shots, question, and the texts of the options that may follow.

White space in the data is kept, but blanks at the end of a template are removed: one blank separates a prompt and its
continuation, as in lm-evaluation-harness 0.4.13, which `prompt` and `messages` follow.
"""

from collections.abc import Callable
from dataclasses import dataclass

from junkdna.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Wording:
    """The texts of a row in an answer format: its question, the options that may follow, its right answer in a shot.

    `options` returns None if no option is scored. A `suffix` follows every option and is scored instead of it.
    """

    description: str
    template: str
    options: Callable[[dict], list[str] | None]
    answer: Callable[[dict], str]
    suffix: Callable[[dict], str] = lambda row: ""


def prompt(row: dict, shots: list[dict], wording: Wording) -> str:
    """The text before an answer: description, shots with their answers, and the row's question, separated by empty
    lines."""
    texts = [f"{_question(shot, wording)} {_answer(shot, wording)}" for shot in shots]
    return _description(row, wording) + "\n\n".join([*texts, _question(row, wording)])


def messages(row: dict, shots: list[dict], wording: Wording) -> list[dict[str, str]]:
    """The texts of `prompt` as a conversation: the description is the system message, each shot is a user message and
    an assistant message, and the row's question is the last user message."""
    turns = [("system", _description(row, wording))]
    for shot in shots:
        turns += [("user", _question(shot, wording)), ("assistant", _answer(shot, wording))]
    turns.append(("user", _question(row, wording)))
    return [{"role": role, "content": text} for role, text in turns if text]


def with_chat_template(tokenizer: object, conversation: list[dict[str, str]]) -> str:
    """The `conversation` (`messages`) in the tokenizer's chat template, ready for the assistant's answer.

    If the template rejects or omits the system message, its text goes in front of the first user message (lm-eval omits
    it). Raises UserError for a tokenizer without a template, and for a template that rejects the conversation or omits
    a question or an answer.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            "protocol chat_template: true, but this model's tokenizer has no chat template. Set it to false or use "
            "the model's instruction-tuned version."
        )
    text, problem = _rendered(tokenizer, conversation)
    if problem and conversation[0]["role"] == "system":
        description, first, *rest = conversation
        text, problem = _rendered(tokenizer, [{**first, "content": description["content"] + first["content"]}, *rest])
    if problem:
        raise UserError(
            f"protocol chat_template: true, but this model's chat template {problem}. Set it to false or use fewer "
            "shots (some templates support a single turn only)."
        )
    return text


def _rendered(tokenizer: object, conversation: list[dict[str, str]]) -> tuple[str, str]:
    """(The conversation in the template, ""), or ("", the problem) if the template rejects it or omits a message."""
    from jinja2.exceptions import TemplateError

    try:
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        return "", f"rejects the conversation ({error})"
    omitted = [message["role"] for message in conversation if message["content"].strip() not in text]
    return ("", f"omits the message of the {omitted[0]}") if omitted else (text, "")


def _question(row: dict, wording: Wording) -> str:
    if len(row["choices"] or []) > len(LETTERS):
        raise UserError(f"row {row['id']!r} has {len(row['choices'])} choices, more than there are letters.")
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"] or [], strict=False))
    passage = f"{row['passage']}\n" if row["passage"] else ""
    return wording.template.rstrip(" ").format(
        passage=passage, text=row["text"], text_b=row["text_b"] or "", choices=lines, group=_group(row)
    )


def _answer(row: dict, wording: Wording) -> str:
    """The right answer of a row as a shot shows it, with its suffix."""
    return " ".join(filter(None, [wording.answer(row), wording.suffix(row)]))


def _description(row: dict, wording: Wording) -> str:
    text = wording.description.format(group=_group(row), passage="", text="", text_b="", choices="")
    return f"{text}\n\n" if text else ""


def _group(row: dict) -> str:
    return (row["group"] or "").replace("_", " ")

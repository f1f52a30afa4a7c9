"""Prompts of decoders: description, shots, question, and the texts of the options that may follow.

White space in the data stays. A template's own blanks at its end do not: a prompt and what follows it are parted by one
blank, as in lm-evaluation-harness 0.4.13, which `prompt` and `messages` follow.
"""

from junkdna.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def prompt(row: dict, shots: list[dict], settings: dict) -> str:
    """The text in front of an answer: description, each shot with its answer, the row's own question.

    Parts are parted by an empty line. `settings` is `settings.tokenize_settings`.
    """
    parts = [f"{_question(shot, settings)} {shown_answer(shot, settings)}" for shot in shots]
    return _description(row, settings) + "\n\n".join([*parts, _question(row, settings)])


def messages(row: dict, shots: list[dict], settings: dict) -> list[dict[str, str]]:
    """The same parts as a conversation: the description is the system's message, each shot one turn of the user and one
    of the assistant, the row's own question the user's last one."""
    said = [("system", _description(row, settings))]
    for shot in shots:
        said += [("user", _question(shot, settings)), ("assistant", shown_answer(shot, settings))]
    said.append(("user", _question(row, settings)))
    return [{"role": role, "content": text} for role, text in said if text]


def option_texts(row: dict, settings: dict) -> list[str] | None:
    """What may follow the prompt: letters, choices, or the words of the classes; None where text is generated."""
    if settings["kind"] in ("classify", "pair"):
        return settings["verbalizers"]
    if settings["kind"] != "choice":
        return None
    return list(LETTERS[: len(row["choices"])]) if settings["choice"] == "letters" else row["choices"]


def shown_answer(row: dict, settings: dict) -> str:
    """The right answer of a row as a shot shows it."""
    if settings["kind"] == "generate":
        return row["shown"] or row["references"][0]
    if settings["kind"] == "regress":
        return f"{row['target']:g}"
    text = option_texts(row, settings)[row["answer"]]
    return f"{text} {row['ending']}" if row["ending"] and settings["choice"] != "letters" else text


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


def _question(row: dict, settings: dict) -> str:
    letters = settings["choice"] == "letters" and row["choices"]
    template = settings["mcq_prompt"] if letters else settings["prompt"]
    if len(row["choices"] or []) > len(LETTERS):
        raise UserError(f"example {row['id']!r} has more choices than there are letters ({len(row['choices'])}).")
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"] or [], strict=False))
    passage = f"{row['passage']}\n" if row["passage"] else ""
    return template.rstrip(" ").format(
        passage=passage, text=row["text"], text_b=row["text_b"] or "", choices=lines, group=_group(row)
    )


def _description(row: dict, settings: dict) -> str:
    text = settings["description"].format(group=_group(row), passage="", text="", text_b="", choices="")
    return f"{text}\n\n" if text else ""


def _group(row: dict) -> str:
    return (row["group"] or "").replace("_", " ")

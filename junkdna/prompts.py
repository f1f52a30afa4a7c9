"""Prompts of decoders: description, shots, question, and the texts of the options that may follow."""

from junkdna.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def prompt(row: dict, shots: list[dict], settings: dict) -> str:
    """The text in front of an answer: description, each shot with its answer, the row's own question.

    Parts are parted by an empty line. `settings` is `job_settings.encode_settings`.
    """
    parts = [f"{_question(shot, settings)} {shown_answer(shot, settings)}" for shot in shots]
    return _description(row, settings) + "\n\n".join([*parts, _question(row, settings)])


def option_texts(row: dict, settings: dict) -> list[str] | None:
    """What may follow the prompt: letters, choices, or the words of the classes; None where text is generated."""
    if settings["kind"] in ("classify", "pair"):
        return settings["label_words"]
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


def with_chat_template(tokenizer: object, text: str) -> str:
    """The prompt as one user message in the tokenizer's chat template, ready for the assistant's answer."""
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            "protocol chat_template: true, but this model's tokenizer has no chat template; set it to false, or take "
            "the model's instruction-tuned version."
        )
    message = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)


def _question(row: dict, settings: dict) -> str:
    letters = settings["choice"] == "letters" and row["choices"]
    template = settings["letters_prompt"] if letters else settings["prompt"]
    if len(row["choices"] or []) > len(LETTERS):
        raise UserError(f"example {row['id']!r} has more choices than there are letters ({len(row['choices'])}).")
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"] or [], strict=False))
    passage = f"{row['passage']}\n" if row["passage"] else ""
    return template.format(
        passage=passage, text=row["text"], text_b=row["text_b"] or "", choices=lines, group=_group(row)
    ).rstrip(" ")


def _description(row: dict, settings: dict) -> str:
    text = settings["description"].format(group=_group(row), passage="", text="", text_b="", choices="")
    return f"{text}\n\n" if text else ""


def _group(row: dict) -> str:
    return (row["group"] or "").replace("_", " ")

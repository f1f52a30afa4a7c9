"""Prompts, character by character, as a person reads them in the papers and in lm-eval's task files."""

import pytest
import toy_tokenizers
from job_settings import token_settings, wording

from junkdna.data import prompts
from junkdna.data.prompts import Wording
from junkdna.errors import UserError
from junkdna.study.task_files import load_task

BLANK = dict.fromkeys(("text", "text_b", "passage", "suffix", "group", "shown", "choices", "answer", "target"))


def row(text: str, **fields: object) -> dict:
    return {**BLANK, "id": "x", "text": text, "references": None, **fields}


def wording_of(task: str, picked: str = "cloze") -> Wording:
    """How a task of the package is worded."""
    spec = load_task(task)
    texts = spec.model_dump(include={"description", "prompt", "mcq_prompt"})
    words = spec.verbalizers or spec.class_names()
    return wording(token_settings(spec.kind, "decoder", picked, verbalizers=words, **texts))


def made(kind: str = "choice", picked: str = "cloze", **more: object) -> Wording:
    return wording(token_settings(kind, "decoder", picked, **more))


# --- as in lm-eval ----------------------------------------------------------------------------------------------------

SUMS = [(f"What is {n} + 1?", [str(n), str(n + 1), str(n + 2), str(n - 1)]) for n in range(1, 7)]
FIVE_SHOT = """The following are multiple choice questions (with answers) about abstract algebra.

What is 1 + 1?
A. 1
B. 2
C. 3
D. 0
Answer: B

What is 2 + 1?
A. 2
B. 3
C. 4
D. 1
Answer: B

What is 3 + 1?
A. 3
B. 4
C. 5
D. 2
Answer: B

What is 4 + 1?
A. 4
B. 5
C. 6
D. 3
Answer: B

What is 5 + 1?
A. 5
B. 6
C. 7
D. 4
Answer: B

What is 6 + 1?
A. 6
B. 7
C. 8
D. 5
Answer:"""


def test_mmlu_with_five_shots():
    *shots, asked = (row(q, choices=c, answer=1, group="abstract_algebra") for q, c in SUMS)
    words_for = wording_of("mmlu", "mcq")
    assert prompts.prompt(asked, shots, words_for) == FIVE_SHOT
    assert words_for.options(asked) == ["A", "B", "C", "D"]
    none = prompts.prompt(asked, [], words_for)
    head, tail = FIVE_SHOT.split("\n\n", 1)
    assert none == f"{head}\n\n{tail[tail.index('What is 6') :]}"


def test_mmlu_with_two_options_has_two_letters():
    asked = row("Even?", choices=["1", "2"], answer=1, group="sociology")
    words_for = wording_of("mmlu", "mcq")
    assert prompts.prompt(asked, [asked], words_for) == (
        "The following are multiple choice questions (with answers) about sociology.\n\n"
        "Even?\nA. 1\nB. 2\nAnswer: B\n\nEven?\nA. 1\nB. 2\nAnswer:"
    )
    assert words_for.options(asked) == ["A", "B"]


def test_arc_by_continuation():
    shot = row("Which is hot?", choices=["ice", "fire"], answer=1)
    asked = row("Which factor?", choices=["dry palms", "wet palms"], answer=0)
    words_for = wording_of("arc_challenge")
    assert prompts.prompt(asked, [], words_for) == "Question: Which factor?\nAnswer:"
    assert prompts.prompt(asked, [shot], words_for) == (
        "Question: Which is hot?\nAnswer: fire\n\nQuestion: Which factor?\nAnswer:"
    )
    assert words_for.options(asked) == ["dry palms", "wet palms"]


def test_winogrande_scores_what_follows_the_option():
    shot = row("The trophy did not fit because the", suffix="was too big.", choices=["trophy", "case"], answer=0)
    asked = row("Ann thanked Eve because", suffix="had helped.", choices=["Ann", "Eve"], answer=1)
    words_for = wording_of("winogrande")
    assert prompts.prompt(asked, [shot], words_for) == (
        "The trophy did not fit because the trophy was too big.\n\nAnn thanked Eve because"
    )
    assert words_for.options(asked) == ["Ann", "Eve"]


def test_sciq_with_its_passage():
    asked = row("What is red?", passage="Foxes are red.", choices=["fox", "tree"], answer=0)
    assert prompts.prompt(asked, [], wording_of("sciq")) == "Foxes are red.\nQuestion: What is red?\nAnswer:"
    assert prompts.prompt({**asked, "passage": None}, [], wording_of("sciq")) == "Question: What is red?\nAnswer:"


@pytest.mark.parametrize(
    ("task", "answer", "text", "words"),
    [
        ("sst2", 1, "a fine film\nQuestion: Is this sentence positive or negative?\nAnswer:", ["negative", "positive"]),
        ("cola", 0, "a fine film\nQuestion: Does this sentence make sense?\nAnswer:", ["no", "yes"]),
    ],
)
def test_glue_by_words_for_the_classes(task, answer, text, words):
    asked, words_for = row("a fine film", answer=answer), wording_of(task)
    assert prompts.prompt(asked, [], words_for) == text
    assert words_for.options(asked) == words
    assert words_for.answer(asked) == words[answer]


def test_a_pair_shows_both_texts():
    asked = row("It rains.", text_b="It is wet.", answer=0)
    words_for = wording_of("rte")
    assert prompts.prompt(asked, [asked], words_for) == (
        "It rains.\nQuestion: It is wet. True or False?\nAnswer: True\n\n"
        "It rains.\nQuestion: It is wet. True or False?\nAnswer:"
    )


# --- parts ------------------------------------------------------------------------------------------------------------


def test_generated_answers_of_shots_are_shown_as_the_task_says():
    words_for = made("generate")
    plain, worked = row("1 + 1?", references=["2", "two"]), row("2 + 2?", references=["4"], shown="2 and 2.\n#### 4")
    assert prompts.prompt(row("3 + 3?", references=["6"]), [plain, worked], words_for) == (
        "Question: 1 + 1?\nAnswer: 2\n\nQuestion: 2 + 2?\nAnswer: 2 and 2.\n#### 4\n\nQuestion: 3 + 3?\nAnswer:"
    )
    assert words_for.options(plain) is None


def test_a_description_stands_once_and_names_the_rows_own_group():
    words_for = made(description="About {group}:")
    shot, asked = (row("?", group=group, choices=["a", "b"], answer=0) for group in ("other_things", "the_moon"))
    text = prompts.prompt(asked, [shot, shot], words_for)
    assert text.startswith("About the moon:\n\nQuestion: ?\nAnswer: a\n\n")
    assert "other" not in text
    assert text.count("About") == 1


def test_the_passage_of_a_shot_is_shown_too():
    shot = row("?", passage="P.", choices=["a", "b"], answer=1)
    asked = row("!", passage="Q.", choices=["c", "d"], answer=0)
    assert prompts.prompt(asked, [shot], made()) == "P.\nQuestion: ?\nAnswer: b\n\nQ.\nQuestion: !\nAnswer:"


def test_braces_in_rows_and_doubled_braces_in_prompts_are_text():
    asked = row("{text} {0} {passage}", passage="{x}", choices=["{y}", "}"], answer=0)
    assert prompts.prompt(asked, [], made(prompt="{{json}} {passage}{text}")) == "{json} {x}\n{text} {0} {passage}"
    assert prompts.prompt(asked, [], made(picked="mcq")) == "{x}\n{text} {0} {passage}\nA. {y}\nB. }\nAnswer:"


def test_white_space_of_the_data_stays_and_a_templates_own_blanks_at_its_end_do_not():
    assert prompts.prompt(row("a  b\n\tc "), [], made("classify", prompt="{text} ")) == "a  b\n\tc "
    assert prompts.prompt(row("a"), [], made("classify", prompt="{text}\nAnswer: ")) == "a\nAnswer:"
    assert prompts.prompt(row("a"), [], made("classify", prompt="{text}\n")) == "a\n"  # a line end is meant


def test_letters_run_out():
    asked = row("?", choices=[str(n) for n in range(27)], answer=26)
    with pytest.raises(UserError, match=r"row 'x' has 27 choices, more than there are letters"):
        prompts.prompt(asked, [], made(picked="mcq"))
    fits = row("?", choices=[str(n) for n in range(26)], answer=25)
    assert prompts.prompt(fits, [fits], made(picked="mcq")).count("Answer: Z") == 1


# --- chat models ------------------------------------------------------------------------------------------------------


def chat(template: str) -> object:
    tokenizer = toy_tokenizers.make("byte_bpe")
    tokenizer.chat_template = template
    return tokenizer


SAID = [
    {"role": "system", "content": "About heat.\n\n"},
    {"role": "user", "content": "Question: hot?\nAnswer:"},
    {"role": "assistant", "content": "no"},
    {"role": "user", "content": "Question: cold?\nAnswer:"},
]
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
EACH = "{% for one in messages %}<{{ one.role }}>{{ one.content }}{% endfor %}<assistant>"


def test_a_description_is_the_systems_message_and_shots_are_turns():
    shot, asked = row("hot?", choices=["no", "yes"], answer=0), row("cold?", choices=["no", "yes"], answer=1)
    assert prompts.messages(asked, [shot], made(description="About heat.")) == SAID
    assert prompts.messages(asked, [], made()) == SAID[3:]


def test_the_chat_template_gets_the_whole_conversation():
    assert prompts.with_chat_template(chat(toy_tokenizers.CHAT_TEMPLATE), SAID) == (
        "<|im_start|>system\nAbout heat.\n\n<|im_end|>\n<|im_start|>user\nQuestion: hot?\nAnswer:<|im_end|>\n"
        "<|im_start|>assistant\nno<|im_end|>\n<|im_start|>user\nQuestion: cold?\nAnswer:<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    "refusal", [NO_SYSTEM, "{% set messages = messages | rejectattr('role', 'equalto', 'system') %}"]
)
def test_without_a_systems_message_the_description_opens_the_first_question(refusal):
    assert prompts.with_chat_template(chat(refusal + EACH), SAID) == (
        "<user>About heat.\n\nQuestion: hot?\nAnswer:<assistant>no<user>Question: cold?\nAnswer:<assistant>"
    )
    assert prompts.with_chat_template(chat(refusal + EACH), SAID[3:]) == "<user>Question: cold?\nAnswer:<assistant>"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% if messages | length > 1 %}{{ raise_exception('one turn only') }}{% endif %}" + EACH, "one turn only"),
        ("<user>{{ messages[-1].content }}<assistant>", "omits the message of the user"),
    ],
)
def test_a_template_that_refuses_or_drops_a_turn_is_refused(template, why):
    with pytest.raises(UserError, match=f"chat_template: true, but this model's chat template .*{why}"):
        prompts.with_chat_template(chat(template), SAID[1:])
    assert prompts.with_chat_template(chat(template), SAID[3:]).endswith("Question: cold?\nAnswer:<assistant>")


def test_a_model_without_a_chat_template_is_refused():
    with pytest.raises(UserError, match=r"chat_template: true, but this model's tokenizer has no chat template"):
        prompts.with_chat_template(toy_tokenizers.make("byte_bpe"), SAID)

"""The page docs/tasks.md: every task of the package, from its file (`junkdna tasks --markdown`)."""

from collections.abc import Iterator

from junkdna.study.task import Task, builtin_tasks, load_task

HEAD = """# Tasks

Written by `junkdna tasks --markdown` from the files in `junkdna/tasks/`; change those, not this page.
`junkdna task show NAME --model M --n 3` prints examples as a model sees them, token by token.

**Kinds.** `classify` names the class of a text, `pair` of two texts, `regress` gives two texts a number, `choice` picks
one of several options, `generate` writes the answer. Without training, encoders answer `choice` and decoders all kinds
but `regress`. Fine-tuning serves `classify`, `pair` and `regress` with both, and `choice` with encoders.

**Rows** are those stored in the split that is evaluated. Fewer are scored where a task leaves rows out or shows some of
them as shots: its own section says so, and `docs/rows.md` the rules.

**Baselines.** Chance is the expected score of guessing evenly, majority the score of the best constant answer, both on
all evaluated rows; every cell works out its own from the rows it scored. Human figures are as published, mostly on test
sets. An empty place in the table means that the figure is not known or not stated.

**Settings.** What a task says under "stated" stands before the defaults of a protocol and behind what a study sets. The
knobs `data_fraction` (percent of the train rows, 1 to 100, all by default) and `answer_span` (`kept`, or `masked`: the
control without the answer; served wherever `context` cuts a window around it) take the same values in every task.

**Prompts** are those of decoders. A name in braces stands for a field of the example: `{text}`, `{text_b}`, `{group}`
(such as the subject), `{choices}` (listed, one letter each), and `{passage}`, which is empty and takes no line where
none is shown. Encoders read the text, then the second text or the passage.

**Licenses** are those of the data sets, as far as known: check them before you publish data.
"""
SAME_EVERYWHERE = ("data_fraction", "answer_span")  # knobs whose values the head of the page gives


def page() -> Iterator[str]:
    """Lines of the page."""
    tasks = [load_task(name) for name in builtin_tasks()]
    yield from HEAD.splitlines()
    yield ""
    yield "| task | title | kind | metric | rows | sources | knobs | chance | majority | human |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    yield from (_row(task) for task in tasks)
    for task in tasks:
        yield ""
        yield from _section(task)


def _row(task: Task) -> str:
    baselines = [f"{task.baselines.chance:.3f}", f"{task.baselines.majority:.3f}"] if task.baselines else ["", ""]
    cells = [
        f"[{task.name}](#{task.name})", task.title, task.kind, task.metric, _evaluated(task), ", ".join(task.sources),
        ", ".join(task.knob_defaults()), *baselines, f"{task.human.value:g}" if task.human else "",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _evaluated(task: Task) -> str:
    rows = task.hash_split.evaluate if task.hash_split else task.rows.get(task.evaluate_split)
    return f"{rows:,}" if rows else ""


def _section(task: Task) -> Iterator[str]:
    yield f"## {task.name}"
    yield ""
    yield f"**{task.title}.** {' '.join(task.notes.split())}".strip()
    yield ""
    yield f"- `{task.kind}`, metric {task.metric}"
    yield f"- rows: {_rows(task)}"
    for kind, source in task.sources.items():
        config = f", config `{source.config}`" if source.config else ""
        lacks = sorted(set(task.raw_splits()) - set(source.splits))
        without = f" (without split {', '.join(lacks)})" if lacks else ""
        yield f"- {kind}: `{getattr(source, kind)}`{config}{without}"
    for knob, default in task.knob_defaults().items():
        if knob not in SAME_EVERYWHERE:
            yield f"- knob `{knob}`: {', '.join(task.knob_words(knob))} (default {default}){_of_shots(task, knob)}"
    if task.human:
        yield f"- human: {task.human.value:g}; {task.human.source}"
    if task.deviations:
        yield f"- known deviations: {' '.join(task.deviations.split())}"
    yield f"- license: {task.license}"
    stated = ", ".join(f"{name} {value}" for name, value in task.protocol.model_dump(exclude_none=True).items())
    if stated:
        yield f"- stated: {stated}"
    yield f"- decoder: after the prompt below, {_answered(task)}"
    yield ""
    yield "```text"
    yield from _prompt(task).split("\n")
    yield "```"


def _rows(task: Task) -> str:
    """Which rows train, which are evaluated, and how many of them are stored."""
    stored = {split: f"`{split}` ({rows:,} stored)" for split, rows in task.rows.items()}
    if cut := task.hash_split:
        of = stored.get(cut.of, f"`{cut.of}`")
        return f"{cut.train:,} to train on and {cut.evaluate:,} evaluated, cut by a hash of the text from {of}"
    roles = {"evaluated": task.evaluate_split, "to train on": task.train_split}
    return ", ".join(f"{role} {stored.get(split, f'`{split}`')}" for role, split in roles.items() if split)


def _of_shots(task: Task, knob: str) -> str:
    if knob != "shots":
        return ""
    group = " of each group" if task.columns.group else ""
    never = ", which are never evaluated" if task.shots.of == task.evaluate_split else ""
    return f"; from the first {task.shots.count} rows{group} of split `{task.shots.of}`{never}"


def _answered(task: Task) -> str:
    """What of a decoder's row is scored, or how its text is read."""
    if task.kind == "generate":
        asked = task.generate
        stops = ", ".join(f"`{stop!r}`" for stop in asked.stop)
        until = f", at most to {stops}" if stops else ""
        extract = f" (strictly: what `{asked.extract}` finds)" if asked.extract else ""
        written = "; the strict match compares what is written" if asked.exact else ""
        return f"up to {asked.max_new_tokens} tokens are written{until}, and matched as {asked.match}{extract}{written}"
    if task.kind == "regress":
        return "a trained head gives the number"
    if task.kind != "choice":
        words = ", ".join(f"`{word}`" for word in task.verbalizers or task.class_names())
        return f"each of the words {words} is scored"
    if task.columns.ending:
        return f"each option and then `{task.columns.ending}`, of which the latter alone is scored"
    return f"the {'letter' if task.protocol.decoder_choice == 'letters' else 'text'} of each option is scored"


def _prompt(task: Task) -> str:
    prompt = task.mcq_prompt if task.protocol.decoder_choice == "letters" else task.prompt
    if not any(task.columns_of(source).passage for source in task.sources):
        prompt = prompt.replace("{passage}", "")
    return f"{task.description}\n\n{prompt}" if task.description else prompt

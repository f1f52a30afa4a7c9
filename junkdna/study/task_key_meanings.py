"""The meaning of every key of a task file, for docs/reference/task.md (form: `shared_key_meanings`)."""

from junkdna.study.shared_key_meanings import LIMITS, SOURCE, TRAINING, Meanings

_COLUMNS = {
    "": 'Maps raw columns to examples. Templates name raw columns in single braces, `"{question}"`. Names may '
    "select nested values: `choices.text`, `answers.0`, `answers.*`. [How data is read](../data.md).",
    "id": "Column with a unique value per row. By default, rows are numbered.",
    "text": "Template of the question or text.",
    "text_b": "Template of the second text. Kinds `pair` and `regress`.",
    "passage": "Template of the passage that the knob `context` cuts.",
    "suffix": "Template of what follows every option. Where it is given, it alone is scored.",
    "group": "Template of the group whose rows share in-context examples, such as the subject.",
    "shown": "Template of the answer in an in-context example, by default the first accepted answer. Kinds `generate` "
    "and `likelihood`.",
    "choices": "Templates of the options, or the name of a list column. Kind `choice`.",
    "choice_labels": "List column with the labels of the options, in which `answer` is looked up. Kind `choice`.",
    "answer": "Kind `choice`: the position of the correct option (a number) or the column with its position or label. "
    "`classify` and `pair`: the column of the label. `regress`: the column of the number. `generate`: a column with "
    "one answer or a list of accepted ones, or a list of templates. `likelihood`: a column or a list of one template.",
    "require": "Template fields and raw columns that must not be empty. Rows without them are excluded and counted.",
    "strip": "Fields whose leading and trailing whitespace is removed. Other fields keep it, because models read it.",
    "shuffle": "`true`: options are in hash order; `false`: in the order of the data set.",
    "extract": "New columns from a text column: `{column: regular expression}`. The named groups are the new columns; "
    "the expression must match the full value.",
    "map": "Values to replace: `{column: {value: text}}`. Applied after `extract`.",
    "fill": "Replaces `number0`, `number1`, ... in the text of a column by numbers: `{column: column of numbers}`. "
    "Applied after `map`.",
}

TASK: Meanings = {
    "": {
        "": "A task is one YAML file. The tasks of the package are in `junkdna/tasks/`.",
        "name": "Name of the task, as used in studies.",
        "title": "Title in figures and tables.",
        "kind": "`classify`: the class of a text. `pair`: the class of two texts. `regress`: a number for two texts. "
        "`choice`: one of several options. `generate`: a written answer. `likelihood`: how probable the gold answer "
        "is, or a text if the prompt is empty. [Formulas](../scoring.md#likelihood-of-a-given-text).",
        "metric": "Metric of the score. It must suit the kind: `accuracy`, `f1`, `matthews`, `pearson`, `spearman`, "
        "`exact_match`, `lenient_match`, `token_f1`, `log2_likelihood_per_byte`.",
        "sources": "Sources of the rows: one or more of `wheel`, `local` and `hub`. The first is used unless the study "
        "names another.",
        "columns": "Maps raw columns to examples.",
        "labels": "Class names in the order of their numbers. Kinds `classify` and `pair`.",
        "label_groups": "Class names with the raw values of each class, instead of `labels`: "
        '`{yes: ["true", "1"], no: ["false", "0"]}`.',
        "verbalizers": "Words that a decoder scores for the classes, in class order. By default, the class names.",
        "train_split": "Raw split of the training rows.",
        "evaluate_split": "Raw split of the evaluated rows. Give either this or `hash_split`.",
        "hash_split": "Splits one raw split into training and evaluated rows.",
        "shots": "Source of the in-context examples. Without it, the task has no knob `shots`.",
        "limits": "Maximum numbers of training and evaluated rows.",
        "knobs": "Values of the knobs `context` and `options`. The other knobs need no entry.",
        "description": "Text before the in-context examples. It may contain `{group}`.",
        "prompt": "Prompt for decoders; empty to score the text of `columns.answer` alone (kind `likelihood`). "
        "Fields: `{passage}`, `{text}`, `{text_b}`, `{choices}`, `{group}`.",
        "mcq_prompt": "Prompt for decoders that answer by letter. It must contain `{choices}`.",
        "generate": "Settings for generating and matching answers. Kind `generate`.",
        "human": "Published human performance.",
        "difficulty": "Published difficulty of each question. The analysis compares its bins; cells do not depend on "
        "it.",
        "rows": "Number of rows in each raw split (informative). Tests compare it with the data.",
        "baselines": "Chance and majority (informative). Cells compute their own.",
        "license": "License of the data.",
        "deviations": "Known differences from the usual form of the task (informative).",
        "notes": "Notes (informative).",
        "protocol": "Training and scoring settings for this task. Settings of the study override them.",
    },
    "sources.NAME": {
        "": "NAME is `wheel`, `local` or `hub`, and the key with the same name is required.",
        **SOURCE,
        "hub": "Data set on the Hugging Face Hub, `OWNER/NAME`, or a folder laid out like its repository.",
        "config": "Configuration of the data set. Requires `hub`.",
        "revision": "Branch, tag or commit of the data set, by default `main`. Requires `hub`.",
        "splits": "The task's raw splits, each with its path in the wheel or folder (`*` matches within one name) or "
        "its split of the Hub data set.",
        "columns": "Columns of this source, instead of the task's.",
    },
    "columns": _COLUMNS,
    "hash_split": {
        "": "Rows are ordered by a hash of their text. Rows with equal text are never split between the two.",
        "of": "The raw split to divide.",
        "train": "Number of training rows, the first in hash order.",
        "evaluate": "Number of evaluated rows, the next in hash order.",
    },
    "shots": {
        "": "In-context examples are the first rows of a split, or of each group in it if rows have groups.",
        "of": "The raw split. If it is the evaluated split, these rows are not evaluated.",
        "count": "Number of rows, and the maximum of the knob `shots`.",
    },
    "limits": LIMITS,
    "knobs.NAME": {
        "": "NAME is `context` or `options`.",
        "values": "Values of the knob. `context`: `none`, `passage` and numbers of tokens; kinds `choice` and "
        "`generate` accept any number of tokens. `options`: numbers of options.",
        "default": "The default value.",
    },
    "generate": {
        "": "Greedy decoding. It stops at the end-of-text token, at a stop string or after `max_new_tokens`.",
        "max_new_tokens": "Maximum number of generated tokens.",
        "stop": "Strings that end the answer.",
        "match": "`text` compares normalized texts, `number` compares numbers.",
        "extract": "Regular expression whose first group is the answer, for the strict match.",
        "exact": "Uses the strict match of lm-evaluation-harness: texts must be equal, except for what it ignores.",
    },
    "generate.exact": {
        "": "Differences that `exact_match` of lm-evaluation-harness ignores.",
        "ignore_case": "`true`: letter case.",
        "ignore_punctuation": "`true`: punctuation.",
        "ignore": "Regular expressions whose matches are deleted.",
    },
    "human": {
        "": "Human performance, in the task's metric.",
        "value": "The score as a fraction, not in percent.",
        "source": "The paper.",
    },
    "difficulty": {
        "": "A published difficulty of each question, and its bins from easy to hard. [How it is used]"
        "(../external-difficulty.md).",
        "from": "Raw column with the difficulty, or a template over raw columns.",
        "title": "What the difficulty is, such as the school grade.",
        "source": "Who published it.",
        "pattern": "Regular expression. The difficulty is the first group of its first match in `from`; a row "
        "without a match has none.",
        "count": "Regular expression. The difficulty is the number of its matches in `from`.",
        "bins": "Bins in order, from easy to hard: `{NAME: [entries]}`. An entry is a value or a range `[from, to]` "
        "with both ends. Numbers are compared by value. Rows with another difficulty, or none, are in no bin; they "
        "are scored, counted in `rows_note` and not compared.",
    },
    "baselines": {
        "": "Baselines on all evaluated rows.",
        "chance": "Expected score of uniform guessing.",
        "majority": "Score of the best constant answer.",
    },
    "protocol": {"": "The keys have the same meanings as in `protocols.NAME` of a study.", **TRAINING},
}

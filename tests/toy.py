"""A whole small world for tests: a random two-layer BERT, two made tasks, one study, all in one folder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

COLOURS = ("red", "green", "blue", "white")
THINGS = ("fox", "tree", "river", "stone", "cloud", "lamp", "wolf", "field")
WORDS = (*COLOURS, *THINGS, "the", "is", "what", "colour", "sees", "a", "good", "bad", "day", "was", "?", ".")


def make_model(folder: Path, layers: int = 2) -> Path:
    """A randomly initialised BERT with a word-level tokenizer, saved as a local model folder."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocab), hidden_size=32, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        BertModel(config).save_pretrained(folder)
    return folder


def choice_rows(n: int, seed: int = 0) -> list[dict]:
    """Questions about a thing's colour; the passage, where there is one, says the colour."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        thing, order = THINGS[i % len(THINGS)], rng.permutation(4)
        colours = [COLOURS[k] for k in order]
        passage = f"the {thing} is {colours[0]} {colours[0]} ." if i % 10 else ""
        rows.append({"q": f"what colour is the {thing} ?", "passage": passage, "right": colours[0],
                     "w1": colours[1], "w2": colours[2], "w3": colours[3]})  # fmt: skip
    return rows


def classify_rows(n: int, seed: int = 1) -> list[dict]:
    """Sentences labelled by whether they say good or bad."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        thing, colour, label = rng.choice(THINGS), rng.choice(COLOURS), int(rng.integers(2))
        rows.append({"number": i, "sentence": f"{colour} {thing} {'sees' if i % 7 else 'was'} a "
                     f"{('bad', 'good')[label]} day", "label": label})  # fmt: skip
    return rows


CHOICE_TASK = {
    "name": "colours", "title": "Colours", "kind": "choice",
    "sources": {"local": {"local": "data", "splits": {"evaluate": "colours.parquet"}}},
    "columns": {"text": "{q}", "passage": "{passage}", "choices": ["{right}", "{w1}", "{w2}", "{w3}"], "answer": 0,
                "require": ["passage"]},
    "evaluate_split": "evaluate",
    "knobs": {"context": {"values": ["none", "passage"], "default": "none"},
              "options": {"values": [2, 3, 4], "default": 4}},
    "licence": "made in the test",
}  # fmt: skip
CLASSIFY_TASK = {
    "name": "mood", "title": "Mood", "kind": "classify",
    "sources": {"local": {"local": "data", "splits": {"all": "mood.parquet"}}},
    "columns": {"text": "{sentence}", "answer": "label"},
    "labels": ["bad", "good"],
    "hash_split": {"of": "all", "train": 64, "evaluate": 40},
    "licence": "made in the test",
    "protocol": {"max_length": 16, "epochs": 2, "batch_size": 16, "learning_rate": 1e-3},
}  # fmt: skip
STUDY = {
    "study": "toy",
    "models": {"tiny": {"kind": "encoder", "local": "model"}},
    "tasks": {"colours": {"file": "tasks/colours.yaml"}, "mood": {"file": "tasks/mood.yaml"}},
    "experiments": {
        "context": {"title": "With and without passage", "models": ["tiny"], "tasks": ["colours"],
                    "knobs": {"context": ["none", "passage"]},
                    "compressions": [{"method": "magnitude", "sparsity": [0.5, 0.9]},
                                     {"method": "random", "sparsity": 0.5},
                                     {"method": "nm", "keep": [1], "of": 4}]},
        "modes": {"title": "Transfer modes", "models": ["tiny"], "tasks": ["mood"],
                  "compressions": [{"method": "magnitude", "sparsity": [0.5]}],
                  "transfer": ["dense", "sparse", "sparse_to_dense", "dense_freeze"], "seeds": [0, 1]},
    },
    "bootstrap": 200,
}  # fmt: skip


def write_yaml(path: Path, data: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def make_world(folder: Path) -> Path:
    """Model, data, task files and config.yaml of the toy study below `folder`."""
    make_model(folder / "model")
    (folder / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(choice_rows(60)), folder / "data/colours.parquet")
    pq.write_table(pa.Table.from_pylist(classify_rows(160)), folder / "data/mood.parquet")
    write_yaml(folder / "tasks/colours.yaml", CHOICE_TASK)
    write_yaml(folder / "tasks/mood.yaml", CLASSIFY_TASK)
    write_yaml(folder / "config.yaml", STUDY)
    return folder

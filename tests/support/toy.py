"""A whole small world for tests: a random BERT, a random Llama, made tasks of every kind, two studies, in one folder.

`STUDY` (config.yaml) is small: an encoder, a choice and a class task. `SETTINGS` (settings.yaml) asks for each of the
six difficulty settings once, on both models and tasks of all kinds.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

COLOURS = ("red", "green", "blue", "white")
THINGS = ("fox", "tree", "river", "stone", "cloud", "lamp", "wolf", "field")
WORDS = (*COLOURS, *THINGS, "the", "is", "what", "colour", "sees", "a", "good", "bad", "day", "was", "?", ".")
PROMPT_WORDS = ("Question:", "Answer:", "Questions", "about", "things", "that", "live", "stand", "First:", "Second:",
                "A", "B", "C", "D", "A.", "B.", "C.", "D.", "yes", "no", "___")  # fmt: skip


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


def make_decoder(folder: Path) -> Path:
    """A randomly initialised Llama with a word-level tokenizer: a space belongs to its word, nothing is added."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = (*WORDS, *PROMPT_WORDS)
    vocab = ["<unk>", "<end>", "\n", *words, *(f"\u2581{word}" for word in words)]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocab)}, unk_token="<unk>"))
    lines = pre_tokenizers.Split(Regex("\n"), "isolated")
    inner.pre_tokenizer = pre_tokenizers.Sequence([lines, pre_tokenizers.Metaspace(prepend_scheme="never")])
    inner.decoder = decoders.Metaspace(prepend_scheme="never")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="<end>", pad_token="<end>")
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=256, eos_token_id=1, pad_token_id=1, bos_token_id=None, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_external(folder: Path, model: Path) -> Path:
    """The BERT of `model` as another tool would give it: `pruned`, half of the block weights 0, and `masks/half`."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    blocks = [name for name in weights if name.startswith("encoder.layer") and weights[name].ndim == 2]
    masks = {name: weights[name].abs() > weights[name].abs().median() for name in blocks}
    for part in ("pruned", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "pruned/config.json").write_text((model / "config.json").read_text())
    pruned = {
        name: torch.where(masks[name], weight, 0) if name in masks else weight for name, weight in weights.items()
    }
    save_file(pruned, folder / "pruned/model.safetensors", metadata={"format": "pt"})
    save_file(masks, folder / "masks/half.safetensors")
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


def hue_rows(n: int, seed: int) -> list[dict]:
    """Questions about a thing's colour, in two groups, with a passage that says it between two other sentences."""
    rows = []
    for i, row in enumerate(choice_rows(n, seed)):
        thing, other = THINGS[i % len(THINGS)], THINGS[(i + 3) % len(THINGS)]
        row["passage"] = f"the day was good . the {thing} is {row['right']} . a {other} sees the {other} ."
        row["group"] = "things_that_live" if thing in ("fox", "tree", "wolf", "field") else "things_that_stand"
        rows.append({"key": f"s{seed}-{i}", **row})
    return rows


def pair_rows(n: int, seed: int = 4) -> list[dict]:
    """Two sentences; `same` says whether they name one colour, `degree` how many of their two words they share."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        colours, things = rng.choice(COLOURS, 2), rng.choice(THINGS, 2)
        if i % 2:
            colours[1] = colours[0]
        same = int(colours[0] == colours[1])
        first, second = (f"the {thing} is {colour}" for thing, colour in zip(things, colours, strict=True))
        rows.append({"first": first, "second": second, "same": same, "degree": same + float(things[0] == things[1])})
    return rows


CHOICE_TASK = {
    "name": "colours", "title": "Colours", "kind": "choice",
    "sources": {"local": {"local": "data", "splits": {"evaluate": "colours.parquet"}}},
    "columns": {"text": "{q}", "passage": "{passage}", "choices": ["{right}", "{w1}", "{w2}", "{w3}"], "answer": 0,
                "require": ["passage"]},
    "evaluate_split": "evaluate",
    "knobs": {"context": {"values": ["none", "passage"], "default": "none"},
              "options": {"values": [2, 3, 4], "default": 4}},
    "license": "made in the test",
}  # fmt: skip
CLASSIFY_TASK = {
    "name": "mood", "title": "Mood", "kind": "classify",
    "sources": {"local": {"local": "data", "splits": {"all": "mood.parquet"}}},
    "columns": {"text": "{sentence}", "answer": "label"},
    "labels": ["bad", "good"],
    "hash_split": {"of": "all", "train": 64, "evaluate": 40},
    "license": "made in the test",
    "protocol": {"max_length": 16, "epochs": 2, "batch_size": 16, "learning_rate": 1e-3},
}  # fmt: skip
HUES_TASK = {
    "name": "hues", "title": "Hues", "kind": "choice",
    "sources": {"local": {"local": "data", "splits": {"train": "hues-train.parquet", "dev": "hues-dev.parquet",
                                                      "evaluate": "hues.parquet"}}},
    "columns": {"id": "key", "text": "{q}", "passage": "{passage}", "choices": ["{right}", "{w1}", "{w2}", "{w3}"],
                "answer": 0, "group": "{group}"},
    "train_split": "train", "evaluate_split": "evaluate",
    "shots": {"of": "dev", "count": 2},
    "knobs": {"context": {"values": ["none", "passage"], "default": "none"},
              "options": {"values": [2, 3, 4], "default": 4}},
    "description": "Questions about {group} .",
    "human": {"value": 0.9, "source": "made up"},
    "license": "made in the test",
    "protocol": {"max_length": 64, "epochs": 1, "batch_size": 16, "learning_rate": 1e-3},
}  # fmt: skip
NAMED_TASK = {
    "name": "named", "title": "Named hues", "kind": "generate", "metric": "exact_match",
    "sources": {"local": {"local": "data", "splits": {"evaluate": "hues.parquet"}}},
    "columns": {"id": "key", "text": "{q}", "passage": "{passage}", "answer": "right"},
    "evaluate_split": "evaluate",
    "knobs": {"context": {"values": ["none", "passage"], "default": "none"}},
    "generate": {"max_new_tokens": 3},
    "license": "made in the test",
}  # fmt: skip
ALIKE_TASK = {
    "name": "alike", "title": "Alike", "kind": "pair",
    "sources": {"local": {"local": "data", "splits": {"all": "pairs.parquet"}}},
    "columns": {"text": "{first}", "text_b": "{second}", "answer": "same"},
    "labels": ["no", "yes"], "metric": "matthews",
    "hash_split": {"of": "all", "train": 48, "evaluate": 32},
    "prompt": "First: {text}\nSecond: {text_b}\nAnswer:",
    "human": {"value": 0.8, "source": "made up"},
    "license": "made in the test",
    "protocol": {"max_length": 32, "epochs": 1, "batch_size": 16, "learning_rate": 1e-3},
}  # fmt: skip
DEGREE_TASK = {
    **{key: value for key, value in ALIKE_TASK.items() if key != "labels"},
    "name": "degree", "title": "Degree of likeness", "kind": "regress", "metric": "pearson",
    "columns": {"text": "{first}", "text_b": "{second}", "answer": "degree"},
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


HALF = [{"method": "magnitude", "sparsity": 0.5}]
SETTINGS = {
    "study": "settings",
    "models": {"tiny": {"kind": "encoder", "local": "model"}, "llm": {"kind": "decoder", "local": "decoder"}},
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in ("mood", "hues", "named", "alike", "degree")},
    "protocols": {"letters": {"decoder_choice": "mcq", "max_length": 128},
                  "cross": {"encoder_choice": "cross_encoder"}},
    "experiments": {
        "data_adequacy": {"title": "Less to learn from", "models": ["tiny"], "tasks": ["mood"],
                          "knobs": {"data_fraction": [50, 100]}, "compressions": HALF, "transfer": ["sparse"]},
        "option_count": {"title": "More to choose from", "models": ["tiny", "llm"], "tasks": ["hues"],
                         "knobs": {"options": [2, 4]}, "compressions": HALF},
        "context_length": {"title": "More around the answer", "models": ["llm"], "tasks": ["named"],
                           "knobs": {"context": ["none", 4], "answer_span": ["kept", "masked"]}, "compressions": HALF},
        "shots": {"title": "Examples in the prompt", "models": ["llm"], "tasks": ["hues"], "knobs": {"shots": [0, 2]},
                  "compressions": HALF, "protocol": "letters"},
        "across_tasks": {"title": "Tasks against human performance", "models": ["tiny"], "compressions": HALF,
                         "tasks": ["alike", "degree"], "transfer": ["sparse"], "seeds": [0, 1]},
        "cross_encoder": {"title": "One head over each pair", "models": ["tiny"], "tasks": ["hues"],
                          "compressions": HALF, "transfer": ["sparse"], "protocol": "cross"},
        "factoid_vs_choice": {"title": "Written or picked", "models": ["llm"], "tasks": ["named", "hues"],
                              "compressions": HALF},
    },
    "bootstrap": 200,
}  # fmt: skip


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice: read back, an anchor would make one list of two."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def write_yaml(path: Path, data: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(data, Dumper=_Plain, sort_keys=False))
    return path


def make_world(folder: Path) -> Path:
    """Models, data, task files and three studies (config.yaml: `STUDY`, settings.yaml, methods.yaml) below `folder`."""
    make_model(folder / "model")
    make_decoder(folder / "decoder")
    make_external(folder / "external", folder / "model")
    (folder / "data").mkdir()
    tables = {
        "colours": choice_rows(60), "mood": classify_rows(160), "pairs": pair_rows(120), "hues": hue_rows(40, seed=2),
        "hues-train": hue_rows(48, seed=3), "hues-dev": hue_rows(8, seed=5),
    }  # fmt: skip
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"data/{name}.parquet")
    for task in (CHOICE_TASK, CLASSIFY_TASK, HUES_TASK, NAMED_TASK, ALIKE_TASK, DEGREE_TASK):
        write_yaml(folder / f"tasks/{task['name']}.yaml", task)
    write_yaml(folder / "config.yaml", STUDY)
    write_yaml(folder / "settings.yaml", SETTINGS)
    write_yaml(folder / "methods.yaml", METHODS)
    return folder


CALIBRATED = {"calibration": "phrases"}
METHODS = {
    "study": "methods",
    "models": SETTINGS["models"],
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in ("mood", "hues")},
    "calibrations": {"phrases": {"task": "hues", "samples": 6, "context_tokens": 16}},
    "experiments": {
        "every_method": {"title": "Every method without training", "models": ["tiny", "llm"], "tasks": ["hues"],
                         "compressions": [{"method": "magnitude", "sparsity": 0.5},
                                          {"method": "magnitude", "sparsity": 0.5, "reference_ties": True},
                                          {"method": "magnitude", "sparsity": 0.5, "embeddings": True},
                                          {"method": "magnitude_layer", "sparsity": 0.5},
                                          {"method": "nm", "keep": 2, "of": 4},
                                          {"method": "random", "sparsity": 0.5},
                                          {"method": "largest", "sparsity": 0.5},
                                          {"method": "band", "band": [0.2, 0.7]},
                                          {"method": "wanda", "sparsity": 0.5, **CALIBRATED},
                                          {"method": "wanda", "keep": 2, "of": 4, **CALIBRATED},
                                          {"method": "sparsegpt", "sparsity": 0.5, **CALIBRATED},
                                          {"method": "sparsegpt", "keep": 2, "of": 4, **CALIBRATED},
                                          {"method": "rtn", "bits": 2, "group": 8},
                                          {"method": "rtn", "bits": 2, "group": 8, "symmetric": True},
                                          {"method": "gptq", "bits": 2, "group": 8, **CALIBRATED},
                                          {"method": "gptq", "bits": 2, "group": 8, "act_order": True, **CALIBRATED},
                                          {"method": "svd", "rank": [0.25, 0.5]},
                                          {"method": "svd", "rank": 0.25, "layers": ["0"]}]},
        "trained": {"title": "Compressed, then trained", "models": ["tiny"], "tasks": ["mood"],
                    "compressions": [{"method": "wanda", "sparsity": 0.5, **CALIBRATED},
                                     {"method": "sparsegpt", "sparsity": 0.5, **CALIBRATED}],
                    "transfer": ["dense", "sparse", "sparse_to_dense", "dense_freeze"]},
        "external": {"title": "Made by another tool", "models": ["tiny"], "tasks": ["hues"],
                     "compressions": [{"method": "external",
                                       "path": ["external/pruned", "external/masks/half.safetensors"]}]},
        "quantised": {"title": "Quantised, then trained", "models": ["tiny"], "tasks": ["mood"],
                      "compressions": [{"method": "rtn", "bits": 2, "group": 8}],
                      "transfer": ["sparse_to_dense"]},
    },
    "bootstrap": 200,
}  # fmt: skip

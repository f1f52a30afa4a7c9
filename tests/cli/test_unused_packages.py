"""Jobs that tokenize do not import torch, and get the same token ids as with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import toy_run
import toy_tokenizers
from transformers import BertTokenizer, GPT2Tokenizer

from junkdna.data.tokenizer import load_tokenizer
from junkdna.storage.fingerprint import canonical_json
from junkdna.study import grid, settings_from_study

TEXTS = [*toy_tokenizers.corpus(20), "", "naïve 東京\t\U0001f98a", "café  owners"]
LOAD = """
import json, sys
from pathlib import Path
from junkdna.cli.unused_packages import hide_unused
hide_unused("tokenize")
from junkdna.data.tokenizer import load_tokenizer
folders, texts = json.load(sys.stdin)
print(json.dumps([[type(one).__name__, one.model_max_length, one.all_special_tokens, one(texts)["input_ids"],
                   one(texts, texts[::-1])["input_ids"]] for one in (load_tokenizer(Path(each)) for each in folders)]))
assert sys.modules["torch"] is None
"""


def saved(folder: Path) -> list[Path]:
    """Folders of tokenizers of every family, and of some that are loaded by the class of their model."""
    made = {family: toy_tokenizers.make(family) for family in toy_tokenizers.FAMILIES}
    for family, one in made.items():
        one.save_pretrained(folder / family)
    words = [
        *dict.fromkeys(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "fox", "##es"])
    ]
    for name, kind in {"bert": BertTokenizer, "gpt2": GPT2Tokenizer}.items():
        inner = {word: at for at, word in enumerate(words)}
        more = {"merges": [("f", "o"), ("fo", "x")]} if name == "gpt2" else {}
        kind(vocab={**inner, "<|endoftext|>": len(inner), "fo": len(inner) + 1}, **more).save_pretrained(folder / name)
        (folder / name / "config.json").write_text(json.dumps({"model_type": name}))
    return [folder / name for name in (*made, "bert", "gpt2")]


def test_tokenizers_give_the_same_ids_without_torch(tmp_path):
    folders = saved(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LOAD], input=json.dumps([[*map(str, folders)], TEXTS]), capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    for folder, (name, limit, special, ids, pairs) in zip(folders, json.loads(done.stdout), strict=True):
        one = load_tokenizer(folder)
        assert (type(one).__name__, one.model_max_length, one.all_special_tokens) == (name, limit, special)
        assert one(TEXTS)["input_ids"] == ids
        assert one(TEXTS, TEXTS[::-1])["input_ids"] == pairs
        assert len({*map(tuple, ids)}) > 1


@pytest.mark.usefixtures("world")
def test_the_job_writes_the_same_file_without_torch():
    resolved = toy_run.read()
    cells = grid.all_cells(resolved)
    toy_run.prepare(resolved, cells)
    cell = next(each for each in cells if each.transfer != "none")
    path = cell.tokens_path("train")
    settings = settings_from_study.tokens_file_settings(
        cell.model, cell.task, cell.token_knobs, cell.protocol, "train", resolved
    )
    command = ["tokenize", "again.arrow", "--model", f"{cell.model_folder}/model.json"]
    command += ["--examples", f"results/examples/{cell.task}/train.parquet", "--settings", canonical_json(settings)]
    code = f"import atexit, os, sys; sys.argv[1:] = {command!r}\nend = os._exit\n"
    code += "os._exit = lambda code: end(code or 3 * (sys.modules['torch'] is not None))\nimport junkdna.__main__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Path("again.arrow").read_bytes() == Path(path).read_bytes()

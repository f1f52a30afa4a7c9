"""A data set of the Hub without a network: read from a folder laid out as its repository, or the fix is named."""

import json
import os
import subprocess
import sys

HUB = """
import json, sys
from pathlib import Path
from junkdna.errors import UserError
from junkdna.data.rows import load_raw
from junkdna.study.sources import PinnedSource
try:
    raw = load_raw(PinnedSource(hub=sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    print(json.dumps([raw.table.to_pylist(), raw.label_names]))
except UserError as error:
    print(json.dumps(str(error)))
"""


def hub_rows(tmp_path, hub, split):
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_DATASETS_OFFLINE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", HUB, hub, split, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_hub_reads_a_folder_laid_out_as_its_repository(tmp_path):
    (tmp_path / "glue").mkdir()
    for split in ("train", "validation"):
        (tmp_path / "glue" / f"{split}.jsonl").write_text(json.dumps({"q": split, "label": 1}) + "\n")
    assert hub_rows(tmp_path, "glue", "validation") == [[{"q": "validation", "label": 1}], {}]
    assert "unknown split 'test'. Valid: train, validation." in hub_rows(tmp_path, "glue", "test")


def test_hub_out_of_reach_says_what_to_put_where(tmp_path):
    said = hub_rows(tmp_path, "nobody/nothing", "train")
    for part in ("'nobody/nothing'", "cannot be loaded", "HF_HOME", "`local:`"):
        assert part in said

"""The local cache of the Hugging Face Hub."""

import os
from pathlib import Path


def hub_cached(repository: str, kind: str) -> bool:
    """Whether a repository is in the local cache of the Hub or is a folder; `kind` is "models" or "datasets"."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return Path(repository).is_dir() or any((cache / f"{kind}--{repository.replace('/', '--')}/snapshots").glob("*"))

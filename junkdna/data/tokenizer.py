"""Load the tokenizer of a model folder, and compute how many tokens the model can read."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, cause

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST_WORDS = 10  # a tokenizer without its vocabulary has fewer words
UNKNOWN = 10_000_000  # without a limit, tokenizers have 1e30 and some configs -1
LATE_POSITIONS = (  # RoBERTa's family counts positions from pad_token_id + 1: 514 positions for 512 tokens
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip


def load_tokenizer(folder: Path) -> object:
    """The tokenizer of a model folder, loaded without running code of its repository.

    Raises UserError if it cannot be loaded or has no words: without a vocabulary file, transformers builds a tokenizer
    that has only special tokens.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    needs_code = "auto_map" in _settings(folder) and (folder / "tokenizer.json").is_file()
    loader = PreTrainedTokenizerFast if needs_code else AutoTokenizer
    try:
        tokenizer = loader.from_pretrained(folder, **({} if needs_code else {"trust_remote_code": False}))
    except Exception as error:  # the Rust library raises plain Exception
        raise UserError(f"{folder}: its tokenizer cannot be loaded: {_reason(folder, error)}") from error
    files = tokenizer.vocab_files_names.values()
    words = {*tokenizer.get_vocab()} - {*tokenizer.all_special_tokens}
    if files and len(words) < FEWEST_WORDS and not any((folder / name).is_file() for name in files):
        raise UserError(
            f"{folder}: its tokenizer ({type(tokenizer).__name__}) has no vocabulary, so every word would be unknown: "
            f"{', '.join(files)} missing. Save the tokenizer to this folder again with save_pretrained."
        )
    return tokenizer


def _settings(folder: Path) -> dict:
    """The contents of tokenizer_config.json; empty if it cannot be read, which loading then reports."""
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _reason(folder: Path, error: Exception) -> str:
    """The cause of a loading error, with the file and the fix."""
    message = cause(error)
    for path in sorted(folder.glob("*token*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as json_error:
            return f"{path.name} is corrupt or truncated JSON ({cause(json_error)}). Copy or download it again."
    if isinstance(error, ImportError) or "install" in message:
        return f"{message} Or save it with save_pretrained where it loads; tokenizer.json needs no other package."
    if type(error) in (Exception, KeyError, TypeError) and (folder / "tokenizer.json").is_file():
        return (
            f"tokenizers {version('tokenizers')} cannot read tokenizer.json ({message}). A newer release may have "
            "written it, or it is corrupt: update transformers and tokenizers, or save it again with these versions."
        )
    return f"{message} Copy or download the tokenizer's files again, or write them with save_pretrained."


def check_token_ids(folder: Path, *columns: "pa.ChunkedArray") -> None:
    """Raises UserError if a column of token ids (lists, or lists of lists) has an id outside the model's vocabulary.

    The tokenizer then belongs to another model, and scoring would fail with an IndexError or a GPU error.
    """
    import pyarrow.compute as pc

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    vocabulary = (config.get("text_config") or config).get("vocab_size")
    for column in columns:
        while hasattr(column.type, "value_type"):
            column = pc.list_flatten(column)
        highest = pc.max(column).as_py()
        if isinstance(vocabulary, int) and highest is not None and highest >= vocabulary:
            raise UserError(
                f"{folder}: the tokenizer produced token id {highest}, but the model's ids end at {vocabulary - 1} "
                "(vocab_size in config.json). The tokenizer belongs to another model: replace it with the model's."
            )


def context_tokens(folder: Path, tokenizer: object) -> int | None:
    """The most tokens that a folder's model can read, from its config and tokenizer; None if neither states it."""
    config = json.loads((folder / "config.json").read_text())
    config = config.get("text_config") or config
    stated = [config.get(name) for name in ("max_position_embeddings", "n_positions", "n_ctx")]
    if config.get("model_type") in LATE_POSITIONS:
        stated = [positions and positions - 1 - config.get("pad_token_id", 1) for positions in stated]
    stated.append(getattr(tokenizer, "model_max_length", None))
    usable = [int(tokens) for tokens in stated if tokens and 0 < tokens < UNKNOWN]
    return min(usable, default=None)

"""The tokenizer of a model folder, and how many tokens the model can read."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, cause

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST_WORDS = 10  # more than a tokenizer without its vocabulary ever has
UNKNOWN = 10_000_000  # tokenizers write 1e30 where they know no limit, some configs -1
LATE_POSITIONS = (  # RoBERTa's family counts positions from pad_token_id + 1: 514 places hold 512 tokens
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip


def load_tokenizer(folder: Path) -> object:
    """The tokenizer of a model folder; none of its repository's own code runs.

    Raises UserError where it cannot be loaded, and where it knows no words: transformers makes a tokenizer of special
    tokens alone where its vocabulary is not there.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    code = "auto_map" in _settings(folder) and (folder / "tokenizer.json").is_file()
    loader = PreTrainedTokenizerFast if code else AutoTokenizer
    try:
        found = loader.from_pretrained(folder, **({} if code else {"trust_remote_code": False}))
    except Exception as error:  # the Rust library raises Exception itself
        raise UserError(f"{folder}: its tokenizer cannot be loaded: {_reason(folder, error)}") from error
    files = found.vocab_files_names.values()
    words = {*found.get_vocab()} - {*found.all_special_tokens}
    if files and len(words) < FEWEST_WORDS and not any((folder / name).is_file() for name in files):
        raise UserError(
            f"{folder}: its tokenizer ({type(found).__name__}) has no vocabulary, so every word would be unknown: none "
            f"of {', '.join(files)} is there. Save the tokenizer there again (save_pretrained)."
        )
    return found


def _settings(folder: Path) -> dict:
    """What tokenizer_config.json says; nothing where it cannot be read, which loading then reports."""
    try:
        found = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _reason(folder: Path, error: Exception) -> str:
    """What went wrong, in which file, and what helps."""
    said = cause(error)
    for path in sorted(folder.glob("*token*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as broken:
            return f"{path.name} is no whole JSON file ({cause(broken)}). Bring it again."
    if isinstance(error, ImportError) or "install" in said:
        return f"{said} Or save it with save_pretrained where it loads: its tokenizer.json needs no other package."
    if type(error) in (Exception, KeyError, TypeError) and (folder / "tokenizer.json").is_file():
        return (
            f"tokenizers {version('tokenizers')} does not read tokenizer.json ({said}). A newer release may have "
            "written it, or it is damaged: update transformers and tokenizers, or save it anew with these."
        )
    return f"{said} Bring the tokenizer's files again, as save_pretrained writes them."


def check_token_ids(folder: Path, *columns: "pa.ChunkedArray") -> None:
    """UserError where a column of token ids (lists, or lists of lists) holds one that the model of a folder lacks.

    The tokenizer then is another model's; looking the id up would end in an IndexError, or in an error of the GPU.
    """
    import pyarrow.compute as pc

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = (config.get("text_config") or config).get("vocab_size")
    for column in columns:
        while hasattr(column.type, "value_type"):
            column = pc.list_flatten(column)
        highest = pc.max(column).as_py()
        if isinstance(known, int) and highest is not None and highest >= known:
            raise UserError(
                f"{folder}: the tokenizer gives token id {highest}, but the model has {known} tokens, counted from 0 "
                "(vocab_size in config.json): the tokenizer is another model's. Bring the right one."
            )


def context_tokens(folder: Path, tokenizer: object) -> int | None:
    """Most tokens that the model of a folder can read, by its config and its tokenizer; None where neither says."""
    config = json.loads((folder / "config.json").read_text())
    config = config.get("text_config") or config
    stated = [config.get(name) for name in ("max_position_embeddings", "n_positions", "n_ctx")]
    if config.get("model_type") in LATE_POSITIONS:
        stated = [places and places - 1 - config.get("pad_token_id", 1) for places in stated]
    stated.append(getattr(tokenizer, "model_max_length", None))
    usable = [int(tokens) for tokens in stated if tokens and 0 < tokens < UNKNOWN]
    return min(usable, default=None)

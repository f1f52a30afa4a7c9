"""What a model folder's JSON files say of its architecture, read without transformers: is it one that can be loaded?"""

import re
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from junkdna.errors import UserError

TABLES = ("auto_mappings.py", "configuration_auto.py", "tokenization_auto.py")
FEWEST = 100  # architectures of any transformers; fewer are found where its tables are written another way
OTHER_PARTS = ("vision_config", "audio_config")
BYTE_TOKENIZERS = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")  # they need no vocabulary
NO_VOCABULARY = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
PLAIN = "Use a model of an architecture that transformers has itself."


def check_config(config: dict, where: str) -> None:
    """UserError, `where` in front, for a config.json of a model that cannot be served.

    That is one of an architecture that the installed transformers does not have (`auto_map` then names Python code of
    the repository, which is never run), an encoder-decoder, one that reads images or sound too, and weights that are
    compressed already. An `auto_map` beside an architecture of transformers' own is passed over.
    """
    kind = config.get("model_type")
    what = f"{where}: config.json is of model_type {kind!r}"
    if not isinstance(kind, str):
        raise UserError(
            f"{where}: config.json has no model_type, so nothing says what architecture the weights belong to. Bring "
            "the config.json that save_pretrained writes."
        )
    known = known_names(TABLES[:2])
    if known and kind not in known:
        if config.get("auto_map"):
            raise UserError(
                f"{what}, which transformers {_installed()} does not have, and its `auto_map` names Python code of its "
                f"repository, which is never run here. {PLAIN}"
            )
        close = get_close_matches(kind, known, n=3, cutoff=0.7)
        hint = f" Did you mean {' or '.join(close)}?" if close else " A newer transformers may have it."
        raise UserError(f"{what}, which transformers {_installed()} does not have.{hint}")
    if config.get("is_encoder_decoder"):
        raise UserError(
            f"{what}, an encoder-decoder, which no `kind` serves: use a model that is an encoder only (`kind: "
            "encoder`, BERT's family) or a decoder only (`kind: decoder`, GPT's)."
        )
    if parts := [name for name in OTHER_PARTS if config.get(name)]:
        raise UserError(
            f"{what} and has {', '.join(parts)}: it reads more than text. Only models of text alone are compressed and "
            "scored here: save its language model as a checkpoint of its own."
        )
    if config.get("quantization_config"):
        raise UserError(
            f"{where}: config.json has `quantization_config`: the weights are compressed already."
            " Name the original checkpoint."
        )


def check_tokenizer_files(settings: dict, names: list[str], where: str) -> None:
    """UserError where `names`, the tokenizer's files, hold no vocabulary, or only Python code could read them.

    `settings` is tokenizer_config.json, empty where there is none. transformers makes a tokenizer of special tokens
    alone where the vocabulary lacks, and every word becomes unknown.
    """
    made_by = str(settings.get("tokenizer_class") or "")
    if not {*names} - {*NO_VOCABULARY} and made_by.removesuffix("Fast") not in BYTE_TOKENIZERS:
        raise UserError(
            f"{where}: no tokenizer files with a vocabulary (tokenizer.json, vocab.txt, ...; found: "
            f"{', '.join(names) or 'none'}); save the tokenizer there too."
        )
    known = known_names(TABLES[2:])
    if settings.get("auto_map") and "tokenizer.json" not in names and known and made_by not in known:
        raise UserError(
            f"{where}: tokenizer_config.json has `auto_map` and tokenizer_class {made_by!r}, which transformers "
            f"{_installed()} does not have: Python code of its repository, which is never run here. Add a "
            "tokenizer.json, or use another model."
        )


@cache
def known_names(tables: tuple[str, ...]) -> frozenset[str]:
    """Names in transformers' tables of configurations (model types) or of tokenizers (classes), from its source text.

    Empty where transformers is not installed or its tables look otherwise: loading then says what it does not know.
    """
    found = find_spec("transformers")
    if found is None or not found.submodule_search_locations:
        return frozenset()
    folder = Path(found.submodule_search_locations[0]) / "models/auto"
    text = "".join(path.read_text(encoding="utf-8") for name in tables if (path := folder / name).is_file())
    pattern = r'"(\w+Tokenizer(?:Fast)?)"' if tables == TABLES[2:] else r'"([^"\s]+)"\s*[,:]\s*"\w+Config"'
    names = frozenset(re.findall(pattern, text))
    return names if len(names) >= FEWEST or tables == TABLES[2:] else frozenset()


def _installed() -> str:
    try:
        return version("transformers")
    except PackageNotFoundError:
        return "(not installed)"

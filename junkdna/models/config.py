"""Check without transformers, from a model folder's JSON files, that its architecture can be loaded."""

import re
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from junkdna.errors import UserError

TABLES = ("auto_mappings.py", "configuration_auto.py", "tokenization_auto.py")
FEWEST = 100  # every transformers release has more; fewer matches mean that the format of its tables changed
NON_TEXT_CONFIGS = ("vision_config", "audio_config")
BYTE_TOKENIZERS = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")  # they need no vocabulary
NO_VOCABULARY = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def check_config(config: dict, where: str) -> None:
    """Raises UserError, starting with `where`, for the config.json of a model that is not supported.

    Not supported are architectures that the installed transformers lacks (`auto_map` then names Python code of the
    repository, which is never run), encoder-decoders, models that also read images or audio, and weights that are
    already compressed. For an architecture that transformers has, `auto_map` is ignored.
    """
    kind = config.get("model_type")
    prefix = f"{where}: config.json has model_type {kind!r}"
    if not isinstance(kind, str):
        raise UserError(
            f"{where}: config.json has no model_type, so the architecture of the weights is unknown. Use the "
            "config.json that save_pretrained writes."
        )
    model_types = known_names(TABLES[:2])
    if model_types and kind not in model_types:
        if config.get("auto_map"):
            raise UserError(
                f"{prefix}, which transformers {_installed()} lacks, and its `auto_map` names Python code of its "
                "repository, which junkdna never runs. Use a model whose architecture is part of transformers."
            )
        close = get_close_matches(kind, model_types, n=3, cutoff=0.7)
        hint = f" Did you mean {' or '.join(close)}?" if close else " Use another model or a newer transformers."
        raise UserError(f"{prefix}, which transformers {_installed()} lacks.{hint}")
    if config.get("is_encoder_decoder"):
        raise UserError(
            f"{prefix}, an encoder-decoder, which no `kind` supports. Use an encoder-only model (`kind: encoder`, "
            "such as BERT) or a decoder-only model (`kind: decoder`, such as GPT)."
        )
    if foreign := [name for name in NON_TEXT_CONFIGS if config.get(name)]:
        raise UserError(
            f"{prefix} and has {', '.join(foreign)}, so it reads more than text. Only text models are "
            "supported: save its language model as a separate checkpoint and name that."
        )
    if config.get("quantization_config"):
        raise UserError(
            f"{where}: config.json has `quantization_config`, so the weights are already compressed."
            " Name the original checkpoint."
        )


def check_tokenizer_files(settings: dict, names: list[str], where: str) -> None:
    """Raises UserError if the tokenizer files `names` have no vocabulary, or if only Python code could read them.

    `settings` is tokenizer_config.json, empty without one. Without a vocabulary, transformers builds a tokenizer that
    has only special tokens, and every word becomes unknown.
    """
    tokenizer_class = str(settings.get("tokenizer_class") or "")
    if not {*names} - {*NO_VOCABULARY} and tokenizer_class.removesuffix("Fast") not in BYTE_TOKENIZERS:
        raise UserError(
            f"{where}: no tokenizer file with a vocabulary (tokenizer.json, vocab.txt, ...; found: "
            f"{', '.join(names) or 'none'}). Save the tokenizer to the same folder."
        )
    classes = known_names(TABLES[2:])
    if settings.get("auto_map") and "tokenizer.json" not in names and classes and tokenizer_class not in classes:
        raise UserError(
            f"{where}: tokenizer_config.json has `auto_map` and tokenizer_class {tokenizer_class!r}, which "
            f"transformers {_installed()} lacks: it is Python code of its repository, which junkdna never runs. Add a "
            "tokenizer.json, or use another model."
        )


@cache
def known_names(tables: tuple[str, ...]) -> frozenset[str]:
    """The model types or tokenizer classes in transformers' tables, read from its source text without importing it.

    Empty if transformers is not installed or its tables have another format; loading then reports unknown names.
    """
    spec = find_spec("transformers")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    folder = Path(spec.submodule_search_locations[0]) / "models/auto"
    text = "".join(path.read_text(encoding="utf-8") for name in tables if (path := folder / name).is_file())
    pattern = r'"(\w+Tokenizer(?:Fast)?)"' if tables == TABLES[2:] else r'"([^"\s]+)"\s*[,:]\s*"\w+Config"'
    names = frozenset(re.findall(pattern, text))
    return names if len(names) >= FEWEST or tables == TABLES[2:] else frozenset()


def _installed() -> str:
    try:
        return version("transformers")
    except PackageNotFoundError:
        return "(not installed)"

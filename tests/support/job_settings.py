"""Settings of the jobs `tokenize` and `cell` for tests that run a part of them."""

from junkdna.data.prompts import Wording
from junkdna.study.cell_settings import CellSettings, GenerateSettings, ScoringSettings, TokenSettings, TrainingSettings
from junkdna.study.formats import load, tokens_format

DEFAULT_PICK = {"encoder": "bi_encoder", "decoder": "cloze"}
PROMPTS = {
    "description": "",
    "prompt": "{passage}Question: {text}\nAnswer:",
    "mcq_prompt": "{passage}{text}\n{choices}\nAnswer:",
    "verbalizers": [],
}


def token_settings(kind: str, model_kind: str, picked: str = "", **more: object) -> TokenSettings:
    """`picked`: the format that a protocol picks for choices, where it is not the default."""
    answer_format = tokens_format(kind, model_kind, picked or DEFAULT_PICK[model_kind])
    common = {"version": 0, "task": "t", "role": "evaluate", "inputs": {}, "code": "", "knobs": [], "knob_defaults": {}}
    common |= {"kind": kind, "model_kind": model_kind, "format": answer_format, "max_length": 64}
    return TokenSettings(**{**common, **(PROMPTS if model_kind == "decoder" else {}), **more})


def wording(settings: TokenSettings) -> Wording:
    """How the answer format of these settings words a row."""
    return load(settings.format).wording(settings)


def cell_settings(
    kind: str, answer_format: str, metric: str = "accuracy", normalization: str = "", generate: dict | None = None
) -> CellSettings:
    """With a `normalization` nothing is trained."""
    return CellSettings(
        version=0, cell="", kind=kind, metric=metric, classes=[], format=answer_format, model_kind="encoder",
        model_dtype="float32", options={}, inputs={}, code="",
        scoring=ScoringSettings(normalization, "float32") if normalization else None,
        training=None if normalization else training_settings(),
        generate=GenerateSettings(**generate) if generate else None,
    )  # fmt: skip


def training_settings(**more: object) -> TrainingSettings:
    common = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "warmup_fraction": 0.0, "weight_decay": 0.0}
    return TrainingSettings(**{**common, "prune_head": False, "stack": 1, "precision": "float32", **more})

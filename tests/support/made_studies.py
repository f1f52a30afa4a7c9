"""Small studies for tests of claims; `made_cells` makes their answers."""

from junkdna.study.cell import Cell

MODELS = {"enc": {"kind": "encoder", "local": "enc"}, "dec": {"kind": "decoder", "local": "dec"}}
LEVELS = (0.3, 0.5, 0.7, 0.9)
PRUNED = [{"method": "magnitude", "sparsity": list(LEVELS)}]
CHOICE = ("sciq", "csqa", "arc_easy", "arc_challenge", "openbookqa", "social_iqa")


CONTEXT = {"knobs": {"context": ["none", "passage"]}}


def study(tasks: tuple[str, ...], *, claims: dict | None = None, **experiments: dict) -> dict:
    base = {"title": "", "models": ["dec"], "tasks": [*tasks], "compressions": PRUNED}
    return {
        "study": "made", "models": MODELS, "tasks": dict.fromkeys(tasks), "bootstrap": 500,
        "experiments": {name: base | more for name, more in (experiments or {"only": {}}).items()},
        "claims": claims or {},
    }  # fmt: skip


def trained(seeds: list[int], **more: object) -> dict:
    return {"models": ["enc"], "transfer": ["dense", "sparse", "sparse_to_dense"], "seeds": seeds} | more


def steady(cell: Cell) -> float:
    """Steadily falling from 0.85 to 0.4, twice as fast without a passage."""
    steep = 0.5 if dict(cell.knobs).get("context", "none") == "none" else 0.25
    return 0.85 - steep * cell.compression.nominal_sparsity

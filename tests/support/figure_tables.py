"""Plausible drops tables for tests of figures and report, simulated example by example from a seeded generator.

Nothing in them was measured: a condition is a dense skill above chance that a logistic curve takes away as weights go;
every score, interval and flag then follows from simulated answers as it would from real ones.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
DRAWS = 200
LIST = pl.List(pl.Float64)


@dataclass
class Condition:
    """One simulated condition: where its dense model stands and at which sparsity half of its skill is gone.

    Compressed by each of `methods` at each of `levels` (sparsities), and by each of `compressions`, whole tags.
    """

    task: str
    knobs: str
    label: str
    chance: float
    dense: float
    half: float
    experiment: str = "context"
    model: str = "SmolLM2-135M"
    hub: str = ""
    transfers: tuple[str, ...] = ("none",)
    methods: tuple[str, ...] = ("magnitude",)
    levels: tuple[float, ...] = LEVELS
    compressions: tuple[str, ...] = ()
    n_seeds: int = 3
    n_examples: int = 400
    protocol: str = "llm"
    kind: str = ""
    metric: str = "accuracy"
    human: float | None = None
    title: str = ""
    knob_values: str = ""
    extra: dict = field(default_factory=dict)


SIGNED = ("matthews", "pearson")
HALF_SHIFT = {"none": 0.0, "sparse": 0.1, "sparse_to_dense": 0.22, "dense_freeze": 0.3}
METHOD_SHIFT = {"magnitude": 0.0, "random": -0.25, "largest": -0.4, "nm": -0.04, "wanda": 0.05, "sparsegpt": 0.1}
FORMAT_BITS = {"fp8": 8.0, "nvfp4": 4.5, "nf4": 4.5, "mxfp4": 4.25}
HALF_BITS = {"rtn": 3.4, "gptq": 2.6, "svd": 7.0}  # effective bits at which half of the skill is gone


def tag_of(method: str, level: float) -> str:
    """The tag of a method at a sparsity; keep n of 8 for nm."""
    return f"nm-keep{round(8 * (1 - level))}of8" if method == "nm" else f"{method}-{level:g}"


def parts(tag: str) -> tuple[str, float, float]:
    """(method, sparsity, effective bits per weight) of a tag, read by hand; matrices are square."""
    head, *options = tag.split(",")
    method, _, level = head.partition("-")
    if method == "dense":
        return method, 0.0, 16.0
    if level.endswith("bit"):
        bits, given = int(level[:-3]), dict(option.split("=") for option in options)
        return method, 0.0, bits + (16 + bits) / int(given.get("group", 128))
    if level in FORMAT_BITS:
        return method, 0.0, FORMAT_BITS[level]
    if level.startswith("rank"):
        return method, 0.0, min(16.0, 32 * float(level[4:]))
    if level.startswith("keep"):
        keep, of = map(int, level[4:].split("of"))
        sparsity = 1 - keep / of
    elif "to" in level:
        low, high = map(float, level.split("to"))
        sparsity = round(high - low, 6)
    else:
        sparsity = float(level)
    return method, sparsity, min(16.0, 16 * (1 - sparsity) + 1)


def kept_by(tag: str, half: float) -> float:
    """The share of skill that a compression leaves: a logistic curve in sparsity, in bits, or in a band's place."""
    method, sparsity, bits = parts(tag)
    if method == "dense":
        return 1.0
    if method in HALF_BITS and bits > 0:
        return float(1 / (1 + np.exp(4 * (np.log2(HALF_BITS[method]) - np.log2(bits) + half - 0.5))))
    if method == "band":
        start = float(tag.partition("-")[2].split("to")[0])
        return float(np.clip(1 - start**3 - 0.1 * (1 - half), 0, 1))
    if bits == 0:
        return 0.0
    return float(1 / (1 + np.exp((sparsity - half - METHOD_SHIFT.get(method, 0.0)) / 0.06)))


def answers(rng: np.random.Generator, condition: Condition, kept: float) -> np.ndarray:
    """Credit of each seed and example, examples of unequal ease, when `kept` of the skill is left.

    1 or 0; for a signed metric 1 or -1, whose mean stands for a correlation.
    """
    ease = rng.beta(2, 2, condition.n_examples) - 0.5
    skill = condition.chance + (condition.dense - condition.chance) * kept
    seed_effect = rng.normal(0, 0.012, (condition.n_seeds, 1))
    signed = condition.metric in SIGNED
    share = np.clip((skill + 1) / 2 if signed else skill + 0.3 * ease + seed_effect, 0.01, 0.99)
    right = rng.random((condition.n_seeds, condition.n_examples)) < share
    return 2.0 * right - 1 if signed else right


def resampled(rng: np.random.Generator, right: np.ndarray, dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap means of `right` and `dense`, over seeds and the examples inside them, paired."""
    seeds, examples = right.shape
    weights = rng.multinomial(examples, np.full(examples, 1 / examples), DRAWS) / examples
    picked = rng.integers(0, seeds, (DRAWS, seeds))
    return tuple(np.take_along_axis(weights @ part.T, picked, axis=1).mean(axis=1) for part in (right, dense))


def interval(name: str, value: float | None, draws: np.ndarray) -> dict:
    """Value with its 95 % percentile interval; all null where the value is."""
    if value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = np.percentile(draws, [2.5, 97.5])
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}


def row(rng: np.random.Generator, c: Condition, tag: str, transfer: str, dense: np.ndarray) -> dict:
    """One row of the drops table."""
    method, sparsity, bits = parts(tag)
    kept = kept_by(tag, c.half + HALF_SHIFT.get(transfer, 0.0))
    right = dense if method == "dense" else answers(rng, c, kept)
    draws, base = resampled(rng, right, dense)
    score, top = right.mean(), dense.mean()
    above = top - 2 * dense.std() / dense.size**0.5 > c.chance  # of the dense model alone: the same in all its rows
    return {
        "experiment": c.experiment,
        "model": c.model,
        "task": c.task,
        "knobs": c.knobs,
        "label": c.label,
        "title": c.title or c.label,
        "hub": c.hub,
        "knob_values": c.knob_values or c.knobs,
        "metric": c.metric,
        "kind": c.kind or ("choice" if transfer == "none" else "classify"),
        "method": method,
        "compression": tag,
        "sparsity": sparsity,
        "effective_bits_per_weight": bits,
        "transfer": transfer,
        "protocol": c.protocol,
        "n_seeds": c.n_seeds,
        "n_examples": c.n_examples,
        "chance": c.chance,
        "majority": c.chance + 0.03,
        "baseline": "chance",
        "dense_score": top,
        **interval("score", score, draws),
        **interval("drop", top - score, base - draws),
        **interval("relative_score", 100 * score / top if top > 0 else None, 100 * draws / np.where(base > 0, base, 1)),
        **interval("retention", (score - c.chance) / (top - c.chance) if above else None, _kept(draws, base, c.chance)),
        "dense_known_share": (top - c.chance) / (1 - c.chance),
        "score_seeds": right.mean(axis=1).tolist(),
        "collapsed": int(kept < 0.03) * c.n_seeds,
        "difficulty": 1 - (top - c.chance) / (1 - c.chance),
        "difficulty_measure": "chance_corrected_dense_error",
        "human": c.human,
        "human_source": None if c.human is None else f"Reader et al. 2019, {c.metric}",
        "human_gap_by_human": c.human and (c.human - top) / c.human,
        "human_gap_by_dense": (c.human - top) / top if c.human and top > 0 else None,
        "truncated": 0.02,
        **c.extra,
    }


def _kept(draws: np.ndarray, base: np.ndarray, chance: float) -> np.ndarray:
    return (draws - chance) / np.where(np.abs(base - chance) < 1e-9, 1e-9, base - chance)


def drops_table(conditions: list[Condition], seed: int = 7) -> pl.DataFrame:
    """Drops of `conditions`, all answers simulated with the generator of `seed`."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in conditions:
        for transfers in (("none",), tuple(t for t in c.transfers if t != "none")):
            wanted = [t for t in transfers if t in c.transfers]
            if not wanted:
                continue
            dense = answers(rng, c, 1.0)
            rows.append(row(rng, c, "dense", "none" if wanted == ["none"] else "dense", dense))
            tags = [*(tag_of(method, level) for method in c.methods for level in c.levels), *c.compressions]
            for transfer in (t for t in wanted if t != "dense"):
                rows += [row(rng, c, tag, transfer, dense) for tag in tags]
    nullable = ("retention", "relative_score")
    schema = {f"{name}{end}": pl.Float64 for name in nullable for end in ("", "_low", "_high")}
    schema |= dict.fromkeys(("human", "human_gap_by_human", "human_gap_by_dense"), pl.Float64)
    schema |= {"score_seeds": LIST, "human_source": pl.String}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)


def study() -> list[Condition]:
    """Conditions of a study with every feature: knobs, controls, fine-tuning, two models, a task at chance."""
    modes = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
    few = (0.25, 0.375, 0.5, 0.625, 0.75)
    tuned = {"experiment": "modes", "model": "roberta-base", "transfers": modes, "protocol": "glue"}
    return [
        Condition("sciq", "context=passage", "SciQ with passage", 0.25, 0.86, 0.55),
        Condition("sciq", "context=none", "SciQ without passage", 0.25, 0.68, 0.46),
        Condition("arc_easy", "", "ARC easy", 0.25, 0.57, 0.44),
        Condition("arc_challenge", "", "ARC challenge", 0.25, 0.33, 0.38),
        Condition("mmlu", "", "MMLU", 0.25, 0.255, 0.4),
        *[
            Condition("sciq", f"options={n}", f"SciQ, {n} options", 1 / n, 0.9 - 0.05 * n, 0.6 - 0.04 * n, "options")
            for n in (2, 3, 4)
        ],
        *[
            Condition("sciq", "context=passage", "SciQ with passage", 0.25, 0.86, 0.55, "models", f"SmolLM2-{size}")
            for size in ("135M", "360M")
        ],
        Condition("sciq", "context=none", "SciQ without passage", 0.25, 0.74, 0.5, "models", "SmolLM2-360M"),
        *[
            Condition(
                task,
                "",
                label,
                0.25,
                dense,
                half,
                "controls",
                methods=("magnitude", "random", "largest", "nm"),
                levels=few,
            )
            for task, label, dense, half in [("sciq", "SciQ", 0.8, 0.6), ("arc_easy", "ARC easy", 0.57, 0.5)]
        ],
        Condition("sst2", "", "SST-2", 0.5, 0.92, 0.6, n_examples=872, **tuned),
        Condition("qnli", "", "QNLI", 0.5, 0.9, 0.5, **tuned),
        Condition("rte", "", "RTE", 0.5, 0.68, 0.42, n_examples=277, **tuned),
        Condition("mnli", "", "MNLI", 1 / 3, 0.84, 0.48, **tuned),
    ]


def cells_table(drops: pl.DataFrame) -> pl.DataFrame:
    """Cells of which `drops` could be the summary: one row per seed, each condition once."""
    once = drops.unique(["model", "task", "knobs", "compression", "transfer"], keep="first", maintain_order=True)
    rows = [
        {
            "cell": "/".join(
                [r["model"], r["task"], r["knobs"] or "-", r["compression"], r["transfer"], f"seed{seed}"]
            ),
            **{
                k: r[k] for k in ("model", "task", "knobs", "compression", "method", "sparsity", "transfer", "protocol")
            },
            **{k: r[k] for k in ("chance", "majority", "n_examples", "truncated", "effective_bits_per_weight")},
            "seed": seed,
            "score": score,
            "collapsed": r["collapsed"] > 0,
            "achieved_sparsity": r["sparsity"],
            "wall_s": 1.5,
        }
        for r in once.iter_rows(named=True)
        for seed, score in enumerate(r["score_seeds"])
    ]
    return pl.DataFrame(rows)

"""Time of log-likelihoods with shared beginnings computed once, compared with plain batched rows.

    PYTHONPATH=. python benchmarks/score_speed.py --device cuda --shape llama-7b

The model has random weights and runs in bfloat16. Workloads (random token ids; lengths as in the named tasks):
    text     MMLU-like, 5 shots, the options' texts are scored: 100 questions a subject, 4 options
    letters  the same questions, single letters are scored
    short    no shots: 400 questions of 35 tokens with 4 options of 5

The peer reads each row in full, in batches grouped as lm-evaluation-harness groups them: sorted by length, longest
first, padded on the right, one row a prompt where continuations are single tokens. It attends causally without a mask
and computes logits only from the first scored position of a batch on, which the harness does not. It runs at several
batch sizes on the first subject (trial); the fastest then runs on everything.

Each run is a process of its own. Its time starts after the model is on the device and one unrelated matrix product has
run, so it includes the loading of all kernels. "again" is a second run of ours in the same process. The lower bound
is distinct beginnings of rows x 2 x parameters without embeddings / the speed of a large product in bfloat16.
"""

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from machine import machine

SHAPES = {
    "llama-7b": {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                 "num_attention_heads": 32, "max_position_embeddings": 4096},
    "tiny": {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": 4096},
}  # fmt: skip
PRELOAD = ["torch", "transformers.models.llama.modeling_llama", "junkdna.evaluate.scores"]
OPTIONS = 4


@dataclass
class Work:
    """Queries, the options of each, and how many of the queries decide between batch sizes."""

    queries: list[list[int]]
    options: list[list[list[int]]]
    trial: int

    def part(self, queries: int) -> "Work":
        return Work(self.queries[:queries], self.options[:queries], queries)


def few_shot(rng: np.random.Generator, words: int, subjects: int, questions: int, letters: bool) -> Work:
    """Five examples of 100 to 150 tokens a subject, questions of 60 to 140, options of 4 to 16 tokens or of one."""
    queries, options = [], []
    for _ in range(subjects):
        header = rng.integers(3, words, rng.integers(500, 750)).tolist()
        for _ in range(questions):
            queries.append(header + rng.integers(3, words, rng.integers(60, 140)).tolist())
            sizes = [1] * OPTIONS if letters else rng.integers(4, 17, OPTIONS)
            fixed = [[3 + j] for j in range(OPTIONS)]
            options.append(fixed if letters else [rng.integers(3, words, size).tolist() for size in sizes])
    return Work(queries, options, questions)


def short(rng: np.random.Generator, words: int, questions: int) -> Work:
    """Questions of 35 tokens, options of 5."""
    options = rng.integers(3, words, (questions, OPTIONS, 5)).tolist()
    return Work(rng.integers(3, words, (questions, 35)).tolist(), options, questions)


def workload(name: str, args: argparse.Namespace) -> Work:
    rng, words = np.random.default_rng(0), SHAPES[args.shape]["vocab_size"]
    if name == "short":
        return short(rng, words, args.short_questions)
    subjects = {"text": args.text_subjects, "letters": args.letter_subjects}[name]
    return few_shot(rng, words, subjects, args.questions, name == "letters")


def load(shape: str, device: str) -> object:
    """The model on the device, after one unrelated product."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    with torch.device(device):
        config = LlamaConfig(**SHAPES[shape])
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
        torch.ones(64, 64, dtype=torch.bfloat16) @ torch.ones(64, 64, dtype=torch.bfloat16)
    synchronize(device)
    return model


def synchronize(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def ours(work: Work, model: object, device: str, pack: int | None, queries: int | None) -> np.ndarray:
    from junkdna.evaluate.scores import loglikelihood
    from junkdna.models import tree_attention
    from junkdna.models.prefix_tree import PACK_TOKENS

    PACK_TOKENS["tiles"] = pack or PACK_TOKENS["tiles"]
    tree_attention.QUERIES = queries or tree_attention.QUERIES
    return np.concatenate(loglikelihood(model, work.queries, work.options, [[0] * OPTIONS] * len(work.queries), device))


def plain(work: Work, model: object, device: str, batch: int) -> np.ndarray:
    """Scores of complete rows, `batch` at a time."""
    import torch

    wanted: dict[tuple, list[tuple[int, list[int]]]] = {}  # row -> the places and targets that it scores
    for i, (query, options) in enumerate(zip(work.queries, work.options, strict=True)):
        for j, option in enumerate(options):
            wanted.setdefault((*query, *option[:-1]), []).append((i * OPTIONS + j, option))
    rows = sorted(wanted, key=lambda row: (-len(row), row))
    scores = np.zeros(len(work.queries) * OPTIONS)
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            places, sums = _plain_batch(model, part, [wanted[row] for row in part], device)
            scores[places] = sums
    return scores


def _plain_batch(model: object, rows: Sequence[tuple], wanted: list[list], device: str) -> tuple[list, np.ndarray]:
    import torch

    width = len(rows[0])
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)
    first = min(len(row) - len(option) for row, each in zip(rows, wanted, strict=True) for _, option in each)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=width - first).logits
    cells = [
        (b, len(row) - len(option) + t - first, token)
        for b, (row, each) in enumerate(zip(rows, wanted, strict=True))
        for _, option in each
        for t, token in enumerate(option)
    ]
    b, t, token = torch.tensor(cells, device=device).T
    logp = logits[b, t].float().log_softmax(-1).gather(1, token[:, None])[:, 0].double().cpu().numpy()
    lengths = [len(option) for each in wanted for _, option in each]
    return [place for each in wanted for place, _ in each], np.add.reduceat(logp, np.cumsum([0, *lengths[:-1]]))


def timed(name: str, args: argparse.Namespace, batch: int | None, trial: bool) -> tuple[float, float, np.ndarray]:
    """Seconds of a first run, of a second one (ours only), and the scores. `batch` is None for ours."""
    work = workload(name, args)
    work = work.part(work.trial) if trial else work
    model = load(args.shape, args.device)
    run = (
        partial(ours, pack=args.pack_tokens, queries=args.tile_queries)
        if batch is None
        else partial(plain, batch=batch)
    )
    seconds = []
    for _ in range(2 if batch is None else 1):
        start = time.perf_counter()
        scores = run(work, model, args.device)
        synchronize(args.device)
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[-1], scores


def matrix_speed(device: str) -> tuple[str, float]:
    """Name of the device and floating-point operations a second of a large product in bfloat16."""
    import torch

    cuda = device.startswith("cuda")
    n, repeats = (8192, 20) if cuda else (1024, 3)
    a, b = torch.randn(2, n, n, device=device).bfloat16()
    a @ b
    synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        a @ b
    synchronize(device)
    name = torch.cuda.get_device_name() if cuda else ""
    return name, 2 * n**3 * repeats / (time.perf_counter() - start)


def lower_bound(name: str, args: argparse.Namespace, speed: float) -> float:
    """Seconds of the products of every distinct beginning with every matrix of the blocks."""
    work, shape = workload(name, args), SHAPES[args.shape]
    rows = sorted([*q, *o[:-1]] for q, row in zip(work.queries, work.options, strict=True) for o in row)
    tokens = len(rows[0])
    for before, row in pairwise(rows):
        same = [a == b for a, b in zip(before, row, strict=False)]
        tokens += len(row) - (same.index(False) if False in same else len(same))
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    return tokens * 2 * layers * width * (4 * width + 3 * shape["intermediate_size"]) / speed


def compare(pool: ProcessPoolExecutor, name: str, args: argparse.Namespace, speed: float) -> list[str]:
    """One line of the table."""

    def run(batch: int | None, trial: bool = False) -> tuple[float, float, np.ndarray]:
        return pool.submit(timed, name, args, batch, trial).result()

    work = workload(name, args)
    trials = {batch: run(batch, trial=True) for batch in args.batch_sizes}
    best = min(trials, key=lambda batch: trials[batch][0])
    print(f"{name}: " + ", ".join(f"batch {b}: {t[0]:.2f} s" for b, t in trials.items()), flush=True)
    first, again, scores = run(None)
    peer, _, expected = trials[best] if work.trial == len(work.queries) else run(best)
    bound = lower_bound(name, args, speed)
    cells = [f"{first:.2f}", f"{peer:.2f} ({best})", f"{peer / first:.2f}", f"{again:.2f}", f"{bound:.2f}"]
    return [name, *cells, f"{first / bound:.1f}", f"{np.abs(scores - expected).max():.1e}"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", default="llama-7b", choices=SHAPES)
    parser.add_argument("--workloads", nargs="+", default=["text", "letters", "short"])
    parser.add_argument("--text-subjects", type=int, default=2)
    parser.add_argument("--letter-subjects", type=int, default=10)
    parser.add_argument("--questions", type=int, default=100, help="questions a subject")
    parser.add_argument("--short-questions", type=int, default=400)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[8, 16, 32, 64], help="of the peer")
    parser.add_argument("--pack-tokens", type=int, help="new tokens in a pack on a GPU (default: the package's)")
    parser.add_argument("--tile-queries", type=int, help="queries in a tile, a divisor of 256 (default: the package's)")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    context = multiprocessing.get_context("forkserver")  # fresh processes that need not import again
    context.set_forkserver_preload(PRELOAD)
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        device, speed = pool.submit(matrix_speed, args.device).result()
        rows = [compare(pool, name, args, speed) for name in args.workloads]
    where = machine("torch", "transformers", gpu=device)
    print(f"\n{where}; {args.shape}, bfloat16, {speed / 1e12:.3g} TFLOP/s; one run of each\n")
    titles = ["workload", "ours, s", "plain, s (batch)", "ratio", "again, s", "lower bound, s", "ours / lower bound"]
    for row in [[*titles, "largest difference"], ["---"] * 8, *rows]:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

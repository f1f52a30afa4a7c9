"""Time of one optimizer step of one cell: a stack of cells, the plain loop, and the loops they are compared with.

    python benchmarks/train_speed.py --shape roberta-base minilm-l6
    python benchmarks/train_speed.py --shape roberta-large
    python benchmarks/train_speed.py --shape toy --steps 4 --repeats 1

All contenders train on the same batches, with random weights, in turn within each repeat, so that other load affects
all of them:

stack-K  `fine_tune_stack` with K cells in mixed transfer modes, in the precision of the shape; steps recorded, as in a
         training of less than `stacked_steps.COMPILED_STEPS` steps
stack-K-compiled  the same with the step compiled, as in a longer training (GPU only)
plain    `fine_tune`, one cell, mode sparse, float32
plain-bfloat16  the same with products in bfloat16
authors  the loop of the paper's code (`sparse_core.py`): float32, torch's AdamW, a mask product for each matrix after
         each step, the loss read at each step, default kernels
3d6a3b2  the loop of that commit: float32, fused AdamW, deterministic kernels, `masked_fill_` with the inverted mask

Times are from events of the GPU (on a CPU, from the clock). The first WARM steps of each run are dropped, and so are
steps that take more than SLOW times the median, which compile or capture for a new shape. "First use" is what the first
run of a contender took beyond its steps at the steady speed: loading kernels, compiling, capturing. Peak is the largest
memory of the GPU during a run.

The lower bound of a cell-step is the products of the real tokens (three times the forward pass: weights of the blocks,
attention) at the speed of a large bfloat16 product measured in the same run, plus AdamW's 28 bytes for each parameter
(reading weight, gradient and both moments, writing all but the gradient, in float32) at the speed of a plain copy.
"""

import argparse
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import torch
from device_clock import DeviceClock
from machine import machine
from torch import Tensor, nn

from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.models.batching import classifier_inputs
from junkdna.resumable import Loop
from junkdna.seeds import seed_for
from junkdna.study.cell_settings import TrainingSettings
from junkdna.train import stacked_steps
from junkdna.train.finetune import batch_order, deterministic, fine_tune, learning_rate_factor
from junkdna.train.stack import fine_tune_stack
from junkdna.train.stack_members import Member
from junkdna.train.train_rows import TrainRows

MODES = ("sparse", "dense", "dense_freeze", "sparse_to_dense")
KEY = ("speed", 0)
WARM, SLOW, SPARSITY = 10, 5, 0.5
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
MINI = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
TOY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 100}
ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}


def log_normal(draw: Tensor) -> Tensor:
    """Lengths with mean 50; the longest of 32 has about 87 tokens, as in QNLI."""
    return (50 * torch.exp(0.29 * torch.special.ndtri(draw) - 0.29**2 / 2)).clamp(8, 128)


@dataclass(frozen=True)
class Shape:
    """A model's configuration, and the rows and stacks that it is measured with."""

    architecture: str
    config: dict
    batch: int
    lengths: Callable[[Tensor], Tensor]
    stacks: tuple[int, ...]
    peers: tuple[str, ...] = ("plain", "authors")
    precision: str = "bfloat16"


SHAPES = {
    "roberta-base": Shape("Roberta", {**ROBERTA, **BASE}, 32, log_normal, (8,)),
    "minilm-l6": Shape(
        "Bert", MINI, 32, lambda draw: 12 + 21 * draw, (16, 32), ("plain", "authors", "3d6a3b2")
    ),
    "roberta-large": Shape("Roberta", {**ROBERTA, **LARGE}, 16, lambda draw: torch.full_like(draw, 512), (1,),
                           ("plain-bfloat16", "authors")),
    "toy": Shape("Bert", TOY, 8, lambda draw: 4 + 8 * draw, (4,), ("plain", "authors", "3d6a3b2"), "float32"),
}  # fmt: skip


def model_of(shape: Shape, device: torch.device) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{shape.architecture}Config")(**shape.config, num_labels=2)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_for("benchmark_weights", shape.architecture))
        model = getattr(transformers, f"{shape.architecture}ForSequenceClassification")(config)
    return model.to(device).eval()


def rows_of(shape: Shape, steps: int, vocabulary: int) -> TrainRows:
    """Random token ids, as many rows as `steps` batches of one epoch need."""
    generator = torch.Generator().manual_seed(seed_for("benchmark_rows", steps))
    count = steps * shape.batch
    draw = torch.rand(count, generator=generator, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    lengths = shape.lengths(draw).int().tolist()
    texts = [torch.randint(5, vocabulary, (length,), generator=generator).tolist() for length in lengths]
    answers = torch.randint(2, (count,), generator=generator).tolist()
    return TrainRows(format="classifier", columns={"query": texts, "second_start": lengths, "answer": answers})


# --- contenders -------------------------------------------------------------------------------------------------------


@dataclass
class StepTimes(Loop):
    """A loop that notes when each step starts, and when the last one ends."""

    device: torch.device
    marks: list = field(default_factory=list)

    def __call__(self, name: str, items: list, save: Callable, load: Callable) -> Iterator:
        clock = DeviceClock(self.device)
        for item in items:
            self.marks.append(clock.now())
            yield item
        self.marks.append(clock.now())

    def seconds(self) -> list[float]:
        """Seconds of each step. Wait for the device before the call."""
        return [DeviceClock(self.device).seconds(*pair) for pair in pairwise(self.marks)]


@dataclass(frozen=True)
class Work:
    """What all contenders train: the model as it starts, its rows, masks at 50 %, and the protocol."""

    shape: Shape
    model: nn.Module
    data: TrainRows
    masks: dict[str, Tensor]
    protocol: TrainingSettings

    @classmethod
    def of(cls, shape: Shape, steps: int, device: torch.device) -> "Work":
        model = model_of(shape, device)
        masks = dict(magnitude(matrices(prunable(model)), SPARSITY, None))
        protocol = TrainingSettings(
            epochs=1, batch_size=shape.batch, learning_rate=2e-5, warmup_fraction=0.06, weight_decay=0.0,
            prune_head=False, stack=1, precision="float32",
        )  # fmt: skip
        return cls(shape, model, rows_of(shape, steps, model.config.vocab_size), masks, protocol)

    @property
    def batches(self) -> list[list[int]]:
        return batch_order(len(self.data), self.shape.batch, len(self.data) // self.shape.batch, KEY)

    def copy(self) -> nn.Module:
        """A model that starts from the same weights."""
        model = type(self.model)(self.model.config).to(next(self.model.parameters()).device)
        model.load_state_dict(self.model.state_dict())
        return model


def by_stack(size: int, compiled: bool, work: Work, loop: StepTimes) -> None:
    stacked_steps.COMPILED_STEPS = 1 if compiled else 10**9
    start = {name: weight.detach() for name, weight in work.model.named_parameters()}
    pruned = start | {name: start[name] * mask for name, mask in work.masks.items()}
    members = [
        Member(mode, pruned if mode.startswith("sparse") else start, {} if mode == "dense" else work.masks)
        for mode in (MODES * size)[:size]
    ]
    protocol = replace(work.protocol, stack=size, precision=work.shape.precision)
    fine_tune_stack(work.model, prunable(work.model), members, size, work.data, protocol, KEY, loop)


def by_plain(precision: str, work: Work, loop: StepTimes) -> None:
    model, protocol = work.copy(), replace(work.protocol, precision=precision)
    fine_tune(model, prunable(model), work.masks, "sparse", work.data, protocol, KEY, loop)


def by_authors(work: Work, loop: StepTimes) -> None:
    model = work.copy()
    masks = {name: mask.float() for name, mask in work.masks.items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=work.protocol.learning_rate, weight_decay=0.0)
    _train(model, optimizer, partial(_multiply, masks), work, loop)


def by_old_loop(work: Work, loop: StepTimes) -> None:
    model = work.copy()
    optimizer = torch.optim.AdamW(model.parameters(), lr=work.protocol.learning_rate, weight_decay=0.0, fused=True)
    with deterministic(next(model.parameters()).device):
        _train(model, optimizer, partial(_fill, work.masks), work, loop)


def _multiply(masks: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    for name, mask in masks.items():
        weights[name].data = weights[name].data * mask


def _fill(masks: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    for name, mask in masks.items():
        weights[name].detach().masked_fill_(~mask, 0)


def _train(
    model: nn.Module, optimizer: torch.optim.Optimizer, hold: Callable[[dict], None], work: Work, loop: StepTimes
) -> None:
    """A plain training loop in float32; `hold` restores the masked weights after each step."""
    weights, batches, losses = dict(model.named_parameters()), work.batches, []
    device, rows = str(next(model.parameters()).device), work.data.columns
    model.train()
    hold(weights)
    for batch in loop("train", batches, dict, dict):
        optimizer.param_groups[0]["lr"] = 2e-5 * learning_rate_factor(len(losses), len(batches), 0.06)
        logits = model(**classifier_inputs(model, rows["query"], rows["second_start"], batch, device)).logits
        loss = nn.functional.cross_entropy(logits, work.data.labels(batch, device)["answer"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        hold(weights)
        losses.append(loss.item())


PEERS = {
    "plain": partial(by_plain, "float32"),
    "plain-bfloat16": partial(by_plain, "bfloat16"),
    "authors": by_authors,
    "3d6a3b2": by_old_loop,
}


# --- measuring --------------------------------------------------------------------------------------------------------


@dataclass
class Timing:
    """Milliseconds a cell-step of each repeat, seconds of the first use, peak bytes."""

    cells: int = 1
    steps_ms: list[float] = field(default_factory=list)
    first_use_s: float = 0.0
    peak: int = 0

    def add(self, steps: list[float], wall: float, peak: int) -> None:
        warm = steps[min(WARM, len(steps) // 2) :]
        usual = [step for step in warm if step <= SLOW * statistics.median(warm)]
        steady = statistics.mean(usual)
        if not self.steps_ms:
            self.first_use_s = wall - steady * len(steps)
        self.steps_ms.append(1000 * steady / self.cells)
        self.peak = max(self.peak, peak)

    @property
    def median(self) -> float:
        return statistics.median(self.steps_ms)


def measure(contender: Callable, work: Work, timing: Timing, device: torch.device) -> None:
    """One run of a contender."""
    gc.collect()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    loop, start = StepTimes(device), time.perf_counter()
    contender(work, loop)
    if cuda:
        torch.cuda.synchronize()
    wall = time.perf_counter() - start
    timing.add(loop.seconds(), wall, torch.cuda.max_memory_allocated() if cuda else 0)


def lower_bound_ms(work: Work, flops: float, copied: float) -> float:
    """Milliseconds of a cell-step at `flops` operations and `copied` bytes per second; see the module's docstring."""
    weights = sum(mask.numel() for mask in work.masks.values())
    lengths, config = [len(row) for row in work.data.columns["query"]], work.model.config
    attention = 2 * config.num_hidden_layers * config.hidden_size * sum(length**2 for length in lengths)
    products = 3 * 2 * (weights * sum(lengths) + attention) / len(work.batches)
    parameters = sum(weight.numel() for weight in work.model.parameters())
    return 1000 * (products / flops + 28 * parameters / copied)


def report(name: str, work: Work, timings: dict[str, Timing], bound: float) -> None:
    lengths, base = [len(row) for row in work.data.columns["query"]], work.shape.peers[-1]
    padded = statistics.mean(max(lengths[row] for row in batch) for batch in work.batches)
    print(
        f"\n{name}: batch {work.shape.batch}, mean length {statistics.mean(lengths):.1f}, padded {padded:.1f}, "
        f"{len(work.batches)} steps a run; stacks in {work.shape.precision}; lower bound {bound:.3f} ms a cell-step\n"
    )
    print(f"| contender | ms a cell-step | ratio of {base} | over lower bound | first use, s | peak, GiB |")
    print("|---|---|---|---|---|---|")
    for contender, each in timings.items():
        spread = f"{each.median:.3f} ({min(each.steps_ms):.3f}-{max(each.steps_ms):.3f})"
        ratio = timings[base].median / each.median
        print(
            f"| {contender} | {spread} | {ratio:.2f} | {each.median / bound:.1f} | {each.first_use_s:.1f} "
            f"| {each.peak / 2**30:.2f} |",
            flush=True,
        )


def run_shape(name: str, args: argparse.Namespace, rates: dict[str, float]) -> dict[str, Timing]:
    device, shape = torch.device(args.device), SHAPES[name]
    work = Work.of(shape, WARM + math.ceil(args.steps / args.repeats), device)
    sizes = args.stack or shape.stacks
    stacks = {f"stack-{size}": (size, False) for size in sizes}
    if device.type == "cuda":
        stacks |= {f"stack-{size}-compiled": (size, True) for size in sizes}
    contenders = {each: partial(by_stack, *stack) for each, stack in stacks.items()} | {
        each: PEERS[each] for each in shape.peers
    }
    timings = {each: Timing(stacks.get(each, (1,))[0]) for each in contenders}
    for _ in range(args.repeats):
        for each, contender in contenders.items():
            measure(contender, work, timings[each], device)
    report(name, work, timings, lower_bound_ms(work, rates["bfloat16"], rates["copy"]))
    return timings


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["roberta-base", "minilm-l6"])
    parser.add_argument("--stack", nargs="+", type=int, help="sizes of stacks, instead of the shape's")
    parser.add_argument("--steps", type=int, default=120, help="measured steps of each contender, over all repeats")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(given)
    from compress_speed import rates

    device = torch.device(args.device)
    measured = rates(device)
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    where = f"{machine('torch', 'transformers', gpu=gpu)}, {torch.get_num_threads()} threads"
    speeds = f"{measured['bfloat16'] / 1e12:.3f} TFLOP/s in bfloat16, copy {measured['copy'] / 1e12:.3f} TB/s"
    print(f"{where}: {speeds}")
    for name in args.shape:
        run_shape(name, args, measured)


if __name__ == "__main__":
    main()

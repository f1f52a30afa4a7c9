"""Time and memory of compressing a model, by stage, with a lower bound for the machine.

    python benchmarks/compress_speed.py --model llama-7b --method magnitude,wanda,sparsegpt,gptq --device cuda:0
    python benchmarks/compress_speed.py --model smollm2:results/models/smollm2 --method wanda --device cpu \\
        --dtype float32 --samples 16 --context-tokens 512 --threads 2

The model has random weights of the named shape, or those of a model folder. Calibration rows are random token ids of
equal length, so no row is padded. A run does what the job of a stored compression does (finds the matrices, calibrates
block by block, compresses, reports, packs the masks, moves masks and weights to the host) without reading the model and
writing the file; global methods keep their packed masks on the device. Each method gets a new model and first
compresses a tiny one, to load the kernels.

A stage's time runs on the device's clock from the start to the end of a function, including waits for the program,
minus the stages inside. Lower bounds: the products that the method needs, at the speed of a large product in the dtype
in which the package computes (the Gram matrix as a full product); weights or inputs moved once at the speed of a plain
copy (bytes read and written); both speeds are measured in the same run. `--blocks` cuts a model to its first blocks and
extrapolates the time of all blocks. Needs only torch, transformers, numpy and this package on the path.
"""

import argparse
import gc
import json
import re
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from unittest import mock

import torch
from device_clock import DeviceClock
from machine import machine
from torch import nn

from junkdna.compress import blocks, quant_grid, sequential
from junkdna.compress.apply import Reports, compress_each, compress_matrix
from junkdna.compress.host_copy import host_copy
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.methods import gptq, magnitude, sparsegpt, wanda
from junkdna.compress.scope import prunable
from junkdna.models.load import cast, load_plain
from junkdna.seeds import seed_for
from junkdna.storage.tensors import pack
from junkdna.study.cell import Compression, parse_compression
from junkdna.study.methods import METHODS

SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
SHAPES = {
    "llama-7b": dict(zip(SIZES, (4096, 11008, 32, 32, 32000), strict=True)),
    "tiny": dict(zip(SIZES, (256, 512, 2, 4, 1000), strict=True)),
}
LEVELS = {"magnitude": "0.5", "wanda": "0.5", "sparsegpt": "0.5", "gptq": "4bit"}
STAGES = (
    (magnitude, "magnitude_order", "sample"),
    (magnitude, "keep_all_but_lowest", "threshold"),
    (sequential, "record", "embeddings"),
    (blocks.Call, "run", "forward"),
    (InputStatistics, "add", "statistics"),
    (sparsegpt, "inverse_factor", "factor"),
    (gptq, "inverse_factor", "factor"),
    (sparsegpt, "sweep", "sweep"),
    (gptq, "sweep", "sweep"),
    (sparsegpt, "keep_highest_per_row", "selection"),
    (sparsegpt, "keep_highest_per_group", "selection"),
    (wanda, "keep_highest_per_row", "selection"),
    (wanda, "keep_highest_per_group", "selection"),
    (quant_grid, "fit", "grids"),
    (sequential, "write_result", "write"),
)
"""The timed functions: the module (or class) that calls the function, its name there, and its stage."""
COPIED_BYTES = {"cuda": 2**31, "cpu": 2**28}
MEASURED_SIDE = {"cuda": 8192, "cpu": 1536}


class Stages:
    """Seconds by stage, each without the stages inside it."""

    def __init__(self, device: torch.device) -> None:
        self._clock = DeviceClock(device)
        self._open: list[str] = []
        self._spans: list[tuple] = []  # stage, enclosing stage, start, end

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        around = self._open[-1] if self._open else None
        self._open.append(stage)
        start = self._clock.now()
        try:
            yield
        finally:
            self._open.pop()
            self._spans.append((stage, around, start, self._clock.now()))

    def timing(self, function: Callable, stage: str) -> Callable:
        @wraps(function)
        def timed(*args: object, **kwargs: object) -> object:
            with self.span(stage):
                return function(*args, **kwargs)

        return timed

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage. Wait for the device before the call."""
        seconds: dict[str, float] = defaultdict(float)
        for stage, around, start, end in self._spans:
            taken = self._clock.seconds(start, end)
            seconds[stage] += taken
            if around:
                seconds[around] -= taken
        return dict(seconds)


@contextmanager
def timed_functions(stages: Stages) -> Iterator[None]:
    """Times the package's functions in STAGES."""
    with ExitStack() as stack:
        for owner, name, stage in STAGES:
            stack.enter_context(mock.patch.object(owner, name, stages.timing(getattr(owner, name), stage)))
        yield


# --- model ------------------------------------------------------------------------------------------------------------


def random_llama(
    shape: str, layers: int | None, dtype: torch.dtype, home: torch.device, device: torch.device
) -> nn.Module:
    """A Llama with weights from normal(0, 0.02), norms 1: drawn on `device`, stored on `home`. `layers` None: all."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=4096)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model.model.layers = model.model.layers[:layers]
    model = model.to(dtype).to_empty(device=home)
    with home:
        model.model.rotary_emb = type(model.model.rotary_emb)(config)  # not a parameter, so `to_empty` leaves it unset
    generator = torch.Generator(device).manual_seed(seed_for("benchmark_weights", shape))
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = torch.ones_like(parameter, device=device)
            parameter.copy_(drawn.normal_(0, 0.02, generator=generator) if parameter.ndim > 1 else drawn)
    return model.eval()


def load_model(args: argparse.Namespace) -> tuple[nn.Module, int]:
    """The model, and the number of its blocks before cutting."""
    shape, _, folder = args.model.partition(":")
    home, device, dtype = torch.device(args.home), torch.device(args.device), getattr(torch, args.dtype)
    if not folder:
        return random_llama(shape, args.blocks, dtype, home, device), SHAPES[shape]["num_hidden_layers"]
    model = cast(load_plain(Path(folder), "decoder"), args.dtype)
    all_blocks = len(model.model.layers)
    model.model.layers = model.model.layers[: args.blocks]
    return model.to(home), all_blocks


def token_batches(args: argparse.Namespace, vocabulary: int) -> list[sequential.Batch]:
    generator = torch.Generator().manual_seed(seed_for("benchmark_tokens", args.samples, args.context_tokens))
    ids = torch.randint(vocabulary, (args.samples, args.context_tokens), generator=generator)
    rows = max(1, args.batch_tokens // args.context_tokens)
    return [sequential.Batch(part, torch.ones_like(part)) for part in ids.split(rows)]


# --- lower bounds ---------------------------------------------------------------------------------------------------


def median_seconds(work: Callable, device: torch.device, repeats: int = 5) -> float:
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    walls = []
    for _ in range(2 + repeats):
        wait()
        start = time.perf_counter()
        work()
        wait()
        walls.append(time.perf_counter() - start)
    return statistics.median(walls[2:])


def rates(device: torch.device) -> dict[str, float]:
    """Operations per second of a large product of random numbers by dtype, and bytes per second of a copy."""
    side, speeds = MEASURED_SIDE[device.type], {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        speeds[str(dtype).removeprefix("torch.")] = 2 * side**3 / median_seconds(partial(torch.mm, left, right), device)
    source = torch.ones(COPIED_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    speeds["copy"] = 2 * len(source) / median_seconds(lambda: target.copy_(source), device)
    return speeds


def lower_bounds(model: nn.Module, method: str, args: argparse.Namespace, rate: dict[str, float]) -> dict[str, float]:
    """Lower bound in seconds of each stage of a method on a Llama; see the module's docstring."""
    config, layers = model.config, len(model.model.layers)
    itemsize = getattr(torch, args.dtype).itemsize
    shapes = [tuple(each.parameter.shape) for each in prunable(model)]
    weights = sum(rows * inputs for rows, inputs in shapes)
    if METHODS[method].over == "model":
        return {"weights read once": weights * itemsize / rate["copy"]}
    tokens = args.samples * args.context_tokens
    width = config.num_attention_heads * getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    distinct = (config.hidden_size, width, config.hidden_size, config.intermediate_size)  # q k v; o; gate, up; down
    last_product = config.hidden_size * config.intermediate_size  # no statistics follow it
    products = weights - layers * last_product + weights * (layers - 1) // layers
    attention = (2 * layers - 1) * args.context_tokens * width  # two products over the earlier tokens, half on average
    bounds = {"forward": 2 * tokens * (products + attention) / rate[args.dtype]}
    if METHODS[method].statistics == "square_sums":
        bounds["statistics"] = layers * tokens * sum(distinct) * itemsize / rate["copy"]
        bounds["selection"] = weights * (itemsize + 1) / rate["copy"]
        return bounds
    gram_dtype = args.dtype if torch.device(args.device).type == "cuda" else "float32"
    bounds["statistics"] = layers * 2 * tokens * sum(inputs**2 for inputs in distinct) / rate[gram_dtype]
    bounds["factor"] = layers * sum(inputs**3 for inputs in distinct) * 2 / 3 / rate["float64"]  # Cholesky and inverse
    bounds["sweep"] = sum(rows * inputs**2 for rows, inputs in shapes) / rate["float32"]
    return bounds


# --- runs -------------------------------------------------------------------------------------------------------------


def compress(model: nn.Module, compression: Compression, args: argparse.Namespace, stages: Stages) -> dict:
    """Compress the model as `compress.store` does; returns the report."""
    scope = prunable(model)
    reports, by_name = Reports(model, compression, scope), {each.name: each for each in scope}
    over_model = METHODS[compression.method].over == "model"
    if over_model:
        compressed = compress_each(scope, compression, None)
    else:
        batches = token_batches(args, model.config.vocab_size)
        gram = METHODS[compression.method].statistics == "gram"
        compressed = sequential.calibrated(
            model, scope, batches, lambda *matrix: compress_matrix(*matrix, compression), gram, args.device
        )
    kept = []
    for name, result in compressed:
        with stages.span("report"):
            reports.add(name, by_name[name].matrix(), result)
        with stages.span("pack"):
            packed = None if result.mask is None else pack(result.mask)
        with stages.span("to host"):
            tensors = [tensor for tensor in (packed, result.weight) if tensor is not None]
            kept.append(tensors if over_model else [host_copy(tensor) for tensor in tensors])
    return reports.report()


def measured(compression: Compression, args: argparse.Namespace, rate: dict[str, float]) -> dict:
    """The results of one run of one method on a new model."""
    device = torch.device(args.device)
    cuda = device.type == "cuda"
    model, all_blocks = load_model(args)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    bounds = lower_bounds(model, compression.method, args, rate)
    stages = Stages(device)
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    start, cpu_start = time.perf_counter(), time.process_time()
    with timed_functions(stages):
        report = compress(model, compression, args, stages)
    if cuda:
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    by_stage = stages.seconds()
    return {
        "method": compression.tag,
        "blocks": len(model.model.layers),
        "seconds": wall,
        "cpu_seconds": cpu,
        "seconds_all_blocks": wall * all_blocks / len(model.model.layers),
        "lower_bound": sum(bounds.values()),
        "over_lower_bound": wall / sum(bounds.values()),
        "stages": by_stage | {"other": wall - sum(by_stage.values())},
        "lower_bounds": bounds,
        "model_bytes": size,
        "device_peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "host_peak_bytes_so_far": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "achieved_sparsity": report["achieved_sparsity"],
        "effective_bits": report["effective_bits_per_weight"],
    }


def show(row: dict) -> None:
    gib, peak = 2**30, row["device_peak_bytes"]
    print(
        f"\n{row['method']}: {row['seconds']:.2f} s, lower bound {row['lower_bound']:.2f} s, "
        f"ratio {row['over_lower_bound']:.1f}; "
        f"{row['blocks']} blocks (all: {row['seconds_all_blocks']:.1f} s); sparsity {row['achieved_sparsity']:.4f}, "
        f"{row['effective_bits']:.3f} bits per weight; CPU {row['cpu_seconds']:.2f} s"
    )
    device = f"device peak {peak / gib:.2f} GiB = {peak / row['model_bytes']:.3f} x the model; " if peak else ""
    host = f"host peak so far {row['host_peak_bytes_so_far'] / gib:.2f} GiB"
    print(f"model {row['model_bytes'] / gib:.2f} GiB; {device}{host}")
    for stage, taken in sorted(row["stages"].items(), key=lambda item: -item[1]):
        bound = row["lower_bounds"].get(stage)
        note = f", lower bound {bound:.3f} s, ratio {taken / bound:.1f}" if bound else ""
        print(f"  {stage:12} {taken:8.3f} s{note}", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help=f"{', '.join(SHAPES)}, or smollm2:FOLDER (any Llama folder)")
    parser.add_argument("--method", default=",".join(LEVELS), help="names or tags: magnitude-0.7,gptq-4bit,group=64")
    parser.add_argument("--device", default="cpu", help="device of the compression, cpu or cuda:0")
    parser.add_argument("--home", help="device of the model (default: --device). The package keeps it on the cpu")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--samples", type=int, default=128, help="calibration rows")
    parser.add_argument("--context-tokens", type=int, default=2048, help="tokens of each row")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens per batch; 4096 in the package")
    parser.add_argument("--blocks", type=int, help="use only this many blocks (default: all)")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    args = parser.parse_args()
    args.home = args.home or args.device
    return args


def main() -> None:
    args = parse_arguments()
    device = torch.device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    name = machine("torch", "transformers", gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else "")
    print(f"{args.model}, {args.dtype}, {args.samples} x {args.context_tokens} tokens, model on {args.home}")
    print(f"{name}, {torch.get_num_threads()} threads")
    rate = rates(device)
    units = {"copy": "TB/s"}
    print(
        ", ".join(f"{what} {speed / 1e12:.3f} {units.get(what, 'TFLOP/s')}" for what, speed in rate.items()), flush=True
    )
    warm = argparse.Namespace(**vars(args) | {"model": "tiny", "blocks": None, "samples": 4, "context_tokens": 128})
    output = {"arguments": vars(args), "torch": torch.__version__, "device": name, "rates": rate, "runs": []}
    for text in re.split(",(?![a-z_]+=)", args.method):
        compression = parse_compression(text if "-" in text else f"{text}-{LEVELS[text]}")
        measured(compression, warm, rate)
        for _ in range(args.repeats):
            gc.collect()
            row = measured(compression, args, rate)
            show(row)
            output["runs"].append(row)
            if args.json:  # after each run, because a later one may be interrupted
                args.json.write_text(json.dumps(output, indent=1, default=str))


if __name__ == "__main__":
    main()

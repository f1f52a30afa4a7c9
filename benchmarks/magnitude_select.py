"""Time and memory of global magnitude masks, compared with numpy.partition, torch.topk and torch.sort over the joined
weights.

    python benchmarks/magnitude_select.py --shape roberta-base --repeats 5
    python benchmarks/magnitude_select.py --shape llama-7b --dtype bfloat16 --device cuda

Computes the masks from one set of weights (normal, one dtype, the matrices of the named model). Every repeat runs each
method once, so that other load on the machine affects all of them. Prints each median and spread, its ratio to ours,
and the ratio of ours to the lower bound: reading every weight twice (no mask is known before the threshold) and writing
one byte of mask per weight, at the speed of a plain copy on that device. The others join all weights, so they are
omitted for models with more than 5e8 weights; numpy.partition runs on the CPU only. partition and sort must give equal
masks; topk breaks ties arbitrarily, so only its count is checked.

On a GPU the script computes the masks once more, keeps them packed (one bit per weight), and prints the peak device
memory relative to the bytes of the model. Needs only torch, numpy and this package on the path.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from machine import machine
from torch import Tensor

from junkdna.compress import chunks
from junkdna.compress.checks import prune_count
from junkdna.compress.methods.magnitude import masks
from junkdna.seeds import seed_for
from junkdna.storage.tensors import pack

SHAPES = {
    "roberta-base": 12 * [*4 * [(768, 768)], (3072, 768), (768, 3072)],
    "llama-7b": 32 * [*4 * [(4096, 4096)], *2 * [(11008, 4096)], (4096, 11008)],
}
PLAIN = (3072, 768)
JOINED_AT_MOST = 5e8
COPIED_BYTES = 2**28


def joined(weights: dict[str, Tensor]) -> Tensor:
    return torch.cat([weight.flatten() for weight in weights.values()]).abs_()


def split(weights: dict[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    flat = kept.split([weight.numel() for weight in weights.values()])
    return {name: mask.view(weight.shape) for (name, weight), mask in zip(weights.items(), flat, strict=True)}


def by_sort(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks from a stable sort of all magnitudes, with the same tie rule."""
    magnitudes = joined(weights)
    order = magnitudes.sort(stable=True).indices
    kept = torch.ones_like(magnitudes, dtype=torch.bool)
    kept[order[: prune_count(len(order), sparsity)]] = False
    return split(weights, kept)


def by_topk(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks from the largest magnitudes, sorted as by default; topk chooses among ties at the threshold."""
    magnitudes = joined(weights)
    keep = magnitudes.topk(len(magnitudes) - prune_count(len(magnitudes), sparsity), sorted=True).indices
    kept = torch.zeros_like(magnitudes, dtype=torch.bool)
    kept[keep] = True
    return split(weights, kept)


def by_partition(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks from the threshold that numpy.partition finds, with the same tie rule: the first of equal weights go."""
    values = order_bits(joined(weights))
    count = prune_count(len(values), sparsity)
    values.partition(count - 1)
    threshold, kept = values[count - 1], {}
    ties = count - np.count_nonzero(values[:count] < threshold)  # to prune
    for name, weight in weights.items():
        bits = order_bits(weight.abs().flatten())
        mask, equal = bits > threshold, np.flatnonzero(bits == threshold)
        mask[equal[ties:]] = True
        ties -= min(ties, len(equal))
        kept[name] = torch.from_numpy(mask).view(weight.shape)
    return kept


def order_bits(magnitudes: Tensor) -> np.ndarray:
    """The bits of numbers without signs, which are in the order of the numbers; numpy has no bfloat16."""
    return magnitudes.view({2: torch.int16, 4: torch.int32}[magnitudes.dtype.itemsize]).numpy()


def by_masks(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    return dict(masks(weights, sparsity, None))


def seconds(work: Callable, device: torch.device) -> float:
    """Wall seconds of one run, until the device is done."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    result = work()
    wait()
    wall = time.perf_counter() - start
    del result
    return wall


def copy_speed(device: torch.device, repeats: int) -> float:
    """Bytes per second, read and written, of a copy on the device."""
    source = torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * COPIED_BYTES / statistics.median(seconds(lambda: target.copy_(source), device) for _ in range(repeats))


def packed_peak(weights: dict[str, Tensor], sparsity: float) -> int:
    """Peak bytes on the GPU, including the weights, while all masks are computed and kept packed."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    kept = {name: pack(mask) for name, mask in masks(weights, sparsity, None)}
    assert len(kept) == len(weights)
    return torch.cuda.max_memory_allocated()


def random_weights(shape: str, millions: float, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    shapes = SHAPES.get(shape) or max(1, round(millions * 1e6 / (PLAIN[0] * PLAIN[1]))) * [PLAIN]
    generator = torch.Generator(device).manual_seed(seed_for("benchmark_weights", shape, len(shapes)))
    return {
        str(index): torch.randn(matrix, generator=generator, dtype=dtype, device=device).mul_(0.02)
        for index, matrix in enumerate(shapes)
    }


def check_masks(methods: dict[str, Callable], weights: dict[str, Tensor], sparsity: float) -> None:
    """Check that all methods keep equally many weights, and all but topk the same. Also warms up the device."""
    total = sum(weight.numel() for weight in weights.values())
    ours = methods["ours"](weights, sparsity)
    for name, method in methods.items():
        by_name = method(weights, sparsity)
        kept = sum(int(mask.count_nonzero()) for mask in by_name.values())
        assert kept == total - prune_count(total, sparsity), f"{name} keeps {kept}"
        assert name == "topk" or all(torch.equal(ours[matrix], by_name[matrix]) for matrix in weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=[*SHAPES, "plain"], default="roberta-base")
    parser.add_argument("--millions", type=float, default=20, help="number of weights for --shape plain, in millions")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--sparsity", type=float, default=0.7)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--part", type=int, help="weights per chunk, instead of the package's number")
    args = parser.parse_args()
    if args.part:
        chunks.CPU_CHUNK = chunks.DEVICE_CHUNK = args.part

    device, dtype = torch.device(args.device), getattr(torch, args.dtype)
    weights = random_weights(args.shape, args.millions, dtype, device)
    total = sum(weight.numel() for weight in weights.values())
    print(f"{args.shape}: {len(weights)} matrices, {total:,} weights, {args.dtype}, sparsity {args.sparsity}")
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    print(f"{machine('torch', 'numpy', gpu=gpu)}, {torch.get_num_threads()} threads")
    methods = {"ours": by_masks}
    if total <= JOINED_AT_MOST:
        methods |= {"topk": by_topk, "sort": by_sort}
        if device.type == "cpu":
            methods["partition"] = by_partition
    if device.type == "cuda":
        size = total * dtype.itemsize
        peak = packed_peak(weights, args.sparsity)
        print(f"peak memory with packed masks: {peak / 2**30:.2f} GiB = {peak / size:.3f} x the weights")

    check_masks(methods, weights, args.sparsity)
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(args.repeats):
        for name, method in methods.items():
            times[name].append(seconds(lambda method=method: method(weights, args.sparsity), device))
    base = statistics.median(times["ours"])
    for name, walls in times.items():
        middle = statistics.median(walls)
        spread = f"(min {min(walls):.4f}, max {max(walls):.4f}, n {len(walls)})"
        print(f"{name:9} median {middle:8.4f} s  {spread}  {middle / base:6.2f} x ours")
    speed = copy_speed(device, args.repeats)
    bound = total * (2 * dtype.itemsize + 1) / speed
    print(f"lower bound {bound:.4f} s at {speed / 1e9:.1f} GB/s: ours takes {base / bound:.1f} x that")


if __name__ == "__main__":
    main()

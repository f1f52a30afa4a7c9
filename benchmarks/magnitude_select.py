"""Time and memory of global magnitude masks, against torch.topk and torch.sort over the joined weights.

    python benchmarks/magnitude_select.py --shape roberta-base --repeats 5
    python benchmarks/magnitude_select.py --shape llama-7b --dtype bfloat16 --device cuda

From one set of weights (normal, one dtype, the matrices of the named model) to the masks, each way in turn in every
repeat so that a busy spell of the machine hits all of them. Prints each one's median and spread, its ratio to ours, and
ours over the floor: reading every weight twice (no mask is known before the threshold) and writing a byte of mask, at
the speed of a plain copy on that device. topk and sort join all weights, so they are left out for models of more than
5e8 weights. The sort must give equal masks; topk breaks ties as it likes, so only its count is checked.

On a GPU it also makes the masks once more, keeping them packed (one bit a weight), and prints the peak of the device
memory over the bytes of the model. Needs torch, numpy and this package on the path, and nothing else.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
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
    return torch.cat([weight.flatten() for weight in weights.values()]).abs()


def split(weights: dict[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    flat = kept.split([weight.numel() for weight in weights.values()])
    return {name: one.view(weight.shape) for (name, weight), one in zip(weights.items(), flat, strict=True)}


def by_sort(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks by a stable sort of all magnitudes: the same tie rule."""
    magnitudes = joined(weights)
    order = magnitudes.sort(stable=True).indices
    kept = torch.ones_like(magnitudes, dtype=torch.bool)
    kept[order[: prune_count(len(order), sparsity)]] = False
    return split(weights, kept)


def by_topk(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks by the largest kept magnitudes, sorted as by default; among ties at the threshold topk chooses."""
    magnitudes = joined(weights)
    keep = magnitudes.topk(len(magnitudes) - prune_count(len(magnitudes), sparsity), sorted=True).indices
    kept = torch.zeros_like(magnitudes, dtype=torch.bool)
    kept[keep] = True
    return split(weights, kept)


def by_masks(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    return dict(masks(weights, sparsity, None))


def seconds(work: Callable, device: torch.device) -> float:
    """Wall seconds of one run, the device waited for."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    result = work()
    wait()
    wall = time.perf_counter() - start
    del result
    return wall


def copy_speed(device: torch.device, repeats: int) -> float:
    """Bytes a second, read and written, of a copy on the device."""
    source = torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * COPIED_BYTES / statistics.median(seconds(lambda: target.copy_(source), device) for _ in range(repeats))


def packed_peak(weights: dict[str, Tensor], sparsity: float) -> int:
    """Peak bytes on the GPU, weights included, while all masks are made and kept packed."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    kept = {name: pack(mask) for name, mask in masks(weights, sparsity, None)}
    assert len(kept) == len(weights)
    return torch.cuda.max_memory_allocated()


def make(shape: str, millions: float, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    shapes = SHAPES.get(shape) or max(1, round(millions * 1e6 / (PLAIN[0] * PLAIN[1]))) * [PLAIN]
    generator = torch.Generator(device).manual_seed(seed_for("benchmark_weights", shape, len(shapes)))
    return {
        str(index): torch.randn(one, generator=generator, dtype=dtype, device=device).mul_(0.02)
        for index, one in enumerate(shapes)
    }


def check(ways: dict[str, Callable], weights: dict[str, Tensor], sparsity: float) -> None:
    """Every way keeps as many, and the sort the same ones; a warm-up as well."""
    total = sum(weight.numel() for weight in weights.values())
    ours = ways["ours"](weights, sparsity)
    for name, way in ways.items():
        made = way(weights, sparsity)
        kept = sum(int(one.count_nonzero()) for one in made.values())
        assert kept == total - prune_count(total, sparsity), f"{name} keeps {kept}"
        assert name != "sort" or all(torch.equal(ours[matrix], made[matrix]) for matrix in weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=[*SHAPES, "plain"], default="roberta-base")
    parser.add_argument("--millions", type=float, default=20, help="weights of shape plain, in millions")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--sparsity", type=float, default=0.7)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--part", type=int, help="scalars in a part, to try others than the package's")
    given = parser.parse_args()
    if given.part:
        chunks.CPU_CHUNK = chunks.DEVICE_CHUNK = given.part

    device, dtype = torch.device(given.device), getattr(torch, given.dtype)
    weights = make(given.shape, given.millions, dtype, device)
    total = sum(weight.numel() for weight in weights.values())
    print(f"{given.shape}: {len(weights)} matrices, {total:,} weights, {given.dtype}, sparsity {given.sparsity}")
    print(f"torch {torch.__version__}, {given.device}, {torch.get_num_threads()} threads")
    ways = {"ours": by_masks}
    if total <= JOINED_AT_MOST:
        ways |= {"topk": by_topk, "sort": by_sort}
    if device.type == "cuda":
        size = total * dtype.itemsize
        peak = packed_peak(weights, given.sparsity)
        print(f"peak memory with packed masks: {peak / 2**30:.2f} GiB = {peak / size:.3f} x the weights")

    check(ways, weights, given.sparsity)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            times[name].append(seconds(lambda way=way: way(weights, given.sparsity), device))
    base = statistics.median(times["ours"])
    for name, walls in times.items():
        middle = statistics.median(walls)
        spread = f"(min {min(walls):.4f}, max {max(walls):.4f}, n {len(walls)})"
        print(f"{name:5} median {middle:8.4f} s  {spread}  {middle / base:6.2f} x ours")
    speed = copy_speed(device, given.repeats)
    floor = total * (2 * dtype.itemsize + 1) / speed
    print(f"floor {floor:.4f} s at {speed / 1e9:.1f} GB/s: ours takes {base / floor:.1f} x that")


if __name__ == "__main__":
    main()

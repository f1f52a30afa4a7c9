"""Time of the exact radix select behind magnitude masks, against torch.topk and torch.sort over joined weights.

    python benchmarks/magnitude_select.py --millions 20 --repeats 5

Three ways from one set of weights (normal, float32, matrices of 768 inputs) to the threshold and the masks, run in turn
in every repeat so that a busy spell of the machine hits all of them. Prints each one's median and spread, and its ratio
to the radix select. The sort must give equal masks; topk breaks ties as it likes, so only its count is checked.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from junkdna.compress.inputs import prune_count
from junkdna.compress.magnitude import mask
from junkdna.seeds import seed_for

ROWS, INPUTS = 3072, 768


def joined(weights: dict[str, Tensor]) -> Tensor:
    return torch.cat([weight.flatten() for weight in weights.values()]).abs()


def by_sort(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks by a stable sort of all magnitudes: the same tie rule."""
    magnitudes = joined(weights)
    order = magnitudes.sort(stable=True).indices
    kept = torch.ones_like(magnitudes, dtype=torch.bool)
    kept[order[: prune_count(len(order), sparsity)]] = False
    return dict(zip(weights, kept.split([weight.numel() for weight in weights.values()]), strict=True))


def by_topk(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Masks by the largest kept magnitudes; among ties at the threshold topk chooses."""
    magnitudes = joined(weights)
    keep = magnitudes.topk(len(magnitudes) - prune_count(len(magnitudes), sparsity), sorted=False).indices
    kept = torch.zeros_like(magnitudes, dtype=torch.bool)
    kept[keep] = True
    return dict(zip(weights, kept.split([weight.numel() for weight in weights.values()]), strict=True))


def by_radix(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    return mask(weights, sparsity, None)


def seconds(way: Callable, weights: dict[str, Tensor], sparsity: float) -> tuple[float, int]:
    """(wall seconds, scalars kept) of one run; the device is waited for."""
    start = time.perf_counter()
    kept = sum(int(one.count_nonzero()) for one in way(weights, sparsity).values())
    return time.perf_counter() - start, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, default=20, help="weights, in millions")
    parser.add_argument("--sparsity", type=float, default=0.7)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    count = max(1, round(given.millions * 1e6 / (ROWS * INPUTS)))
    generator = torch.Generator().manual_seed(seed_for("benchmark_weights", count))
    weights = {
        f"{index}": (torch.randn(ROWS, INPUTS, generator=generator) * 0.02).to(given.device) for index in range(count)
    }
    ways = {"radix": by_radix, "sort": by_sort, "topk": by_topk}
    total = count * ROWS * INPUTS
    print(f"{total:,} weights, sparsity {given.sparsity}, {given.device}, {torch.get_num_threads()} threads")

    exact, sorted_masks = by_radix(weights, given.sparsity), by_sort(weights, given.sparsity)
    assert all(torch.equal(exact[name], sorted_masks[name].view(ROWS, INPUTS)) for name in weights)
    del exact, sorted_masks
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            wall, kept = seconds(way, weights, given.sparsity)
            assert kept == total - prune_count(total, given.sparsity), name
            times[name].append(wall)
    base = statistics.median(times["radix"])
    for name, walls in times.items():
        middle = statistics.median(walls)
        print(
            f"{name:6} median {middle:7.3f} s  (min {min(walls):.3f}, max {max(walls):.3f}, n {len(walls)})  "
            f"{middle / base:5.2f} x radix"
        )


if __name__ == "__main__":
    main()

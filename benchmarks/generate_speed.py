"""Time of greedy generation, compared with `generate` of transformers at its best batch size.

    PYTHONPATH=. python benchmarks/generate_speed.py --device cuda:0
    PYTHONPATH=. python benchmarks/generate_speed.py --shape tiny --prompts 6 --tokens 20 --new 4 --batch-sizes 2 6

Each program runs in a process of its own; `generate` once for each batch size, each in a new process. The first run
includes what a new process pays for loading kernels and capturing graphs, but not imports and making the model. Ours
runs twice in its process, `generate` too with `--warm`. Prompts are random token ids of equal length, so nobody pads;
weights are random and no token ends a text, so every row gets all new tokens. Both programs start with token ids in
memory and end with token ids on the host.

The lower bound is the work that any batch must do, at the machine's speed in a large product and a plain copy, measured
in our process: the products of all prompt tokens, and for each further token one pass over the weights and over
the keys and values of the rows. Needs torch, transformers, numpy and this package on the path.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from compress_speed import SHAPES, random_llama, rates
from machine import machine
from torch import nn

from junkdna.evaluate.greedy_groups import decode_groups
from junkdna.evaluate.greedy_packs import NO_TOKEN, decode_packs
from junkdna.resumable import NO_CHECKPOINTS


def queries(args: argparse.Namespace) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    vocabulary = SHAPES[args.shape]["vocab_size"]
    return torch.randint(vocabulary, (args.prompts, args.tokens), generator=generator).tolist()


@torch.inference_mode()
def ours(model: nn.Module, args: argparse.Namespace) -> list[list[int]]:
    run = decode_groups if torch.device(args.device).type == "cuda" else decode_packs
    done = {"new_tokens": torch.full((args.prompts, args.new), NO_TOKEN)}
    run(model, queries(args), args.device, args.new, lambda _: False, NO_CHECKPOINTS, done)
    return done["new_tokens"].tolist()


def theirs(model: nn.Module, args: argparse.Namespace, batch: int) -> list[list[int]]:
    rows = []
    for ids in torch.tensor(queries(args), device=args.device).split(batch):
        made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=args.new, do_sample=False)
        rows += made[:, args.tokens :].tolist()
    return rows


def timed(work: Callable[[], list], device: torch.device) -> tuple[float, list]:
    """Seconds of `work`, which ends with its tokens on the host, and the tokens."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    tokens = work()
    return time.perf_counter() - start, tokens


def lower_bound(model: nn.Module, args: argparse.Namespace, rate: dict[str, float]) -> float:
    config = model.config
    head = config.vocab_size * config.hidden_size
    weights = sum(parameter.numel() for parameter in model.parameters()) - 2 * head  # without embeddings and head
    attention = 2 * config.num_hidden_layers * config.hidden_size * args.tokens**2 / 2  # two products, half on average
    prompts = 2 * args.prompts * (args.tokens * weights + attention + head) / rate[args.dtype]
    itemsize = getattr(torch, args.dtype).itemsize
    cached = 2 * config.num_hidden_layers * config.hidden_size * args.prompts * (args.tokens + args.new / 2)
    step = (weights + head + cached) * itemsize / rate["copy"]
    return prompts + (args.new - 1) * step


def child(args: argparse.Namespace) -> None:
    """Prints one line of JSON: seconds of each run, tokens, peak memory, and ours also the lower bound."""
    device = torch.device(args.device)
    model = random_llama(args.shape, None, getattr(torch, args.dtype), device, device)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = None, 0
    mine = args.batch == 0
    work = partial(ours, model, args) if mine else partial(theirs, model, args, args.batch)
    runs = [timed(work, device) for _ in range(1 + (mine or args.warm))]
    found = {"seconds": [run[0] for run in runs], "tokens": runs[0][1]}
    if device.type == "cuda":
        found |= {"device": torch.cuda.get_device_name(device), "peak": torch.cuda.max_memory_allocated() / 2**30}
    if mine:
        found["bound"] = lower_bound(model, args, rates(device))
    print(json.dumps(found))


def run(args: argparse.Namespace, batch: int) -> dict:
    """What a child process finds: ours, or `generate` with rows in batches of `batch`."""
    command = [sys.executable, __file__, *sys.argv[1:], "--batch", str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    peak = f", peak {found['peak']:.1f} GiB" if "peak" in found else ""
    name = f"generate, batches of {batch}" if batch else "ours"
    print(f"{name}: first {found['seconds'][0]:.2f} s, last {found['seconds'][-1]:.2f} s{peak}", flush=True)
    return found


def equal_starts(one: list[list[int]], two: list[list[int]]) -> float:
    """The share of tokens before the first difference of each row."""
    same = torch.tensor(one) == torch.tensor(two)
    return float(same.int().cumprod(1).float().mean())


def compare(args: argparse.Namespace) -> None:
    print(f"{args.shape}, {args.dtype}, {args.prompts} prompts of {args.tokens} tokens, {args.new} new tokens")
    mine = run(args, 0)
    print(machine("torch", "transformers", gpu=mine.get("device", "")))
    peers = {batch: run(args, batch) for batch in args.batch_sizes}
    for name, at in (("first", 0), ("last", -1)):
        best = min(peers, key=lambda batch: peers[batch]["seconds"][at])
        peer, own = peers[best]["seconds"][at], mine["seconds"][at]
        print(
            f"{name} run: generate at its best (batches of {best}) {peer:.2f} s / ours {own:.2f} s = {peer / own:.2f}"
        )
    print(f"lower bound {mine['bound']:.3f} s; ours, first / lower bound = {mine['seconds'][0] / mine['bound']:.2f}")
    alike = {batch: f"{equal_starts(mine['tokens'], peer['tokens']):.3f}" for batch, peer in peers.items()}
    print(f"share of tokens before the first difference from ours, by batch size: {alike}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="llama-7b")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=300, help="tokens of each prompt")
    parser.add_argument("--new", type=int, default=32, help="new tokens of each row")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 32, 64, 128], help="of `generate`")
    parser.add_argument("--warm", action="store_true", help="run `generate` twice in each process too")
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)  # of a child process; 0: ours
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.batch is None:
        compare(args)
    else:
        child(args)


if __name__ == "__main__":
    main()

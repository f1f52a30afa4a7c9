"""What llm-compressor makes of one layer and of a small Llama, for test_llmcompressor_parity.py.

    ORACLE/bin/python tests/support/llmcompressor_run.py --out tests/golden/llmcompressor.npz

ORACLE is the environment of envs/oracle.yaml; junkdna is not imported. The file holds the inputs too, with names that
start with "in.": random ones of the sizes given, or with --inputs those of an earlier file. One thread, CPU, float32.
"""

import argparse
import datetime
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import transformers as hf
from compressed_tensors.quantization import QuantizationArgs, fake_quantize
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.gptq import helpers as gptq_sums
from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight
from llmcompressor.modifiers.pruning.sparsegpt import SparseGPTModifier, sgpt_sparsify
from llmcompressor.modifiers.pruning.wanda import WandaPruningModifier, wanda_sparsify
from llmcompressor.observers import Observer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

PACKAGES = ("llmcompressor", "compressed-tensors", "transformers", "torch", "numpy")
PRUNED = {"50": (0.5, 0, 0), "2of4": (0.5, 2, 4)}  # sparsity, and how many of how many are pruned
GRIDS = {  # bits, group (0: the row), symmetric, activation order
    "rtn.2a": (2, 128, False, None),
    "rtn.3a": (3, 128, False, None),
    "rtn.4a": (4, 128, False, None),
    "rtn.4s": (4, 128, True, None),
    "rtn.8s": (8, 0, True, None),
    "gptq.4a": (4, 128, False, None),
    "gptq.4s": (4, 128, True, None),
    "gptq.row": (4, 0, False, None),
    "gptq.order": (4, 0, False, "weight"),
}
DEAD = (3, 130)  # inputs that are 0 in every token of the second layer
OF_DEAD = ("wanda.50", "sparsegpt.50", "gptq.row")  # what is kept of it
LLAMA = {
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 2, "max_position_embeddings": 64, "initializer_range": 0.2,
    "tie_word_embeddings": False,
}  # fmt: skip


def random_inputs(rows: int, inputs: int, width: int) -> dict[str, np.ndarray]:
    """A layer of `inputs` inputs and tokens for it that share a common part, and a Llama of `width` with its rows.

    Row 0 of the layer has no negative weight and row 1 no positive one. Weights are float16 numbers, tokens whole.
    """
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(rows, inputs))
    weight[0], weight[1] = abs(weight[0]), -abs(weight[1])
    own, common = rng.integers(-40, 41, (inputs + 64, inputs)), rng.integers(-30, 31, (inputs + 64, 1))
    tokens = own + common * rng.integers(0, 3, inputs)
    found = {"weight": weight, "tokens": tokens, "ids": rng.integers(3, LLAMA["vocab_size"], (width // 2, 16))}
    torch.manual_seed(0)
    weights = hf.LlamaForCausalLM(hf.LlamaConfig(**llama_settings(width))).state_dict()
    found |= {f"llama.{name}": value.numpy() for name, value in weights.items()}
    stored = {"f": np.float16, "i": np.int8}
    return {f"in.{name}": value.astype(stored[value.dtype.kind]) for name, value in found.items()}


def llama_settings(width: int) -> dict:
    return LLAMA | {"hidden_size": width, "intermediate_size": 2 * width}


def layer_results(weight: torch.Tensor, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """Kept weights (bool), new weights of SparseGPT, codes and scales of the grids, for one (out, in) layer."""
    layer = torch.nn.Linear(*weight.shape[::-1], bias=False)
    layer.weight.data.copy_(weight)
    found = {}
    for name, level in PRUNED.items():
        empty = wanda_sparsify.make_empty_row_scalars(layer)
        sums, _ = wanda_sparsify.accumulate_row_scalars(tokens, layer, empty, 0)
        found[f"wanda.{name}"] = wanda_sparsify.sparsify_weight(layer, {layer: sums}, *level) != 0
        sums, _ = sgpt_sparsify.accumulate_hessian(tokens, layer, sgpt_sparsify.make_empty_hessian(layer), 0)
        settings = {"block_size": 128, "dampening_frac": 0.01, "preserve_sparsity_mask": False}
        found[f"sparsegpt.{name}"] = sgpt_sparsify.sparsify_weight(layer, {layer: sums}, *level, **settings)[1]
    for name, grid in GRIDS.items():
        new, scale = rounded(name.startswith("gptq"), layer, grid_args(*grid), tokens)
        found |= {f"{name}.codes": codes(new, scale), f"{name}.scale": scale}
    return found


def grid_args(bits: int, group: int, symmetric: bool, order: str | None) -> QuantizationArgs:
    shape = {"strategy": "group", "group_size": group} if group else {"strategy": "channel"}
    return QuantizationArgs(num_bits=bits, symmetric=symmetric, actorder=order, **shape)


def rounded(
    gptq: bool, layer: torch.nn.Linear, args: QuantizationArgs, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """New weights of GPTQ, or of rounding to nearest, and the scales (out, groups)."""
    weight = layer.weight.detach().clone()
    observer = Observer.load_from_registry("memoryless_minmax", base_name="weight", args=args)
    grid = observer(weight).get_qparams()
    scale, zero_point = grid["scale"], grid["zero_point"]
    if not gptq:
        return fake_quantize(weight, scale, zero_point, args), scale
    sums, count = gptq_sums.accumulate_hessian(tokens, layer, gptq_sums.make_empty_hessian(layer), torch.zeros(()))
    stacks = (part.unsqueeze(0) for part in (weight, sums / count, scale, zero_point))
    return quantize_weight(*stacks, None, args)[0][0], scale


def codes(new: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """new / scale: whole numbers, with 0 for the weight 0 on any grid."""
    found = new / scale.repeat_interleave(new.shape[1] // scale.shape[1], dim=1)
    small = found.round().to(torch.int8)
    assert (found - small).abs().max() < 1e-4
    return small


def llama_results(weights: dict[str, torch.Tensor], ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same of the matrices in a Llama's blocks, after `oneshot` on rows without pads, one row a batch."""
    heads = ["re:.*lm_head"]
    recipes = {}
    for name, (sparsity, n, m) in PRUNED.items():
        recipe = {
            "sparsity": sparsity,
            "mask_structure": f"{n}:{m}",
            "targets": ["Linear"],
            "ignore": heads,
        }
        recipes |= {f"wanda.{name}": WandaPruningModifier(**recipe), f"sparsegpt.{name}": SparseGPTModifier(**recipe)}
    groups = {"all": {"targets": ["Linear"], "weights": grid_args(*GRIDS["gptq.row"]).model_dump()}}
    recipes["gptq.row"] = GPTQModifier(config_groups=groups, ignore=heads, actorder=None)
    found = {}
    for name, recipe in recipes.items():
        for matrix, layer in compressed(weights, ids, recipe).items():
            new = layer.weight.detach()
            if name.startswith("gptq"):
                scale = layer.weight_scale.detach()
                found |= {f"{matrix}.{name}.codes": codes(new, scale), f"{matrix}.{name}.scale": scale}
            else:
                found[f"{matrix}.{name}"] = new != 0 if name.startswith("wanda") else new
    return found


def compressed(weights: dict[str, torch.Tensor], ids: torch.Tensor, recipe: object) -> dict[str, torch.nn.Linear]:
    """The linear layers of the blocks by parameter name. `oneshot` wants a model that lies on disk and a tokenizer."""
    words = Tokenizer(WordLevel({str(number): number for number in range(LLAMA["vocab_size"])}, unk_token="0"))
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=words)
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**llama_settings(len(weights["model.norm.weight"]))))
    model.load_state_dict(weights)
    rows = [{"input_ids": row[None].long(), "attention_mask": torch.ones(1, len(row), dtype=torch.long)} for row in ids]
    loader = torch.utils.data.DataLoader(rows, batch_size=None)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        model = oneshot(model=model, tokenizer=tokenizer, dataset=loader, recipe=[recipe])
    layers = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    return {f"{name}.weight": layer for name, layer in layers.items() if name.startswith("model.layers.")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=Path, help="take the inputs from this file")
    parser.add_argument("--sizes", type=int, nargs=3, default=(32, 256, 32), help="of the layer (out in), of the Llama")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.inputs:
        with np.load(given.inputs) as file:
            inputs = {name: file[name] for name in file.files if name.startswith("in.")}
    else:
        inputs = random_inputs(*given.sizes)
    tensors = {name.removeprefix("in."): torch.from_numpy(value).float() for name, value in inputs.items()}
    llama = {name.removeprefix("llama."): value for name, value in tensors.items() if name.startswith("llama.")}
    found = {f"layer.{name}": value for name, value in layer_results(tensors["weight"], tensors["tokens"]).items()}
    tensors["tokens"][:, DEAD] = 0
    of_dead = layer_results(tensors["weight"], tensors["tokens"])
    found |= {f"dead.{name}": value for name, value in of_dead.items() if name.startswith(OF_DEAD)}
    found |= {f"llama.{name}": value for name, value in llama_results(llama, tensors["ids"]).items()}
    made = {
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "machine": platform.machine(),
        "grids": GRIDS,
        "dead": DEAD,
        "llama": llama_settings(len(llama["model.norm.weight"])),
    }
    arrays = {name: value.detach().numpy() for name, value in found.items()}
    np.savez_compressed(given.out, made=np.array(json.dumps(made)), **inputs, **arrays)


if __name__ == "__main__":
    main()

"""Calibrated compression in the simplest way: full forward passes over the complete model, once per block."""

import tiny_models
import torch

from junkdna.compress.blocks import Batch
from junkdna.compress.masks import MatrixResult
from junkdna.compress.scope import prunable
from junkdna.compress.sequential import calibrated


def rows(*lengths):
    """One row of random token ids for each length; the ids of special tokens do not occur."""
    generator = torch.Generator().manual_seed(sum(lengths))
    return [torch.randint(5, tiny_models.VOCABULARY, (length,), generator=generator) for length in lengths]


def batch(some, width=0, pad=2):
    width = width or max(len(row) for row in some)
    ids = torch.full((len(some), width), pad)
    mask = torch.zeros(len(some), width, dtype=torch.long)
    for i, row in enumerate(some):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return Batch(ids, mask)


def halve(weight, square_sums):
    """Mask without the lower half of |w| times the input's norm in each row."""
    scores = weight.abs().double() * square_sums.double().sqrt()
    mask = torch.ones_like(weight, dtype=torch.bool)
    for row, kept in zip(scores, mask, strict=True):
        kept[row.argsort()[: weight.shape[1] // 2]] = False
    return mask


def mix(weight, gram):
    """New weights that depend on every entry of the gram."""
    gram = gram.double() / gram.double().diagonal().max()
    return (0.5 * weight.double() + 0.1 * weight.double() @ gram).to(weight.dtype)


def compress(name, weight, statistics):
    if statistics.gram is None:
        return MatrixResult(halve(weight, statistics.square_sums), None)
    return MatrixResult(None, mix(weight, statistics.gram))


@torch.no_grad()
def naive(model, batches, gram, wanted=None):
    """The same by full forward passes over the complete model, block after block: {name: (tokens, gram in float64)}.

    The first run of a layer in a forward pass reads tokens; layers named pos_* read the table, the longest counts.
    """
    model.eval()
    found = {}
    for number in ("0", "1"):
        members = [each for each in prunable(model) if number in each.name.split(".")]
        inputs = {each.name: [] for each in members if wanted is None or each.name in wanted}
        for rows_of_batch in batches:
            given = {name: [] for name in inputs}
            handles = [
                model.get_submodule(name.removesuffix(".weight")).register_forward_hook(
                    lambda module, args, output, name=name, given=given: given[name].append(args[0])
                )
                for name in inputs
            ]
            model(input_ids=rows_of_batch.ids, attention_mask=rows_of_batch.mask)
            for handle in handles:
                handle.remove()
            for name, xs in given.items():
                x = xs[0].double()
                if ".pos_" in name:
                    inputs[name] = max(inputs[name], [x[0]], key=lambda held: len(held[0]) if held else 0)
                else:
                    inputs[name].append(x.reshape(-1, x.shape[-1])[rows_of_batch.mask.bool().flatten()])
        for each in members:
            if each.name in inputs:
                x = torch.cat(inputs[each.name])
                found[each.name] = (len(x), x.T @ x)
                weight = each.matrix()
                if gram:
                    weight.copy_(mix(weight, found[each.name][1]))
                else:
                    weight.mul_(halve(weight, found[each.name][1].diagonal()))
    return found


def same(got, wanted):
    """Within 1e-5 of the largest entry."""
    torch.testing.assert_close(got.double(), wanted.double(), rtol=0, atol=1e-5 * float(wanted.detach().abs().max()))


def run(model, batches, gram=False, prunables=None):
    """{name: (tokens, statistics sums, result)} of a complete run."""
    seen = {}

    def note(name, weight, statistics):
        result = compress(name, weight, statistics)
        sums = statistics.square_sums if statistics.gram is None else statistics.gram
        seen[name] = (statistics.tokens, sums.clone(), result)
        return result

    chosen = prunable(model) if prunables is None else prunables
    order = []
    for name, result in calibrated(model, chosen, batches, note, gram, "cpu"):
        assert result is seen[name][2]
        order.append(name)
    assert order == [each.name for each in chosen]
    return seen

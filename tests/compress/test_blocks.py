"""Made-up models whose blocks are called in other ways, through the driver that is built on them."""

import pytest
import torch
from sequential_oracle import batch, compress, rows, run, same
from torch import nn

from junkdna.compress.scope import prunable
from junkdna.compress.sequential import calibrated
from junkdna.errors import UserError


class Block(nn.Module):
    """Adds to each token what two layers make of it. `style` says what is unusual about it."""

    def __init__(self, style):
        super().__init__()
        self.style = style
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, states, mask=None, extra=None):
        x = states
        if self.style == "some tokens":
            x = states.reshape(-1, 4)[:3]
        out = self.first(input=x) if self.style == "keyword" else self.first(x)
        if self.style != "unused":
            out = out + self.second(x)
        out = states + (out.mean() if self.style == "some tokens" else out)
        returned = {"keyword": (out, None, mask), "dict": {"x": out}, "chain": (out, out * 2), "pooled": out.mean(1)}
        return returned.get(self.style, out)


class Toy(nn.Module):
    def __init__(self, style):
        super().__init__()
        torch.manual_seed(0)
        self.style = style
        self.table = nn.Embedding(64, 4)
        self.stack = nn.ModuleList([Block(style), Block(style)])

    def forward(self, input_ids, attention_mask):
        states = self.table(input_ids)
        if self.style == "flat":
            states = states.reshape(-1, 4)
        extra = None
        for block in [*reversed(self.stack)] if self.style == "reversed" else self.stack:
            if self.style == "chain":
                states, extra = block(states, attention_mask, extra)
            elif self.style == "keyword":
                states = block(states=states, mask=attention_mask)[0]
            elif self.style == "between":
                states = block(states).tanh()
            else:
                states = block(states, extra=object() if self.style == "state" else None)
                states = states["x"] if self.style == "dict" else states
        return states


@pytest.mark.parametrize("style", ["plain", "keyword", "between"])
def test_other_ways_to_call_blocks(style):
    """Hidden states by keyword out of a tuple; something done to them between two blocks."""
    with torch.random.fork_rng(devices=[]):
        model = Toy(style)
    texts = rows(5, 3)
    inputs = {}
    chosen = prunable(model)
    got = run(model, [batch(texts)])
    with torch.no_grad():  # by hand, with the weights as they are now: those of block 0 decide what block 1 reads
        x = torch.cat([model.table(row) for row in texts])
        for number, block in enumerate(model.stack):
            inputs[number] = x.double()
            x = x + nn.functional.linear(x, block.first.weight, block.first.bias)
            x = x + nn.functional.linear(inputs[number].float(), block.second.weight, block.second.bias)
            x = x.tanh() if style == "between" else x
    for each in chosen:
        same(got[each.name][1], inputs[int(each.name.split(".")[1])].square().sum(0))


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("unused", r"stack\.0\.second\.weight: .*does not run this layer"),
        ("some tokens", r"stack\.0\.first\.weight: for 6 rows of 5 tokens the layer gets a \(3, 4\) tensor"),
        ("dict", r"stack\.0 \(Block\): it does not return hidden states"),
        ("pooled", r"stack\.0 \(Block\): it does not return hidden states"),
        ("chain", r"stack\.1 \(Block\): it takes more than the hidden states"),
        ("reversed", r"stack\.1 \(Block\): it runs when block 0 is due"),
        ("flat", r"stack\.0 \(Block\): its first argument"),
    ],
)
def test_blocks_that_cannot_run_alone(style, words):
    with torch.random.fork_rng(devices=[]):
        model = Toy(style)
    with pytest.raises(UserError, match=words):
        calibrated(model, prunable(model), [batch(rows(7, 5))], compress, False, "cpu")


def test_a_block_whose_argument_may_have_state():
    with torch.random.fork_rng(devices=[]):
        model = Toy("state")
    with pytest.raises(UserError, match=r"stack\.0 \(Block\): an argument has type object"):
        run(model, [batch(rows(7, 5))])

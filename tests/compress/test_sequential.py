import copy
import weakref
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import tiny_models
import torch
import transformers as hf
from sequential_oracle import batch, compress, naive, rows, run, same
from tiny_models import FAMILIES

from junkdna.compress.blocks import Batch
from junkdna.compress.masks import MatrixResult, write_result
from junkdna.compress.scope import prunable
from junkdna.compress.sequential import _moved_to, calibrated
from junkdna.errors import UserError

# Tensors that several layers are given, by hand; every other layer reads alone.
SHARED = {
    "bert": ["query key value"],
    "roberta": ["query key value"],
    "mpnet": ["q k v"],
    "deberta": ["pos_proj pos_q_proj"],
    "deberta_v2": ["query_proj key_proj value_proj", "pos_key_proj pos_query_proj"],
    "deberta_v3": ["query_proj key_proj value_proj"],
    "gpt2": [],
    "gpt_neox": [],
    "opt": ["k_proj v_proj q_proj"],
}
GROUPED = ["q_proj k_proj v_proj", "gate_proj up_proj"]  # Llama and what follows it


@pytest.mark.parametrize("gram", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_padded_batches_equal_full_passes_row_by_row(name, gram):
    """Against rows one by one without pads, on the model compressed so far: pads and batches change nothing."""
    model = tiny_models.task_model(name)
    texts = rows(9, 6, 3, 5, 11)
    wanted_model = copy.deepcopy(model)
    wanted = naive(wanted_model, [batch([row]) for row in texts], gram)
    got = run(model, [batch(texts[:3], width=13), batch(texts[3:])], gram)
    assert got.keys() == wanted.keys()
    for matrix, (tokens, sums, _) in got.items():
        assert tokens == wanted[matrix][0]
        same(sums, wanted[matrix][1] if gram else wanted[matrix][1].diagonal())
    for (matrix, weight), other in zip(model.named_parameters(), wanted_model.parameters(), strict=True):
        if gram:
            same(weight, other)
        else:
            assert torch.equal(weight, other), matrix


@pytest.mark.parametrize("name", ["bert", "deberta_v3", "llama", "gemma3", "gpt2", "opt"])
def test_bfloat16(name):
    """Complete rows in the same batches as the full passes, so that rounding is equal."""
    model = tiny_models.task_model(name).to(torch.bfloat16)
    batches = [batch(rows(8, 8)), batch(rows(7))]
    wanted = naive(copy.deepcopy(model), batches, gram=False)
    for matrix, (tokens, sums, result) in run(model, batches).items():
        assert tokens == wanted[matrix][0]
        assert sums.dtype == torch.float32
        same(sums, wanted[matrix][1].diagonal())
        assert (model.get_parameter(matrix) == 0).sum() == (~result.mask).sum()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_a_row_as_long_as_the_table_of_positions():
    """One row of 16 tokens, and queries and keys that also read a table of 16 rows: only the tokens count."""
    model = tiny_models.plain("deberta_v3")
    batches = [batch(rows(16))]
    wanted = naive(copy.deepcopy(model), batches, gram=False)
    for matrix, (tokens, sums, _) in run(model, batches).items():
        assert tokens == 16
        same(sums, wanted[matrix][1].diagonal())


def every_call(model, batches):
    """{name: sum of squares} of all that the linear layers of the first block are given, as plain hooks see it."""
    found, handles = {}, []
    for each in prunable(model):
        if "0" in each.name.split("."):
            module = model.get_submodule(each.name.removesuffix(".weight"))

            def note(module, args, output, name=each.name):
                seen = args[0].double().reshape(-1, args[0].shape[-1]).square().sum(0)
                found[name] = found.get(name, 0) + seen

            handles.append(module.register_forward_hook(note))
    with torch.no_grad():
        for some in batches:
            model(input_ids=some.ids, attention_mask=some.mask)
    for handle in handles:
        handle.remove()
    return found


def test_a_table_of_positions_that_queries_and_keys_also_read_does_not_count():
    """Counted on every call it would weigh more the more batches there are; the tokens' sums stay what they are."""
    texts = rows(8, 8, 8, 8)
    parted = {1: [batch(texts)], 2: [batch(texts[:2]), batch(texts[2:])], 4: [batch([text]) for text in texts]}
    got, hooked = {}, {}
    for number, batches in parted.items():
        got[number] = {name: sums for name, (_, sums, _) in run(tiny_models.plain("deberta_v3"), batches).items()}
        hooked[number] = every_call(tiny_models.plain("deberta_v3"), batches)
    for name, sums in hooked[1].items():
        same(got[1][name], got[2][name])
        same(got[1][name], got[4][name])
        if name.endswith(("query_proj.weight", "key_proj.weight")):
            table = hooked[2][name] - sums  # one batch more, one table more
            assert table.min() > 0
            same(hooked[4][name] - hooked[2][name], 2 * table)
            same(sums - table, got[1][name])
        else:
            same(sums, got[1][name])


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_given_one_tensor_share_their_statistics(name):
    held = {}
    model = tiny_models.plain(name)

    def keep(matrix, weight, statistics):
        held[matrix.removesuffix(".weight")] = statistics
        return compress(matrix, weight, statistics)

    list(calibrated(model, prunable(model), [batch(rows(4, 4))], keep, True, "cpu"))
    first = [matrix for matrix in held if "0" in matrix.split(".")]
    groups = {}
    for matrix in first:
        groups.setdefault(id(held[matrix]), []).append(matrix.split(".")[-1])
    assert [" ".join(group) for group in groups.values() if len(group) > 1] == SHARED.get(name, GROUPED)
    assert not {id(held[matrix]) for matrix in first} & {id(held[matrix]) for matrix in held if matrix not in first}


@pytest.mark.parametrize("name", ["mpnet", "deberta_v2", "mistral", "gpt_neox"])
def test_the_model_works_as_before_with_the_new_weights(name):
    model, fresh = tiny_models.task_model(name), tiny_models.task_model(name)
    run(model, [batch(rows(7, 5))])
    fresh.load_state_dict(model.state_dict())
    some = batch(rows(6, 9))
    with torch.no_grad():
        got, wanted = (m(input_ids=some.ids, attention_mask=some.mask).logits for m in (model, fresh))
    assert torch.equal(got, wanted)


def parts(model):
    """All that a run must leave alone."""
    return {
        name: (
            module.training,
            vars(module).get("forward"),
            *map(len, (module._forward_hooks, module._forward_pre_hooks)),
        )
        for name, module in model.named_modules()
    }


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_hooks_forwards_and_modes_are_as_they_were(name):
    """After the checks, after an error in the middle, and at the end; dropout is off within."""
    model = tiny_models.task_model(name)
    quiet = run(copy.deepcopy(model), [batch(rows(7, 5))])
    model.train()
    next(model.children()).eval()
    before, weights = parts(model), copy.deepcopy(model.state_dict())
    assert len({state[0] for state in before.values()}) == 2
    chosen = prunable(model)
    some = [batch(rows(7, 5))]

    def fail(matrix, weight, statistics):
        raise RuntimeError("no")

    steps = calibrated(model, chosen, some, fail, False, "cpu")
    assert parts(model) == before
    with pytest.raises(RuntimeError, match="no"):
        next(steps)
    assert parts(model) == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    model.train()
    before = parts(model)
    noisy = run(model, some)
    assert parts(model) == before
    assert all(torch.equal(noisy[matrix][1], quiet[matrix][1]) for matrix in quiet)


def test_leaving_early_restores_the_model():
    model = tiny_models.causal("llama").train()
    before = parts(model)
    steps = calibrated(model, prunable(model), [batch(rows(5))], compress, False, "cpu")
    name, result = next(steps)
    assert not model.training
    assert torch.equal(model.get_parameter(name) == 0, ~result.mask)
    assert torch.is_grad_enabled()
    steps.close()
    assert parts(model) == before


def test_blocks_without_matrices_are_passed_through():
    model = tiny_models.causal("qwen3")
    chosen = [each for each in prunable(model) if each.name.startswith("model.layers.1.mlp")]
    names = [each.name for each in chosen]
    before = copy.deepcopy(model.state_dict())
    wanted = naive(copy.deepcopy(model), [batch(rows(8, 8))], False, names)
    got = run(model, [batch(rows(8, 8))], prunables=chosen)
    assert list(got) == names
    for matrix in names:
        same(got[matrix][1], wanted[matrix][1].diagonal())
    for matrix, weight in model.state_dict().items():
        assert torch.equal(weight, before[matrix]) == (matrix not in names)


def test_how_often_each_part_runs():
    """A block runs once to look, and twice a batch, the last one once; a head never; and no block behind the last.

    A block's last layer need not run for the statistics: its input is all that they take.
    """
    model = tiny_models.causal("llama")
    counts = Counter()
    first, second = (block.mlp for block in model.model.layers)
    watched = {"0": first.up_proj, "0 last": first.down_proj, "1": second.up_proj, "1 last": second.down_proj}
    watched["head"] = model.lm_head
    for part, module in watched.items():
        module.register_forward_hook(lambda module, args, output, part=part: counts.update([part]))
    batches = [batch(rows(5, 5)), batch(rows(4)), batch(rows(6))]
    chosen = prunable(model)
    run(model, batches, prunables=chosen)
    assert counts == {"0": 1 + 2 * 3, "0 last": 1 + 3, "1": 1 + 3, "1 last": 1}
    counts.clear()
    run(model, batches, prunables=chosen[:7])
    assert counts == {"0": 1 + 3, "0 last": 1, "1": 1, "1 last": 1}


def test_statistics_of_a_block_are_let_go():
    model = tiny_models.causal("llama")
    held = []

    def keep(matrix, weight, statistics):
        if len(held) == 7:  # the first matrix of the second block
            assert all(old() is None for old in held)
        held.append(weakref.ref(statistics))
        return compress(matrix, weight, statistics)

    list(calibrated(model, prunable(model), [batch(rows(5))], keep, True, "cpu"))
    assert len(held) == 14


def test_batches_of_pads_only_count_nothing():
    model = tiny_models.plain("bert")
    empty = Batch(torch.zeros(2, 4, dtype=torch.long), torch.zeros(2, 4, dtype=torch.long))
    got = run(copy.deepcopy(model), [empty, batch(rows(5)), empty])
    wanted = run(copy.deepcopy(model), [batch(rows(5))])
    assert all(torch.equal(got[matrix][1], wanted[matrix][1]) for matrix in wanted)
    with pytest.raises(UserError, match="none of the 2 calibration batches contains a token"):
        run(model, [empty, empty])


def test_put_writes_transposed_weights():
    model = tiny_models.plain("gpt2")
    chosen = prunable(model)[0]
    weight = torch.arange(96.0 * 32).reshape(96, 32)
    write_result(chosen, MatrixResult(None, weight))
    assert torch.equal(model.h[0].attn.c_attn.weight, weight.T)
    mask = weight.long() % 2 == 0
    write_result(chosen, MatrixResult(mask, None))
    assert torch.equal(model.h[0].attn.c_attn.weight, (weight * mask).T)


def test_models_and_matrices_that_calibration_refuses():
    some = [batch(rows(5))]
    t5 = hf.T5ForConditionalGeneration(
        hf.T5Config(d_model=32, num_layers=2, num_heads=2, d_ff=48, vocab_size=64, d_kv=16)
    )
    with pytest.raises(UserError, match=r"2 lists of blocks \(encoder\.block, decoder\.block\)"):
        calibrated(t5, prunable(t5), some, compress, False, "cpu")
    albert = hf.AlbertModel(hf.AlbertConfig(**tiny_models.ENCODER, embedding_size=16))
    with pytest.raises(UserError, match=r"AlbertLayerGroup.*it runs when block 1 is due"):
        calibrated(albert, prunable(albert), some, compress, False, "cpu")
    llama = tiny_models.causal("llama")
    head = prunable(llama, head_names=["lm_head.weight"])
    with pytest.raises(UserError, match=r"lm_head\.weight is outside the blocks"):
        calibrated(llama, head, some, compress, False, "cpu")
    tied = tiny_models.causal("llama")
    tied.model.layers[1].mlp.up_proj.weight = tied.model.layers[0].mlp.up_proj.weight
    with pytest.raises(UserError, match=r"up_proj\.weight is used in 2 places"):
        calibrated(tied, prunable(tied), some, compress, False, "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="needs a CUDA device")
def test_only_the_block_at_work_is_on_the_device():
    """In a separate process: this one must not start CUDA, because other tests lease devices."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(on_the_device).result()


def on_the_device():
    for name in FAMILIES:
        model = tiny_models.task_model(name)
        some = [batch(rows(9, 6, 3)), batch(rows(5, 11))]
        wanted = run(copy.deepcopy(model), some, gram=True)
        for matrix, result in calibrated(model, prunable(model), some, compress, True, "cuda"):
            assert result.weight.is_cuda
            number = next(part for part in matrix.split(".") if part.isdigit())
            away = {part for part, parameter in model.named_parameters() if parameter.is_cuda}
            assert matrix in away
            assert all(number in part.split(".") for part in away), (name, away)
            close = 1e-3 * float(wanted[matrix][2].weight.abs().max())
            torch.testing.assert_close(result.weight.cpu(), wanted[matrix][2].weight, rtol=0, atol=close)
        assert not any(part.is_cuda for part in (*model.parameters(), *model.buffers())), name


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="needs a CUDA device")
def test_a_block_comes_back_to_its_old_memory_with_its_new_weights():
    block = torch.nn.BatchNorm1d(5)  # has buffers too
    places = [parameter.data_ptr() for parameter in block.parameters()]
    with _moved_to(block, torch.device("cuda")), torch.no_grad():
        assert all(part.is_cuda for part in (*block.parameters(), *block.buffers()))
        block.weight.fill_(3)
        block.running_mean.fill_(4)
    assert [parameter.data_ptr() for parameter in block.parameters()] == places
    assert block.weight.tolist() == [3.0] * 5
    assert block.running_mean.tolist() == [4.0] * 5

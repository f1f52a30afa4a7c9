"""Batches of few shapes: which widths are chosen, and that padding changes no loss."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import torch
from toy_training import NAMES, load, training

from junkdna.train.batch_shapes import ShapedBatches, expected_uses, few_widths
from junkdna.train.finetune import batch_order
from junkdna.train.stacked_steps import COMPILED_SHAPES, COMPILED_STEPS, shaped_batches, stacked_losses

ORDER = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10], [11, 12, 13, 14], [15, 16, 17, 18], [19, 0, 3, 5]]


def padded(widths: dict[int, int], chosen: tuple[int, ...]) -> int:
    return sum(number * min(each for each in chosen if each >= width) for width, number in widths.items())


@pytest.mark.parametrize("most", [1, 2, 3, 4, 9])
def test_no_other_widths_pad_less(most: int) -> None:
    widths = Counter([3, 9, 9, 17, 18, 30, 31, 31, 31, 40, 63, 64])
    found = few_widths(widths, most, 8)
    assert found == sorted(set(found))
    assert all(width % 8 == 0 for width in found)
    assert max(found) == 64
    options = [(*some, 64) for n in range(most) for some in combinations(range(8, 64, 8), n)]
    assert padded(widths, tuple(found)) == min(padded(widths, each) for each in options)


def test_expected_uses_are_those_of_random_batches() -> None:
    lengths = [3, 3, 4, 7, 7, 7, 9, 20]
    draws = torch.tensor(lengths)[torch.randint(8, (200_000, 4), generator=torch.Generator().manual_seed(0))]
    found = expected_uses(lengths, 4)
    assert sum(found.values()) == pytest.approx(1)
    for length, number in Counter(draws.amax(1).tolist()).items():
        assert found[length] == pytest.approx(number / 200_000, abs=0.005)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("most", [1, 2])
def test_padding_changes_no_loss(toy_world_once: Path, name: str, most: int) -> None:
    model, _ = load(toy_world_once / "model", name, ("tiny", "mood", 0))
    data = training(name)
    weights = {key: torch.stack([value.detach(), value.detach() * 0.9]) for key, value in model.named_parameters()}
    model.set_attn_implementation("eager")
    losses = stacked_losses(model, name, "float32")
    own, shaped = (ShapedBatches(model, data, ORDER, *each) for each in ((None, 1), (most, 8)))
    assert len({shape.widths for shape in shaped.shapes}) <= most ** len(own.shapes[0].widths)
    for step in range(len(ORDER)):
        expected = losses(weights, own.tensors(step), own.shapes[step].counts)
        found = losses(weights, shaped.tensors(step), shaped.shapes[step].counts)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("positions", "widest"), [(13, 13), (16, 16), (9, 11)])
def test_padding_ends_at_the_positions_of_the_model(toy_world_once: Path, positions: int, widest: int) -> None:
    """Rows have up to 11 tokens; a model of 13 positions cannot read 16."""
    model, _ = load(toy_world_once / "model", "classifier", ("tiny", "mood", 0))
    model.config.max_position_embeddings = positions
    shaped = ShapedBatches(model, training(), ORDER, 2, 8)
    assert max(width for shape in shaped.shapes for _, width in shape.widths) == widest
    assert max(shaped.tensors(step)["text/input_ids"].shape[1] for step in range(len(ORDER))) == widest


def test_shapes_say_what_the_tensors_are(toy_world_once: Path) -> None:
    model, _ = load(toy_world_once / "model", "bi_encoder", ("tiny", "mood", 0))
    shaped = ShapedBatches(model, training("bi_encoder"), ORDER, 2, 8)
    for step, shape in enumerate(shaped.shapes):
        tensors = shaped.tensors(step)
        for name, width in shape.widths:
            assert tensors[f"{name}/input_ids"].shape[1] == width
        assert len(tensors["label/answer"]) == shape.rows == len(ORDER[step])
        assert len(tensors["options/input_ids"]) == sum(shape.counts)


@pytest.mark.parametrize(
    ("name", "options", "compiled"), [("classifier", None, True), ("bi_encoder", 3, True), ("bi_encoder", None, False)]
)
def test_only_few_shapes_are_compiled(toy_world_once: Path, name: str, options: int | None, compiled: bool) -> None:
    """Torch compiles a function for 8 shapes and runs later ones as they are, with other last bits."""
    model, _ = load(toy_world_once / "model", name, ("tiny", "mood", 0))
    order = batch_order(20, 8, COMPILED_STEPS, ("mood", 0))
    shaped, found = shaped_batches(model, training(name, options=options), order, on_gpu=True)
    assert found == compiled
    assert (len({*shaped.shapes}) <= COMPILED_SHAPES) == compiled
    assert not shaped_batches(model, training(name, options=options), order[:-1], on_gpu=True)[1]
    assert not shaped_batches(model, training(name, options=options), order, on_gpu=False)[1]

"""The batches of a training as tensors of few shapes.

A GPU prepares every shape of a step once: it records the kernels of the step, or compiles them. So batches are padded
to a few widths that follow from the rows alone: seeds share compiled steps. Padding changes no output of a model that
`models.batch_isolation` lets share batches.

Shapes: B rows of a batch, T tokens of its longest row or the width it is padded to.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from junkdna.models.batching import padding_token
from junkdna.study import formats
from junkdna.train.train_rows import TrainRows


@dataclass(frozen=True)
class Shape:
    """What the tensors of some steps have in common: the width of each text by name, the number of rows, and the number
    of options of each row."""

    widths: tuple[tuple[str, int], ...]
    rows: int
    counts: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """At most so many tokens with padding: each text once for a row, or once for an option."""
        return sum(width for _, width in self.widths) * max(self.rows, sum(self.counts))


def few_widths(uses: Mapping[int, float], most: int, multiple: int) -> list[int]:
    """At most `most` widths, multiples of `multiple`, for batches of which `uses[width]` have a width: those with the
    least padding if every batch takes the next larger one."""
    rounded: Counter[int] = Counter()
    for width, share in uses.items():
        rounded[-(-width // multiple) * multiple] += share
    ends = sorted(rounded)
    chosen: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # last width -> tokens up to it, and the widths
    for _ in range(most):
        for end in reversed(ends):
            chosen[end] = min(
                (tokens + end * sum(rounded[width] for width in ends if last < width <= end), [*before, end])
                for last, (tokens, before) in chosen.items()
                if last < end
            )
    return chosen[ends[-1]][1]


def expected_uses(lengths: Sequence[int], rows: int) -> dict[int, float]:
    """The share of batches of `rows` random rows whose longest row has each length: F(l)**rows - F(l - 1)**rows, with
    the share F(l) of rows of at most l tokens. It does not depend on the order, so neither do compiled shapes."""
    number, below, uses = Counter(lengths), 0, {}
    for length in sorted(number):
        uses[length] = ((below + number[length]) / len(lengths)) ** rows - (below / len(lengths)) ** rows
        below += number[length]
    return uses


class ShapedBatches:
    """Batches of `data`, one for each step of `order` (row numbers), padded to at most `most` widths a text; None pads
    each to its own longest row. `shapes` has one entry a step."""

    def __init__(
        self, model: nn.Module, data: TrainRows, order: Sequence[Sequence[int]], most: int | None, multiple: int
    ) -> None:
        self._model, self._data, self._order = model, data, order
        self._format = formats.load(data.format)
        rows = {i: self._format.batch(model, data.columns, [i], "cpu") for i in {i for step in order for i in step}}
        names = list(next(iter(rows.values())).texts)
        positions = getattr(model.config, "max_position_embeddings", None)
        widths = {name: _widths(name, rows, order, most, multiple, positions) for name in names}
        self.shapes = [
            Shape(
                tuple((name, widths[name][at]) for name in names),
                len(step),
                tuple(count for i in step for count in rows[i].counts),
            )
            for at, step in enumerate(order)
        ]

    def tensors(self, number: int) -> dict[str, Tensor]:
        """The tensors of a step on the CPU: "NAME/INPUT" (B, T) for the texts, "label/NAME" (B,) for the labels."""
        from torch.nn.functional import pad

        rows, widths = list(self._order[number]), dict(self.shapes[number].widths)
        batch = self._format.batch(self._model, self._data.columns, rows, "cpu")
        token = padding_token(self._model)
        tensors = {f"label/{name}": value for name, value in self._data.labels(rows, "cpu").items()}
        for name, text in batch.texts.items():
            for key, value in text.items():
                missing = (0, widths[name] - value.shape[1])
                tensors[f"{name}/{key}"] = pad(value, missing, value=token if key == "input_ids" else 0)
        return tensors


def _widths(
    name: str, rows: Mapping, order: Sequence[Sequence[int]], most: int | None, multiple: int, positions: int | None
) -> list[int]:
    """The width of a text in every step. Padding does not go beyond the model's `positions`, which a longest row that
    is no multiple may be close to."""
    longest = {i: each.texts[name]["input_ids"].shape[1] for i, each in rows.items()}
    own = [max(longest[i] for i in step) for step in order]
    if most is None:
        return own
    chosen = few_widths(expected_uses(list(longest.values()), len(order[0])), most, multiple)
    if positions:
        chosen = [min(width, max(positions, *own)) for width in chosen]
    return [next(width for width in chosen if width >= each) for each in own]

"""The loss of language models, which their answer formats name as `loss_module`: the cross-entropy of the tokens of the
right answers, each after its prompt.

The loss of an optimizer step is the mean over all answer tokens of its rows, so long answers count more than short
ones. It is the loss of transformers' causal models with label -100 at every token of a prompt and of padding. Tokens
of the prompt, and those before `option_starts` (an option before a scored suffix), are read but not predicted. Logits
are computed for the answers alone where the architecture allows it (`models.kept_logits`).

Shapes: P texts (one for each row, or one for each window of a long text), T tokens of the longest text without its
last token, A tokens of the longest answer, V vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from junkdna.evaluate.train_outputs import Batch, Inputs
from junkdna.models.batch_isolation import groups_of
from junkdna.models.batching import pad, padding_token
from junkdna.models.kept_logits import keeps_positions

Text = tuple[list[int], int]  # the tokens of prompt and answer, and the number of those that are not predicted


def right_options(rows: dict[str, list], numbers: Sequence[int]) -> list[Text]:
    """The prompt of each row of a tokens file with the option at position `answer`."""
    return [_texts(rows, i)[rows["answer"][i]] for i in numbers]


def all_options(rows: dict[str, list], numbers: Sequence[int]) -> list[Text]:
    """The prompt of each row of a tokens file with each of its options, all of which are right."""
    return [text for i in numbers for text in _texts(rows, i)]


def _texts(rows: dict[str, list], row: int) -> list[Text]:
    query = rows["query"][row]
    options = zip(rows["options"][row], rows["option_starts"][row], strict=True)
    return [(query + option, len(query) + start) for option, start in options]


def answer_batch(model: nn.Module, texts: Sequence[Text], device: str, counts: Sequence[int] = ()) -> Batch:
    """Two texts of a batch, right-padded. "text" (P, T) is what the model reads. "answer" (P, A) has the tokens to
    predict as `input_ids`, 1 for each of them and 0 for padding as `attention_mask`, and the position in the text that
    predicts each, as `logits_to_keep` if the model takes it, else as `positions`.

    `counts`: number of texts of each row, if rows have several.
    """
    ids, mask = pad([ids[:-1] for ids, _ in texts], device, padding_token(model))
    targets, wanted = pad([ids[first:] for ids, first in texts], device)
    positions, _ = pad([[*range(first - 1, len(ids) - 1)] for ids, first in texts], device)
    answer = {"input_ids": targets, "attention_mask": wanted}
    answer["logits_to_keep" if keeps_positions(model) else "positions"] = positions
    return Batch({"text": {"input_ids": ids, "attention_mask": mask}, "answer": answer}, tuple(counts))


def outputs(model: Callable, batch: Batch) -> Tensor:
    """The negative log-likelihood of each answer, divided by the mean number of answer tokens: (P,). The mean over
    texts is then the mean over tokens."""
    wanted_pa = batch.texts["answer"]["attention_mask"]
    return _sums(model, batch) * (len(wanted_pa) / wanted_pa.sum())


def loss(outputs: Tensor, labels: Mapping[str, Tensor]) -> Tensor:
    """Mean cross-entropy of the answers' tokens. The batch has the right answers, so `labels` are not read."""
    return outputs.mean()


def _sums(model: Callable, batch: Batch) -> Tensor:
    """Negative log-likelihoods (P,), without effects of rows on each other (as `outputs_of_rows`)."""
    text, answer = batch.texts["text"], batch.texts["answer"]
    groups = groups_of(model, text["attention_mask"]) if isinstance(model, nn.Module) else []
    if len(groups) < 2:
        return _sums_of(model, text, answer)
    sums = []
    for group in groups:
        longest = int(text["attention_mask"][group].sum(1).max())
        own = {name: value[group] for name, value in answer.items()}
        sums.append(_sums_of(model, {name: value[group, :longest] for name, value in text.items()}, own))
    order = torch.tensor([row for group in groups for row in group]).argsort()
    return torch.cat(sums)[order.to(sums[0].device)]


def _sums_of(model: Callable, text: Inputs, answer: Inputs) -> Tensor:
    kept = {name: value for name, value in answer.items() if name == "logits_to_keep"}
    logits_pav = model(**text, **kept, use_cache=False)["logits"]
    if not kept:
        logits_pav = logits_pav.take_along_dim(answer["positions"][..., None], dim=1)
    targets_pa = answer["input_ids"]
    losses = cross_entropy(logits_pav.flatten(0, 1), targets_pa.flatten(), reduction="none")
    return (losses.view(targets_pa.shape) * answer["attention_mask"]).sum(1)

"""Whether a stack fits the free memory of a GPU: a rough estimate before training, and an explained error if it fails.

The estimate is for one cell, times the size of the stack, plus the model that is loaded:

    25 bytes a parameter   weight, gradient and the two moments of AdamW in float32 (16), the weight that the cell
                           starts from (4), the value and the mask to which a masked weight returns (5)
    activations            rows * tokens * layers * (34 * hidden + 5 * heads * tokens) bytes (Korthikanti et al. 2022,
                           arXiv:2205.05198, equation 2, attention as plain products), times a factor measured here,
                           because autocast and plain attention keep more

    logits                 answer tokens * vocabulary * 12 bytes for a language model: the logits of the tokens that are
                           predicted, their probabilities and gradients, in float32

Tokens are those of the longest text; questions and options that a model reads separately are counted separately. The
estimate leaves out embeddings, memory fragmentation, and the extra memory of batch shapes that are too rare to record.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from junkdna.errors import UserError
from junkdna.models.memory_errors import GPU, full_memory
from junkdna.study.cell_settings import TrainingSettings
from junkdna.study.formats import FORMATS
from junkdna.train.train_rows import TrainRows, read_columns

STATE_BYTES = 25
LOGIT_BYTES = 12
KEPT = {"bfloat16": 3.0, "float32": 5.5}  # RoBERTa-base, 8 cells, 32 x 88 tokens; MiniLM, 16 cells, 32 x 32 (H100)
GIB = 2**30


def cell_bytes(model: nn.Module, data: TrainRows, protocol: TrainingSettings) -> int:
    """Estimated bytes that one cell of a stack needs in training."""
    parameters = sum(weight.numel() for weight in model.parameters())
    kinds = _largest_batch(data, protocol.batch_size)
    activations = KEPT[protocol.precision] * sum(_activations(model, rows, tokens) for rows, tokens in kinds)
    return round(STATE_BYTES * parameters + activations + kinds[0][0] * _logits(model, data) * LOGIT_BYTES)


def _activations(model: nn.Module, rows: int, tokens: int) -> int:
    config = model.config
    hidden, layers = getattr(config, "hidden_size", 0), getattr(config, "num_hidden_layers", 0)
    return rows * tokens * layers * (34 * hidden + 5 * getattr(config, "num_attention_heads", 0) * tokens)


def _logits(model: nn.Module, data: TrainRows) -> int:
    """Logits of the longest answer that a language model learns; 0 in other formats."""
    if not FORMATS[data.format].is_language_model:
        return 0
    longest = max((len(option) for options in data.columns["options"] for option in options), default=0)
    return longest * getattr(model.config, "vocab_size", 0)


def _largest_batch(data: TrainRows, batch_size: int) -> list[tuple[int, int]]:
    """Rows and tokens of the largest batch, for each kind of text that the format reads: the query of a row, and its
    options, each of which is a row, as is each window of a text. A language model reads the right option alone, after
    its query."""
    columns, rows = read_columns(data.format), min(batch_size, len(data))
    queries = data.columns["query"] if "query" in columns else []
    options = data.columns["options"] if "options" in columns else []
    most = max(map(len, options), default=0)
    if FORMATS[data.format].is_language_model:
        longest = max(len(query) + max(map(len, each)) for query, each in zip(queries, options, strict=True))
        return [(rows if "answer" in columns else rows * most, longest)]
    kinds = [(rows, max(map(len, queries)))] if queries else []
    if options:
        kinds.append((rows * most, max(len(option) for each in options for option in each)))
    return kinds


def check_memory(model: nn.Module, size: int, data: TrainRows, protocol: TrainingSettings) -> None:
    """Raises UserError, which names the key and a stack that fits, if a stack of `size` does not fit the free memory
    of the model's GPU. On the CPU it checks nothing."""
    device = next(model.parameters()).device
    if device.type != "cuda":
        return
    free = _free(device)
    if cell_bytes(model, data, protocol) * size > free:
        raise _too_large(model, size, data, protocol, free, "The estimate is rough.")


def _free(device: torch.device) -> int:
    """Free bytes of a GPU, after what an earlier stack of this process has left is returned to it."""
    gc.collect()  # recorded steps hold their memory in reference cycles
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


@contextmanager
def explained_out_of_memory(model: nn.Module, size: int, data: TrainRows, protocol: TrainingSettings) -> Iterator[None]:
    """Turns torch's errors for a full GPU into the UserError of `check_memory`."""
    device = next(model.parameters()).device
    free = _free(device) if device.type == "cuda" else 0
    try:
        yield
    except RuntimeError as error:
        if full_memory(error) != GPU:
            raise
        cause = f"It ran out of memory in training ({(str(error).splitlines() or [''])[0][:200]})."
        raise _too_large(model, size, data, protocol, free, cause) from error


def _too_large(
    model: nn.Module, size: int, data: TrainRows, protocol: TrainingSettings, free: int, cause: str
) -> UserError:
    each = cell_bytes(model, data, protocol)
    fits = max(1, min(size // 2 if each * size <= free else size - 1, free // each))
    fix = f"Set `stack: {fits}` in the protocol" if size > 1 else "Lower batch_size or max_length in the protocol"
    return UserError(
        f"a stack of {size} cells needs about {each * size / GIB:.1f} GiB, and the GPU has {free / GIB:.1f} GiB free. "
        f"{cause} {fix} (the numbers of a cell depend on it, so all its cells run again), lower cells_per_gpu, or use "
        "a larger GPU."
    )

"""Independent answers for the mask tests: numpy, everything joined and sorted; and the weights to ask about."""

from contextlib import contextmanager
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from junkdna.compress import chunks, select

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# Few distinct values, so that ties (0 and -0 among them) fall on most thresholds; tiny and huge ones, all in float16.
TIED = (0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.0009765625, 6e-8, -6e-8, 6e-5, 65504.0)


@st.composite
def weight_sets(draw, dtypes=DTYPES, widths=(1, 2, 3, 5, 7)):
    """{name: matrix} of one to four small matrices, names out of alphabetical order; normal or tied values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tied = draw(st.booleans())
    weights = {}
    for name in ("d", "a", "c", "b")[: draw(st.integers(1, 4))]:
        shape = (draw(st.integers(1, 6)), draw(st.sampled_from(widths)))
        values = rng.choice(TIED, shape) if tied else rng.normal(size=shape)
        weights[name] = torch.tensor(values).to(draw(st.sampled_from(dtypes)))
    return weights


sparsities = st.one_of(st.sampled_from([0, 1, 0.1, 0.3, 0.5, 0.7, 0.9]), st.floats(0, 1))


def joined(tensors):
    """All scalars in mapping order, then row-major; floats as float64, which holds every dtype used here exactly."""
    as_double = [one.double() if one.is_floating_point() else one for one in tensors.values()]
    return np.concatenate([one.numpy().ravel() for one in as_double])


def pruned_count(total, sparsity):
    return int(total * Decimal(str(float(sparsity))))


def kept_after_sort(scores, count):
    """False at the `count` lowest scores, earlier ones first among equals."""
    kept = np.ones(len(scores), dtype=bool)
    kept[np.argsort(scores, kind="stable")[:count]] = False
    return kept


@contextmanager
def small_parts(size):
    """Parts of so many scalars, and samples of every third, so that small weights go the way of large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CPU_CHUNK", size)
        patch.setattr(chunks, "DEVICE_CHUNK", size)
        patch.setattr(select, "UNSAMPLED", 0)
        patch.setattr(select, "SAMPLE_STEP", 3)
        yield

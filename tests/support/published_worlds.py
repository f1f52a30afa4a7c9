"""Retention of curves that arXiv 2310.02277 publishes, as planted truth."""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def _published(percent: Sequence, dense: float, baseline: float) -> Array:
    """Retention of a published curve in percent of the dense score."""
    return (np.array(percent) / 100 * dense - baseline) / (dense - baseline)


# Approximate curves of arXiv 2310.02277 (RoBERTa-large), percent of dense at 10 to 90 % pruned. Dense scores and
# baselines are not published with them; these are usual ones.
SST2 = _published((99.8, 99.9, 99.3, 99.1, 96.7, 94.0, 92.7, 87.8, 79.7), 0.95, 0.5)
COLA = np.array([0.949, 0.99, 0.962, 0.93, 0.879, 0, 0, 0, 0])
QQP = _published((99.7, 100.3, 100.2, 100, 99.7, 99.3, 97.5, 94.3, 83.1), 0.92, 0.63)
STSB = np.array([0.997, 0.996, 0.99, 0.986, 0.972, 0.924, 0.077, 0.087, 0.069])
QNLI = _published((99.8, 99.9, 99.6, 99.5, 97.0, 97.5, 92.8, 63.3, 63.1), 0.94, 0.5)
RTE = _published((94.2, 92.3, 83.1, 62.5, 62.5, 62.5, 62.5, 62.5, 62.5), 0.84, 0.525)
# 100, 70, 50, 25 and 10 % of the training data
QNLI_DATA = _published([
    (100, 100, 99.7, 98.1, 95.9, 91.9, 89.1, 76.8, 54.5), (100, 100, 99.4, 98.1, 95.7, 91.3, 88.6, 67.2, 53.5),
    (100, 99.9, 99.3, 97.0, 94.2, 91.0, 86.3, 65.9, 54.9), (100, 99.8, 98.4, 96.1, 93.3, 90.3, 80.1, 65.1, 55.6),
    (100, 99.7, 97.2, 94.9, 91.3, 76.7, 68.2, 60.3, 55.6),
], 0.93, 0.5)  # fmt: skip
SST2_DATA = _published([
    (100, 99.7, 99.3, 98.8, 97.8, 94.2, 90.4, 85.8, 53.8), (100, 99.6, 99.3, 98.5, 97.3, 93.2, 89.4, 84.6, 53.9),
    (100, 99.6, 99.1, 97.7, 97.1, 92.0, 87.8, 84.4, 54.2), (100, 99.4, 98.4, 97.6, 95.4, 88.0, 85.4, 68.0, 54.3),
    (100, 98.8, 98.0, 94.4, 89.4, 85.7, 83.6, 54.9, 54.9),
], 0.95, 0.5)  # fmt: skip
MNLI_DATA = _published([
    (100, 100.3, 99.7, 98.9, 98.0, 91.0, 87.0, 77.8, 36.9), (100, 100, 99.4, 98.8, 96.8, 91.3, 86.0, 75.7, 40.3),
    (100, 100, 99.6, 98.7, 96.2, 88.9, 83.7, 68.7, 37.9), (100, 99.4, 98.9, 97.7, 92.6, 82.1, 80.2, 53.9, 38.2),
    (100, 99.4, 98.4, 96.7, 88.9, 79.3, 72.1, 47.1, 38.9),
], 0.88, 1 / 3)  # fmt: skip

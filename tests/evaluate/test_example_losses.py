"""The loss of each example against torch's losses."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from junkdna.evaluate.example_losses import example_losses
from junkdna.evaluate.formats import bi_encoder, regressor

RNG = np.random.default_rng(3)
GOLD = [0, 2, 1, 1]
SCORES = RNG.normal(size=(4, 3)) * 5


def of(answer_format: str, kind: str = "classify") -> SimpleNamespace:
    return SimpleNamespace(format=answer_format, kind=kind)


def picked(scores: np.ndarray = SCORES) -> dict:
    return {"gold": [float(each) for each in GOLD], "scores": [row.tolist() for row in scores]}


@pytest.mark.parametrize("name", ["classifier", "cross_encoder"])
def test_classes_and_pairs_have_the_cross_entropy(name):
    expected = functional.cross_entropy(torch.tensor(SCORES), torch.tensor(GOLD), reduction="none")
    assert example_losses(of(name), picked()) == pytest.approx(expected.numpy())


def test_large_scores_do_not_overflow():
    assert example_losses(of("classifier"), picked(SCORES * 1e4)) == pytest.approx(
        functional.cross_entropy(torch.tensor(SCORES * 1e4), torch.tensor(GOLD), reduction="none").numpy()
    )


def test_rows_may_differ_in_their_options():
    rows = {"gold": [1.0, 0.0], "scores": [[0.5, 2.0], [1.0, 0.0, -1.0]]}
    by_hand = [np.log(1 + np.exp(-1.5)), np.log(1 + np.exp(-1) + np.exp(-2))]
    assert example_losses(of("cross_encoder", "choice"), rows) == pytest.approx(by_hand)


def test_a_bi_encoder_has_the_loss_of_its_training():
    cosines = np.clip(SCORES / 20, -1, 1)
    trained = bi_encoder.loss(torch.tensor(cosines), {"answer": torch.tensor(GOLD)})
    assert example_losses(of("bi_encoder", "choice"), picked(cosines)).mean() == pytest.approx(float(trained))


def test_numbers_have_the_squared_error():
    gold, given = RNG.normal(size=5), RNG.normal(size=5)
    trained = regressor.loss(torch.tensor(given)[:, None], {"target": torch.tensor(gold)})
    found = example_losses(of("regressor", "regress"), {"gold": gold.tolist(), "prediction": given.tolist()})
    assert found == pytest.approx((gold - given) ** 2)
    assert found.mean() == pytest.approx(float(trained))


def test_language_models_have_the_likelihood_of_the_right_option():
    for name in ("cloze", "mcq"):
        found = example_losses(of(name, "choice"), picked())
        assert found == pytest.approx([-SCORES[row, answer] for row, answer in enumerate(GOLD)])
    assert example_losses(of("likelihood", "likelihood"), {"prediction": [-1.5, -0.5]}).tolist() == [1.5, 0.5]


def test_a_broken_model_has_no_number():
    assert np.isnan(example_losses(of("classifier"), picked(np.full((4, 3), np.nan)))).all()

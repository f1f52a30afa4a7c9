"""What a model answers, by kind of task: stored scores against plain loops, metrics against scikit-learn and scipy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from decoders import make, plain_loglikelihood, random_options, random_rows, same, stretch
from job_settings import cell_settings
from scipy import stats
from sklearn import metrics as sklearn_metrics

from junkdna.evaluate.answers import Answers
from junkdna.models.load import load_classifier, load_plain
from junkdna.resumable import NO_CHECKPOINTS, Loop
from junkdna.study.cell_settings import CellSettings
from junkdna.study.formats import load

N = 30
CLOSE = 1e-5
QUERIES, SECOND = random_rows(N, 0), [k % 9 for k in range(N)]
OPTIONS = random_options(N, 1)
GOLD = [int(gold) for gold in np.random.default_rng(6).integers(0, [len(row) for row in OPTIONS])]
CHARACTERS = [[int(count) for count in row] for row in (np.random.default_rng(k).integers(1, 9, 5) for k in range(N))]
CHARACTERS = [row[: len(options)] for row, options in zip(CHARACTERS, OPTIONS, strict=True)]
BYTES = [[count + 1 for count in row] for row in CHARACTERS]
COMMON = {"id": [f"row {k}" for k in range(N)], "truncated": [k % 4 == 0 for k in range(N)]}
CHOICE = {**COMMON, "query": QUERIES, "options": OPTIONS, "answer": GOLD, "option_characters": CHARACTERS,
          "option_bytes": BYTES,
          "option_starts": [[0] * len(row) for row in OPTIONS]}  # fmt: skip
NORMALIZED = {"none": "scores", "token": "scores_per_token", "character": "scores_per_character"}


@pytest.fixture(scope="module")
def encoder(toy_world_once: Path):
    return stretch(load_plain(toy_world_once / "model", "encoder"))


@pytest.fixture(scope="module")
def heads(toy_world_once: Path):
    """Sequence classifiers by their number of outputs, each centerd so that every class is given to some rows."""
    found = {k: stretch(load_classifier(toy_world_once / "model", k, ("tiny", "mood", k))[0]) for k in (1, 2, 3)}
    with torch.no_grad():
        for model in found.values():
            logits = [plain_logits(model, query, start) for query, start in zip(QUERIES, SECOND, strict=True)]
            model.classifier.bias.sub_(torch.tensor(np.mean(logits, axis=0)))
    return found


@pytest.fixture(scope="module")
def decoder():
    return make("llama")


def classes(count: int) -> dict[str, list]:
    gold = [int(k) for k in np.random.default_rng(count).integers(0, count, N)]
    return {**COMMON, "query": QUERIES, "second_start": SECOND, "answer": gold}


def settings(kind: str, answer_format: str = "", metric: str = "accuracy", normalize: str = "") -> CellSettings:
    """The normalization is given where nothing is trained."""
    default = "regressor" if kind == "regress" else "classifier"
    return cell_settings(kind, answer_format or default, metric, normalize)


def answered(settings: CellSettings, model, rows: dict, loop: Loop = NO_CHECKPOINTS) -> Answers:
    return load(settings.format).score(settings, model, rows, "cpu", loop, None)


# --- plain computations: one row at a time ----------------------------------------------------------------------------


@torch.inference_mode()
def plain_logits(model, query: list[int], start: int) -> np.ndarray:
    kinds = torch.tensor([[int(t >= start) for t in range(len(query))]])
    return model(input_ids=torch.tensor([query]), token_type_ids=kinds).logits[0].numpy()


@torch.inference_mode()
def plain_cosines(model, query: list[int], options: list[list[int]]) -> np.ndarray:
    mean = [model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0) for row in (query, *options)]
    return np.array([float(torch.cosine_similarity(mean[0], option, dim=0)) for option in mean[1:]])


def check_picked(found: Answers, deciding: list, rows: dict) -> None:
    """Every column of the examples follows from the scores that decide; no row may be a near-tie."""
    for k, scores in enumerate(deciding):
        gold, best = rows["answer"][k], int(np.argmax(scores))
        first, second = sorted(scores)[-1:-3:-1]
        assert first - second > 10 * CLOSE, "a near-tie: the comparison would mean nothing"
        example = {name: column[k] for name, column in found.examples.items()}
        assert (example["id"], example["gold"], example["prediction"]) == (rows["id"][k], gold, best)
        assert example["margin"] == pytest.approx(scores[gold] - max(np.delete(scores, gold)), abs=3 * CLOSE)
        assert example["correct"] == float(best == gold)
        assert example["truncated"] == rows["truncated"][k]
    assert found.values["accuracy"] == pytest.approx(np.mean(found.examples["correct"]))
    assert 0 < found.values["accuracy"] < 1
    assert not found.collapsed


# --- classes and numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "count"), [("classify", 2), ("classify", 3), ("pair", 2), ("pair", 3)])
def test_classes_by_a_trained_head(heads, kind, count):
    rows = classes(count)
    found = answered(settings(kind), heads[count], rows)
    wanted = [plain_logits(heads[count], query, start) for query, start in zip(QUERIES, SECOND, strict=True)]
    same([np.array(row) for row in found.examples["scores"]], wanted)
    check_picked(found, wanted, rows)
    assert "scores_per_token" not in found.examples
    assert set(found.values) == {"accuracy", "matthews"} | ({"f1"} if count == 2 else set())


@pytest.mark.parametrize(("metric", "count"), [("accuracy", 2), ("accuracy", 3), ("matthews", 2), ("f1", 2)])
def test_metrics_of_classes_are_those_of_scikit_learn(heads, metric, count):
    rows = classes(count)
    found = answered(settings("classify", metric=metric), heads[count], rows)
    gold, given = np.array(rows["answer"]), np.array(found.examples["prediction"])
    assert found.values["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(gold, given))
    assert found.values["matthews"] == pytest.approx(sklearn_metrics.matthews_corrcoef(gold, given))
    if count == 2:
        assert found.values["f1"] == pytest.approx(sklearn_metrics.f1_score(gold, given))
        assert 0 < found.values["f1"] < 1


@pytest.mark.parametrize("count", [2, 3])
def test_floors_of_classes(heads, count):
    """By hand: guessing evenly, and the best class given to every row; F1 of class 1 by drawing guesses."""
    rows = classes(count)
    gold = np.array(rows["answer"])
    baselines = {"accuracy": (1 / count, max(map(rows["answer"].count, range(count))) / N), "matthews": (0, 0)}
    if count == 2:
        draw, ones = np.random.default_rng(0), gold.mean()
        guessed = [sklearn_metrics.f1_score(gold, draw.integers(0, 2, N)) for _ in range(300)]
        baselines["f1"] = (np.mean(guessed), 2 * ones / (1 + ones))
    for metric, (chance, majority) in baselines.items():
        found = answered(settings("classify", metric=metric), heads[count], rows)
        assert (found.chance, found.majority) == pytest.approx(
            (chance, majority), abs=0.03 if metric == "f1" else 1e-12
        )


def test_classes_by_the_words_of_a_decoder(decoder):
    """Each class is an option; metrics are those of classes, and the options' lengths may decide."""
    words = [[[4], [9, 12], [7, 3, 5]]] * N
    gold = [k % 3 for k in range(N)]
    rows = {**COMMON, "query": QUERIES, "answer": gold, "options": words, "option_starts": [[0] * 3] * N,
            "option_characters": [[2, 5, 11]] * N, "option_bytes": [[2, 6, 11]] * N}  # fmt: skip
    wanted = plain_loglikelihood(decoder, QUERIES, words, rows["option_starts"])
    found = answered(settings("classify", "cloze", "matthews", "token"), decoder, rows)
    same([np.array(row) for row in found.examples["scores"]], wanted)
    check_picked(found, [row / [1, 2, 3] for row in wanted], rows)
    assert found.values["matthews"] == pytest.approx(
        sklearn_metrics.matthews_corrcoef(gold, found.examples["prediction"])
    )
    assert {"accuracy", "matthews", "accuracy_by_none", "accuracy_by_token", "accuracy_by_character"} == set(
        found.values
    )


def test_numbers_by_a_trained_head(heads):
    targets = [float(value) for value in np.random.default_rng(3).normal(size=N)]
    rows = {**COMMON, "query": QUERIES, "second_start": SECOND, "target": targets, "answer": [None] * N}
    found = answered(settings("regress", metric="spearman"), heads[1], rows)
    wanted = [float(plain_logits(heads[1], query, start)[0]) for query, start in zip(QUERIES, SECOND, strict=True)]
    np.testing.assert_allclose(found.examples["prediction"], wanted, atol=CLOSE)
    assert found.examples["gold"] == targets
    assert set(found.examples) == {"id", "gold", "prediction", "truncated"}
    assert found.values["pearson"] == pytest.approx(stats.pearsonr(targets, wanted).statistic, abs=1e-4)
    assert found.values["spearman"] == pytest.approx(stats.spearmanr(targets, wanted).statistic, abs=1e-9)
    assert (found.chance, found.majority, found.collapsed) == (0, 0, False)


# --- choices ----------------------------------------------------------------------------------------------------------


def test_a_choice_by_similarity(encoder):
    found = answered(settings("choice", "bi_encoder", normalize="none"), encoder, CHOICE)
    wanted = [plain_cosines(encoder, query, row) for query, row in zip(QUERIES, OPTIONS, strict=True)]
    same([np.array(row) for row in found.examples["scores"]], wanted)
    check_picked(found, wanted, CHOICE)
    assert set(found.values) == {"accuracy"}
    assert not {"scores_per_token", "option_bytes"} & {*found.examples}


def test_a_trained_bi_encoder_is_scored_by_similarity_too(encoder):
    trained, untrained = (
        answered(settings("choice", "bi_encoder", normalize=given), encoder, CHOICE) for given in ("", "none")
    )
    assert trained == untrained


def test_a_choice_by_a_cross_encoder(heads):
    starts = [[k % (len(option) + 1) for k, option in enumerate(row)] for row in OPTIONS]
    rows = {**CHOICE, "option_starts": starts}
    found = answered(settings("choice", "cross_encoder"), heads[1], rows)
    wanted = [
        np.array([float(plain_logits(heads[1], *pair)[0]) for pair in zip(options, row, strict=True)])
        for options, row in zip(OPTIONS, starts, strict=True)
    ]
    same([np.array(row) for row in found.examples["scores"]], wanted)
    assert found.examples["prediction"] == [float(np.argmax(row)) for row in found.examples["scores"]]
    assert set(found.values) == {"accuracy"}


@pytest.mark.parametrize("normalize", NORMALIZED)
@pytest.mark.parametrize("choice", ["cloze", "mcq"])
def test_a_choice_by_log_likelihood(decoder, choice, normalize):
    """Raw, per token and per character are stored, whichever decides."""
    starts = [[(j + k) % len(option) for j, option in enumerate(row)] for k, row in enumerate(OPTIONS)]
    rows = {**CHOICE, "option_starts": starts}
    if choice == "mcq":
        letters = [[[3 + j] for j in range(len(row))] for row in OPTIONS]
        rows |= {"options": letters, "option_starts": [[0] * len(row) for row in OPTIONS]}
        rows["option_characters"] = [[1] * len(row) for row in OPTIONS]
    found = answered(settings("choice", choice, normalize=normalize), decoder, rows)
    raw = plain_loglikelihood(decoder, QUERIES, rows["options"], rows["option_starts"])
    wanted = {"scores": raw, "scores_per_token": [], "scores_per_character": []}
    for k, row in enumerate(raw):
        tokens = [len(o) - s for o, s in zip(rows["options"][k], rows["option_starts"][k], strict=True)]
        wanted["scores_per_token"].append(np.array([score / n for score, n in zip(row, tokens, strict=True)]))
        characters = rows["option_characters"][k]
        wanted["scores_per_character"].append(np.array([s / n for s, n in zip(row, characters, strict=True)]))
    for name, scores in wanted.items():
        same([np.array(row) for row in found.examples[name]], scores)
    assert found.examples["option_bytes"] == BYTES
    check_picked(found, wanted[NORMALIZED[normalize]], rows)
    for by, name in NORMALIZED.items():
        accuracy = np.mean([int(np.argmax(row)) == gold for row, gold in zip(wanted[name], GOLD, strict=True)])
        assert found.values[f"accuracy_by_{by}"] == pytest.approx(accuracy)
    assert found.values["accuracy"] == found.values[f"accuracy_by_{normalize}"]


def test_what_divides_a_log_likelihood_decides(decoder):
    given = [answered(settings("choice", "cloze", normalize=by), decoder, CHOICE) for by in NORMALIZED]
    assert len({tuple(found.examples["prediction"]) for found in given}) == 3
    assert len({tuple(map(tuple, found.examples["scores"])) for found in given}) == 1


def test_floors_of_a_choice_follow_each_rows_options(encoder):
    found = answered(settings("choice", "bi_encoder", normalize="none"), encoder, CHOICE)
    assert len({len(row) for row in OPTIONS}) > 2
    assert found.chance == pytest.approx(sum(1 / len(row) for row in OPTIONS) / N)
    assert found.majority == max(map(GOLD.count, GOLD)) / N


# --- collapsed and broken ---------------------------------------------------------------------------------------------


def broken(toy_world_once: Path, outputs: int, weight: float, bias: list[float]):
    """A head that looks at nothing but its bias, or at noise."""
    model = load_classifier(toy_world_once / "model", outputs, ("tiny", "mood", 9))[0]
    with torch.no_grad():
        model.classifier.weight.mul_(weight)
        model.classifier.bias.copy_(torch.tensor(bias))
    return model


@pytest.mark.parametrize(("weight", "bias"), [(0.0, [0.0, 0.0]), (1.0, [0.0, 50.0]), (0.0, [1.0, 0.0])])
def test_one_class_for_everything_is_collapsed(toy_world_once, weight, bias):
    found = answered(settings("classify"), broken(toy_world_once, 2, weight, bias), classes(2))
    assert found.collapsed
    assert len({*found.examples["prediction"]}) == 1


def test_one_number_for_everything_is_collapsed(toy_world_once):
    rows = {**classes(2), "target": [float(k) for k in range(N)]}
    found = answered(settings("regress", metric="pearson"), broken(toy_world_once, 1, 0.0, [2.5]), rows)
    assert found.collapsed
    assert found.values == {"pearson": 0, "spearman": 0}


def test_a_score_that_is_no_number_never_wins(toy_world_once):
    """And is stored as what it is."""
    rows = classes(2)
    found = answered(settings("classify"), broken(toy_world_once, 2, 1.0, [float("nan"), 0.0]), rows)
    assert set(found.examples["prediction"]) == {1.0}
    assert found.examples["correct"] == [float(gold == 1) for gold in rows["answer"]]
    assert all(np.isnan(row[0]) and np.isfinite(row[1]) for row in found.examples["scores"])


# --- which rows run together ------------------------------------------------------------------------------------------


def subset(rows: dict, numbers: list[int]) -> dict:
    return {name: [column[k] for k in numbers] for name, column in rows.items()}


KINDS = {
    "classify": (settings("classify"), 3, classes(3)),
    "bi_encoder": (settings("choice", "bi_encoder", normalize="none"), "encoder", CHOICE),
    "cross_encoder": (settings("choice", "cross_encoder"), 1, CHOICE),
    "cloze": (settings("choice", "cloze", normalize="character"), "decoder", CHOICE),
    "regress": (
        settings("regress", metric="pearson"),
        1,
        {**COMMON, "query": QUERIES, "second_start": SECOND, "target": [k % 7 / 2 for k in range(N)]},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_rows_do_not_change_a_rows_answer(encoder, heads, decoder, kind):
    """All at once, in another order, a half at a time, and alone."""
    asked_for, name, rows = KINDS[kind]
    model = {"encoder": encoder, "decoder": decoder, **heads}[name]
    together = answered(asked_for, model, rows).examples
    shuffled = [int(k) for k in np.random.default_rng(8).permutation(N)]
    for numbers in (shuffled, [*range(0, N, 2)], [*range(1, N, 2)], *([k] for k in range(5))):
        apart = answered(asked_for, model, subset(rows, numbers)).examples
        wanted = subset(together, numbers)
        assert apart.keys() == wanted.keys()
        for column, values in apart.items():
            if column == "margin" or column.startswith("scores") or (kind, column) == ("regress", "prediction"):
                for one, other in zip(values, wanted[column], strict=True):
                    assert one == pytest.approx(other, abs=CLOSE)
            else:
                assert values == wanted[column], column


def test_progress_wrapper_sees_the_batches(heads):
    seen = []
    answered(settings("classify"), heads[3], classes(3), Loop(lambda items: seen.extend(items) or items))
    assert sorted(k for batch in seen for k in batch) == list(range(N))

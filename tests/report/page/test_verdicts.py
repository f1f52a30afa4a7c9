"""What the page says about the claims: their rules, how many more tests there are, and claims that nothing tests."""

import figure_tables as tables
import pytest
from page_tables import CLAIM, claims_table, write_inputs

from junkdna.report.page.inputs import read_inputs
from junkdna.report.page.verdicts import Verdict, verdicts

UNTESTED = {"verdict": "untestable", **dict.fromkeys(("estimate", "low", "high", "p", "q", "detectable"))}


def found(folder, *changes: dict, study: dict | None = None) -> dict[str, Verdict]:
    """The verdicts on a table of claims, by claim."""
    drops = tables.drops_table([tables.Condition("a", "", "A", 0.25, 0.8, 0.5, levels=(0.5,))])
    folder.mkdir(exist_ok=True)
    inputs = read_inputs(*write_inputs(folder, drops, claims_table(*changes), study))
    return {verdict.claim.name: verdict for verdict in verdicts(inputs)[0]}


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (["supported"], "One more test, supported."),
        (["undecided", "undecided"], "Two more tests, both undecided."),
        (["supported"] * 3, "Three more tests, all supported."),
        (["supported", "supported", "undecided"], "Three more tests: two supported and one undecided."),
    ],
)
def test_how_many_more_tests_there_are(tmp_path, others, words):
    first = {"unit": "mean of all", "verdict": others[0]}
    rows = [first, *({"unit": f"u{at}", "verdict": verdict} for at, verdict in enumerate(others))]
    assert found(tmp_path, *rows)["steeper_when_harder"].more == words


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ("abc", "To decide: u0 (a), u1 (b) and u2 (c)."),
        ("aabbcdee", "To decide: two tests (a), two tests (b) and four more tests."),
        ("aaabcd", "To decide: three tests (a), u3 (b) and two more tests."),
    ],
)
def test_many_needs_are_counted_as_tests(tmp_path, reasons, words):
    rows = [{"unit": f"u{at}", "verdict": "undecided", "reason": reason} for at, reason in enumerate(reasons)]
    assert found(tmp_path, *rows)["steeper_when_harder"].decide[0][1] == words


@pytest.mark.parametrize(
    ("experiment", "unit", "short"),
    [
        ("main", "mean of 3 conditions", "mean of 3 conditions (main)"), ("", "mean of 5 pairs", "mean of 5 pairs"),
        ("", "mean of 5 pairs, against random weights pruned", "against random weights"),
    ],
)  # fmt: skip
def test_the_first_screen_names_the_experiment_or_the_control_of_a_mean(tmp_path, experiment, unit, short):
    [test] = found(tmp_path, {"experiment": experiment, "unit": unit})["steeper_when_harder"].shown
    assert test.short == short


def test_the_first_screen_shows_each_model_in_turn_and_testable_ones_first(tmp_path):
    rows = [
        {"experiment": f"{model}-{at}", "model": model, "unit": "mean of 3 conditions"} | (UNTESTED if lacks else {})
        for model, at, lacks in [("a", 1, True), ("a", 2, False), ("a", 3, False), ("b", 1, False), ("c", 1, True)]
    ]
    shown = found(tmp_path, *rows)["steeper_when_harder"].shown
    assert [test.row["experiment"] for test in shown] == ["a-2", "b-1", "a-3"]


def test_the_first_screen_prefers_a_test_with_the_verdict_of_the_model_and_names_longer_training(tmp_path):
    cells = [
        ("a", 1, "undecided", "p"), ("a", 2, "supported", "p-x3"), ("b", 1, "undecided", "p"),
    ]  # fmt: skip
    rows = [
        {
            "experiment": f"{model}-{at}",
            "model": model,
            "unit": "CoLA",
            "verdict": word,
            "setting": f"x, protocol {name}",
        }
        for model, at, word, name in cells
    ]
    verdict = found(tmp_path, *rows)["steeper_when_harder"]
    assert dict(verdict.verdicts) == {"a": "supported", "b": "undecided"}
    assert [(test.row["experiment"], test.short) for test in verdict.shown] == [
        ("a-2", "CoLA (a), 3 × the steps"), ("b-1", "CoLA (b)"), ("a-1", "CoLA (a)"),
    ]  # fmt: skip


def test_an_untestable_mean_does_not_hide_the_testable_conditions_of_its_experiment(tmp_path):
    rows = [{"experiment": "x", "unit": "one"}, {"experiment": "x", "unit": "mean of 3 conditions"} | UNTESTED]
    [test] = found(tmp_path, *rows)["steeper_when_harder"].shown
    assert test.row["unit"] == "one"


def test_a_rule_speaks_of_what_the_page_shows(tmp_path):
    """The page shows the loss where the table has the retention, so that rule must not call it the effect."""
    study = {"study": "s", "claims": {"rise": 0.2}}
    rules = {name: " ".join(each.rule) for name, each in found(tmp_path, {}, study=study).items()}
    assert "retention is below 1 − D" in rules["irreversible"]
    assert "the effect" not in rules["irreversible"]
    assert "at a weaker one (dense included) by 0.2" in rules["monotone"]
    assert "the effect is more than D" in rules["steeper_when_harder"]
    for rule in rules.values():
        assert "`" not in rule
        assert "otherwise" not in rule
        assert " - " not in rule


def test_a_claim_that_nothing_tests_has_no_empty_row(tmp_path):
    row = {
        "claim": "irreversible",
        "unit": "",
        "n_tasks": 0,
        "n_examples": 0,
        "n_seeds": 0,
        "reason": "a log does not say",
        **UNTESTED,
    }
    verdict = found(tmp_path, row)["irreversible"]
    assert [(test.unit, test.short, test.n) for test in verdict.shown] == [("no test", "no test", "n = 0")]
    assert verdict.decide[-1][1] == "A log does not say."


def test_the_setting_that_most_tests_have_is_said_once(tmp_path):
    trained = {"setting": f"{CLAIM['setting']}, sparse_to_dense"}
    verdict = found(tmp_path, {}, {"unit": "b"}, trained)["steeper_when_harder"]
    assert verdict.compression == "Compression, unless a test names another: smallest weights pruned (magnitude)."
    said = [" ".join(verdict.notes(test)) for test in verdict.tests]
    assert ["pruned" in words for words in said] == [False, False, True]
    assert all(words.endswith("Detectable: 0.15.") for words in said)
    only = found(tmp_path / "one", trained)["steeper_when_harder"]
    assert only.compression == "Compression: smallest weights pruned (magnitude), sparse to dense."

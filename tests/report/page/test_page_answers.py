"""What the first screen says: question, answer, verdicts, what would decide them, how far to trust it."""

import figure_tables as tables
import polars as pl
import pytest
from page_tables import claims_table
from written_page import MODES, small, write

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.analysis.evidence import ONE_SEED


@pytest.mark.parametrize(
    ("change", "verdict", "answer"),
    [
        ({}, "Supported", "Harder conditions lose more."),
        (
            {"verdict": "contradicted", "estimate": -0.2, "low": -0.3, "high": -0.1},
            "Contradicted",
            "Harder conditions do not lose more.",
        ),
        ({"verdict": "undecided"}, "Undecided", "The data do not decide whether harder conditions lose more."),
        ({"scale_free": "against the claim"}, "Undecided", "the answer depends on the scale."),
        (
            {"verdict": "untestable", "estimate": None, "low": None, "high": None, "q": None, "reason": "too few"},
            "Untestable",
            "This study cannot tell",
        ),
    ],
)
def test_the_first_screen_answers_the_question(tmp_path, change, verdict, answer):
    page = write(tmp_path, [small(), small(task="b", label="B")], claims_table(change))
    first = page.text.partition("How far to trust this.")[0]
    assert "Does pruning cost a language model more on harder tasks?" in first
    assert answer in first
    strip = first.partition("Harder tasks fall faster")[2].partition("Fine-tuning does not bring it back")[0]
    assert verdict in strip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "undecided", "seeds_needed": 7}, "To decide: about 7 seeds (context of A)."),
        (
            {"verdict": "undecided", "seeds_needed": 3, "examples_needed": 400},  # has both: the effect is small
            "To decide: more seeds or a larger effect: this design finds effects from 0.15 on (context of A).",
        ),
        ({"verdict": "undecided", "detectable": None, "examples_needed": None, "n_tasks": 9}, "more tasks ("),
        (
            {
                "verdict": "undecided",
                "detectable": None,
                "examples_needed": None,
                "n_tasks": 9,
                "unit": "mean of 5 pairs",
            },
            "more pairs of tasks (",
        ),
        (
            {"verdict": "undecided", "reason": ONE_SEED},
            "To decide: a second seed (context of A).",
        ),
        ({"verdict": "untestable", "reason": "12 examples"}, "12 examples."),
        ({"verdict": "undecided", "examples_needed": 9000}, "To decide: about 9,000 examples (context of A)."),
        ({"verdict": "undecided", "examples_needed": None, "detectable": None}, "no number of examples would do"),
        ({}, "The test supports it."),
    ],
)
def test_what_would_decide_comes_from_the_table(tmp_path, change, words):
    page = write(tmp_path, [small(), small(task="b", label="B")], claims_table({"unit": "context of a"} | change))
    assert words in page.text


def test_a_retention_is_shown_as_the_loss(tmp_path):
    row = {"claim": "irreversible", "estimate": 0.638, "low": -1.22, "high": 2.496, "verdict": "undecided"}
    assert "0.36 (−1.50 to 2.22)" in write(tmp_path, [small()], claims_table(row)).text


def test_models_have_verdicts_of_their_own(tmp_path):
    conditions = [small(model=model, task=task, label=task) for model in "mn" for task in "ab"]
    claims = claims_table({"model": "m"}, {"model": "n", "verdict": "contradicted"})
    page = write(tmp_path, conditions, claims)
    assert "two language models" in page.text
    assert "M: supported and n: contradicted." in page.text


def test_without_any_claim_or_behavior_the_page_stands(tmp_path):
    page = write(tmp_path, [small(methods=(), levels=())])
    assert page.open == []
    assert "scored without compression" in page.text
    assert "No experiment of the study tests it." in page.text
    assert "No compressed cell of this study has answers that are right or wrong." in page.text


def test_one_cell(tmp_path):
    assert "What does pruning cost SmolLM2-135M on A?" in write(tmp_path, [small()]).text


@pytest.mark.parametrize(
    ("compressions", "what"),
    [
        (("rtn-4bit", "rtn-3bit"), "quantization"),
        (("svd-rank0.25",), "low rank"),
        (("rtn-4bit", "magnitude-0.5"), "compression"),
    ],
)
def test_the_question_names_what_was_done(tmp_path, compressions, what):
    conditions = [small(task=task, label=task, methods=(), compressions=compressions) for task in "ab"]
    assert f"Does {what} cost a language model more" in write(tmp_path, conditions).text


def test_a_condition_alone_is_not_each(tmp_path):
    assert "tested on A, with 400 examples." in write(tmp_path, [small(levels=(0.3, 0.6))]).text


def test_the_key_to_the_tests_is_only_there_with_tests(tmp_path):
    key = "Filled: supported or contradicted"
    assert key in write(tmp_path / "a", [small()], claims_table({})).text
    assert key not in write(tmp_path / "b", [small()], claims_table()).text


def test_tests_that_disagree_are_counted_instead_of_one_cited(tmp_path):
    verdicts = ["supported", "contradicted", "undecided", "undecided"]
    rows = [{"unit": f"u{at}", "verdict": verdict} for at, verdict in enumerate(verdicts)]
    page = write(tmp_path, [small(), small(task="b", label="B")], claims_table(*rows))
    words = (
        "Of four tests, one finds that harder conditions lose more, and one that they do not. The data do not decide"
    )
    assert words in page.text


def test_trust_names_the_fewest_and_the_most_seeds(tmp_path):
    conditions = [small(n_seeds=1), small(task="b", label="B", n_seeds=3)]
    drops = pl.concat(tables.drops_table([each]) for each in conditions)
    drops = drops.with_columns(transfer=pl.lit("dense"))
    text = write(tmp_path, drops).text
    assert "ine-tuned results rest on 1 to 3 seeds" in text, text[text.index("How far") :][:500]


def test_trust_names_seeds_steps_collapse_and_cut_texts(tmp_path):
    drops = tables.drops_table([small(transfers=MODES, n_seeds=2), small(task="b", label="B", n_seeds=1)])
    drops = drops.with_columns(truncated=0.4, collapsed=pl.when(pl.col("transfer") == "sparse").then(2).otherwise(0))
    text = write(tmp_path, drops).text.partition("How far to trust this.")[2]
    for words in (
        "fine-tuned results rest on two seeds of 32 steps each",
        "collapsed: they give one answer",
        "40 % of the texts were cut",
        "Skill is the score above the baseline: chance",
    ):
        assert words in text


def test_a_claim_that_nothing_tests_says_what_would_decide_it(tmp_path):
    page = write(tmp_path, [small(levels=(0.3, 0.6))], claims_table({}))
    first, _, rest = page.text.partition("How far to trust this.")
    for claim in CLAIMS.values():
        assert claim.needs
        if claim.name != "steeper_when_harder":  # the one in the table
            words = f"To decide: {claim.needs.replace('`', '')}."
            assert words in first
            assert f"No experiment of the study tests it. {words}" in rest


def test_the_finding_compares_methods_at_equal_levels_on_the_hardest_condition(tmp_path):
    methods = {"methods": ("random", "magnitude", "largest"), "levels": (0.3, 0.6)}
    conditions = [small(**methods), small(task="b", label="Hard", dense=0.5, **methods)]
    drops = tables.drops_table(conditions)
    lost = {
        row["method"]: f"{1 - row['retention']:.2f}".replace("-", "−")
        for row in drops.filter((pl.col("label") == "Hard") & (pl.col("sparsity") == 0.6)).iter_rows(named=True)
    }
    magnitude, largest, random = (f"{lost[name]} with {name} 60 %" for name in ("magnitude", "largest", "random"))
    text = write(tmp_path / "several", drops).text
    assert f"At equal levels, Hard loses {magnitude}, {largest} and {random}." in text
    assert "At equal levels" not in write(tmp_path / "one", [small(levels=(0.3, 0.6))]).text


@pytest.mark.parametrize(
    ("retentions", "sentence"),
    [
        ({"A": 1.4}, "A gains 0.40 (0.30 to 0.50) of its skill."),
        ({"A": 0.6}, "A loses 0.40 (0.30 to 0.50) of its skill."),
        ({"A": 1.4, "B": 0.6}, "A gains 0.40 (0.30 to 0.50) of its skill and B loses 0.40 (0.30 to 0.50)."),
        ({"A": 0.9, "B": 0.6}, "A loses 0.10 (0.00 to 0.20) of its skill and B 0.40 (0.30 to 0.50)."),
        (
            {"A": 1.4, "B": 0.6, "C": 0.9},
            "A gains 0.40 (0.30 to 0.50) of its skill and, at the other end of three conditions, B loses 0.40 (0.30 to "
            "0.50).",
        ),
        (
            {"A": 0.9, "B": 0.6, "C": 0.7},
            "A loses 0.10 (0.00 to 0.20) of its skill, the least of three conditions, and B the most, 0.40 (0.30 to "
            "0.50).",
        ),
    ],
)
def test_a_compressed_model_that_is_better_gains(tmp_path, retentions, sentence):
    drops = tables.drops_table([small(task=label.lower(), label=label, levels=(0.6,)) for label in retentions])
    values = pl.col("label").replace_strict(retentions, return_dtype=pl.Float64)
    changed = {"retention": values, "retention_low": values - 0.1, "retention_high": values + 0.1}
    pruned = pl.col("method") != "dense"
    drops = drops.with_columns(pl.when(pruned).then(each).otherwise(name).alias(name) for name, each in changed.items())
    assert f"At magnitude 60 %, {sentence}" in write(tmp_path, drops).text


@pytest.mark.parametrize(
    ("tasks", "compressions", "answer"),
    [
        ("a", ("rtn-4bit",), "At RTN 4 bits, groups of 128, a loses"),
        ("ab", ("rtn-4bit",), "This study cannot tell whether harder conditions lose more."),
        ("a", (), ""),
    ],
)
def test_a_study_without_tests_answers_what_it_can(tmp_path, tasks, compressions, answer):
    conditions = [small(task=task, label=task, methods=(), levels=(), compressions=compressions) for task in tasks]
    page = write(tmp_path, conditions)
    first = page.text.partition("How far to trust this.")[0]
    assert answer in first
    assert first.count("This study cannot tell") == answer.count("This study cannot tell")


def test_without_a_headline_the_first_screen_says_why_and_draws_no_empty_axes(tmp_path):
    page = write(tmp_path / "bits", [small(methods=(), levels=(), compressions=("rtn-4bit",))])
    assert "There is no figure across conditions" in page.text
    assert "figure-headline" not in page.ids()
    assert "figure-headline" in write(tmp_path / "pruned", [small()]).ids()


def test_models_with_the_same_words_are_not_listed_twice(tmp_path):
    conditions = [small(model=model, task=task, label=task) for model in "mn" for task in "ab"]
    page = write(tmp_path, conditions, claims_table({"model": "m"}, {"model": "n"}))
    first = page.text.partition("How far to trust this.")[0]
    assert first.count(f"To decide: {CLAIMS['irreversible'].needs.replace('`', '')}.") == 1


def test_reasons_have_true_minus_signs_and_two_decimals(tmp_path):
    reason = "dense A is -0.857 of the way from its baseline to a perfect score; at least 0.04 is needed"
    none = dict.fromkeys(("estimate", "low", "high", "q"))
    page = write(tmp_path, [small()], claims_table({"verdict": "untestable", "reason": reason, **none}))
    assert page.text.count("Dense A is −0.86 of the way") == 2

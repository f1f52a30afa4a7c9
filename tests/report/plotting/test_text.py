import polars as pl
from figure_tables import Condition, drops_table

from junkdna.analysis.series import natural
from junkdna.report.plotting import text


def test_natural_order_of_knobs():
    assert sorted(["options=10", "options=2", "a"], key=natural) == ["a", "options=2", "options=10"]


def test_metrics_name_the_tasks_of_all_but_the_commonest():
    tasks = [("cola", "matthews"), ("sst2", "accuracy"), ("qnli, full", "accuracy"), ("stsb", "pearson")]
    conditions = [Condition(t, "", t.upper(), 0.0, 0.8, 0.5, metric=m, levels=(0.5,)) for t, m in tasks]
    table = drops_table(conditions)
    assert text.metric_labels(table) == "accuracy; Matthews correlation for COLA; Pearson correlation for STSB"
    assert "Metric: Matthews correlation. " in text.facts(table.filter(pl.col("task") == "cola"), "Bars")


def test_human_scores_are_listed_with_each_source_once():
    people = [("A", 0.9), ("B", 0.664), ("C", None)]
    table = drops_table([Condition(t, "", t, 0.25, 0.8, 0.5, levels=(0.5,), human=h) for t, h in people])
    assert text.human_figures(table) == "A 0.900 / B 0.664 from Reader et al. 2019, accuracy"
    assert text.human_figures(table.filter(pl.col("title") == "C")) == ""


def test_truncated_texts_are_counted_only_if_there_are_any():
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, levels=(0.5,))])
    assert "up to 2 % per condition" in text.facts(table, "Bars")
    assert "truncated" not in text.facts(table.with_columns(truncated=0.0), "Bars")

import itertools

import polars as pl
import pytest
from figure_pages import of_kind, outside, points
from figure_tables import Condition, drops_table, study

from junkdna.report.figures import headline
from junkdna.report.plotting import palette, render, series
from junkdna.report.plotting import pruned_rows as pruned_rows_module
from junkdna.report.plotting.pruned_rows import pruned_rows
from junkdna.report.plotting.spread import spread


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def test_points_hold_difficulty_and_share_lost():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, levels=(0.3, 0.6))])
    drawing = headline.marks(table)
    for level in (0.3, 0.6):
        row = table.filter(pl.col("sparsity") == level).row(0, named=True)
        (point,) = points(drawing, 0, color=f"pruned-{100 * level:g}")
        expected = (row["difficulty"], 1 - row["retention"], 1 - row["retention_high"], 1 - row["retention_low"])
        assert (point.x, point.y, point.low, point.high) == pytest.approx(expected)


def test_worse_is_lower_and_harder_is_further_right(drops):
    panels = headline.marks(drops).panels
    assert len({(panel.x, panel.y) for panel in panels}) == 1
    for panel in panels:
        assert panel.y.limits[0] > 1 > 0 > panel.y.limits[1]
        assert panel.x.limits[0] < panel.x.limits[1]
        assert panel.x.label.endswith("harder →")
        assert [x for x, _ in panel.names] == sorted(x for x, _ in panel.names)


def test_a_condition_of_two_experiments_is_drawn_once():
    same = Condition("a", "", "Alone", 0.25, 0.8, 0.5, levels=(0.3,), experiment="x")
    table = drops_table([same])
    drawing = headline.marks(pl.concat([table, table.with_columns(experiment=pl.lit("y"))]))
    assert len(points(drawing, 0)) == 1
    assert [name for _, name in drawing.panels[0].names] == ["Alone"]


def test_each_model_has_a_panel_in_the_training_that_most_of_its_conditions_have(drops):
    rows, hidden, _ = pruned_rows(drops)
    assert set(rows["method"]) == {"magnitude"}
    assert set(rows.select("model", "transfer").rows()) == {
        ("roberta-base", "sparse"), ("SmolLM2-135M", "none"), ("SmolLM2-360M", "none"),
    }  # fmt: skip
    assert set(hidden["label"]) == {"MMLU"}
    drawing = headline.marks(drops)
    assert [panel.title for panel in drawing.panels] == [
        "SmolLM2-135M, without fine-tuning", "SmolLM2-360M, without fine-tuning",
        "roberta-base, fine-tuned with a fixed mask (sparse)",
    ]  # fmt: skip
    assert "Not shown: other training of these models" in drawing.caption
    for at, marker in enumerate(["circle", "circle", "diamond"]):
        assert {point.marker for point in points(drawing, at)} == {marker}
    alone = headline.marks(drops.filter(pl.col("model") == "roberta-base"))
    assert [panel.title for panel in alone.panels] == [""]
    assert "Fine-tuned with a fixed mask (sparse)." in alone.caption


@pytest.mark.parametrize(("trained", "drawn"), [(1, "none"), (2, "none"), (3, "sparse")])
def test_the_training_with_more_conditions_is_drawn(trained, drawn):
    """If both have as many, the one without fine-tuning."""
    plain = [Condition(f"t{at}", "", f"T{at}", 0.25, 0.8, 0.5, levels=(0.5,)) for at in range(2)]
    modes = {"transfers": ("dense", "sparse"), "protocol": "glue"}
    tuned = [Condition(f"s{at}", "", f"S{at}", 0.25, 0.8, 0.5, levels=(0.5,), **modes) for at in range(trained)]
    table = drops_table([*plain, *tuned])
    assert set(pruned_rows(table).drawn["transfer"]) == {drawn}
    hint = "Not shown: fine-tuned models (see the transfer modes)."
    assert (hint in headline.marks(table).caption) == (drawn == "none")


def test_of_a_model_with_too_many_conditions_the_experiment_with_most_tasks_is_drawn():
    broad = [Condition(f"t{at}", "", f"T{at}", 0.25, 0.8, 0.5, levels=(0.5,), experiment="tasks") for at in range(4)]
    deep = [
        Condition("t0", f"shots={n}", f"{n} shots", 0.25, 0.8, 0.5, levels=(0.5,), experiment="shots")
        for n in range(pruned_rows_module.MOST)
    ]
    table = drops_table([*broad, *deep])
    assert set(pruned_rows(table).drawn["task"]) == {"t0", "t1", "t2", "t3"}
    assert pruned_rows(table).drawn.height == 4
    model = table[0, "model"]
    words = f"Of the {4 + pruned_rows_module.MOST} conditions of {model}, those of experiment tasks are drawn;"
    assert words in headline.marks(table).caption
    fits = drops_table([*broad, *deep[4:]])
    assert pruned_rows(fits).drawn.height == pruned_rows_module.MOST
    assert pruned_rows(fits).left_out == []


def test_of_two_experiments_with_as_many_tasks_the_one_with_more_seeds_is_drawn():
    """A study that grew has the experiment with one seed, too. Protocols of other experiments are in no name."""
    shared = {
        "knobs": "",
        "chance": 0.25,
        "dense": 0.8,
        "half": 0.5,
        "levels": (0.5,),
        "transfers": ("dense", "sparse"),
    }
    tasks = [f"t{at}" for at in range(6)]
    parts = [
        drops_table([Condition(task, label=task.upper(), experiment=name, **shared) for task in tasks]).with_columns(
            n_seeds=pl.lit(n, pl.Int64), experiment=pl.lit(name)
        )
        for name, n in (("a_one", 1), ("b_three", 3))
    ]
    other = [Condition(t, label=t.upper(), experiment="head", protocol="head", **shared) for t in tasks[:5]]
    more = [Condition(f"u{at}", label=f"U{at}", experiment="more", **shared) for at in range(4)]
    table = pl.concat([*parts, drops_table([*other, *more])])
    assert set(pruned_rows(table).drawn["experiment"]) == {"b_three"}
    [panel] = headline.marks(table).panels
    assert sorted(label for _, label in panel.names) == [task.upper() for task in tasks]


def test_a_point_far_beyond_the_baseline_is_beyond_the_axis_and_named():
    """A likelihood can end far below its baseline. It must not squeeze the other points together."""
    table = drops_table([Condition(name, "", name.upper(), 0.25, 0.8, 0.5, levels=(0.3, 0.6)) for name in "ab"])
    far = pl.when(pl.col("task") == "b").then(-9.0)
    columns = ("retention", "retention_low", "retention_high")
    table = table.with_columns(far.otherwise(pl.col(name)).alias(name) for name in columns)
    drawing = headline.marks(table)
    bottom = drawing.panels[0].y.limits[0]
    assert 2 <= bottom < 3
    assert sorted(point.y > bottom for point in points(drawing, 0)) == [False, False, True, True]
    assert "Beyond the axis (an arrow at its edge): B, magnitude 30 %: share lost" in drawing.caption
    assert drawing.caption.count("share lost 10.00") == 2
    assert not outside(render.draw(drawing))


def test_levels_that_are_left_out_are_named():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5)])
    assert "Levels not drawn: 10 %, 20 %, 40 %, 60 %, 80 %." in headline.marks(table).caption
    few = table.filter(pl.col("sparsity").is_in([0.0, 0.3, 0.5]))
    assert "Levels not drawn" not in headline.marks(few).caption


def test_lines_join_only_conditions_of_one_task_and_model(drops):
    for point in points(headline.marks(drops), 0):
        assert point.line == "solid"
        assert len(point.series.split(" ")) == 3
    series_of_task = {point.series for point in points(headline.marks(drops), 0) if point.color == "pruned-50"}
    assert {name.split(" ")[1] for name in series_of_task} == {"sciq", "arc_easy", "arc_challenge"}


def test_each_level_is_named_once_next_to_its_first_condition(drops):
    drawing = headline.marks(drops)
    labels = of_kind(drawing, 0, "label")
    assert [label.label for label in labels] == ["30 %", "50 %", "70 %", "90 %"]
    first = min(point.x for point in points(drawing, 0))
    assert {label.x for label in labels} == {first}
    heights = sorted(label.y for label in labels)
    low, high = sorted(drawing.panels[0].y.limits)
    step = headline.LABEL_IN / headline.HEIGHT_IN * (high - low)
    assert all(b - a >= step - 1e-9 for a, b in itertools.pairwise(heights))


@pytest.mark.parametrize(
    ("given", "picked"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.4, 0.6, 0.8], [0.2, 0.4, 0.6, 0.8]),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.3, 0.5, 0.7, 0.9]),
        ([0.15, 0.25, 0.35, 0.45, 0.55, 0.65], [0.15, 0.35, 0.45, 0.65]),
        ([], []),
    ],
)
def test_levels(given, picked):
    assert series.pick(f"magnitude-{level:g}" for level in given) == [f"magnitude-{level:g}" for level in picked]


def test_levels_without_a_sparsity_run_from_weak_to_strong():
    assert series.pick([f"rtn-{bits}bit" for bits in (2, 8, 4, 3)]) == [f"rtn-{bits}bit" for bits in (8, 4, 3, 2)]
    ranks = [f"svd-rank0.{digit}" for digit in (1, 2, 4, 6, 8)]
    assert series.pick(ranks) == ["svd-rank0.8", "svd-rank0.6", "svd-rank0.2", "svd-rank0.1"]
    assert [series.full_level_label(tag) for tag in ("magnitude-0.5", "nm-keep2of4", "gptq-4bit,calibration=c4")] == [
        "50 % pruned",
        "2 of 4 kept",
        "4 bits",
    ]


def test_magnitude_with_options_does_not_mix_with_magnitude_without():
    ties = ("magnitude-0.3,reference_ties=true", "magnitude-0.6,reference_ties=true", "rtn-4bit")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, levels=(0.3, 0.6), compressions=ties)])
    assert set(pruned_rows(table).drawn["compression"]) == {"magnitude-0.3", "magnitude-0.6"}
    only = table.filter(~pl.col("compression").is_in(["magnitude-0.3", "magnitude-0.6"]))
    assert set(pruned_rows(only).drawn["compression"]) == set(ties[:2])
    assert "all ties pruned" in headline.marks(only).caption
    assert "all ties pruned" not in headline.marks(table).caption


def test_texts_that_would_touch_are_moved_apart_and_keep_their_order():
    wanted = [6.0, 0.0, 0.02, 3.0, 5.99, 0.01]
    at = spread(wanted, 0.14, 0.0, 6.0)
    assert [x for _, x in sorted(zip(wanted, at, strict=True))] == sorted(at)
    assert all(b - a >= 0.14 - 1e-9 for a, b in itertools.pairwise(sorted(at)))
    assert min(at) >= 0
    assert max(at) <= 6 + 1e-9
    assert spread([1.0, 2.0], 0.14, 0.0, 6.0) == pytest.approx([1.0, 2.0])
    assert spread([], 0.14, 0.0, 6.0) == []


def test_names_of_many_close_conditions_are_whole_and_do_not_overlap():
    names = [f"Task {at} · with a rather long description" for at in range(12)]
    table = drops_table([Condition(f"t{at}", "", name, 0.25, 0.8, 0.5, levels=(0.5,)) for at, name in enumerate(names)])
    fig = render.draw(headline.marks(table))
    assert outside(fig) == []
    texts = [text for text in fig.axes[0].texts if "description" in text.get_text()]
    assert {text.get_text().replace("\n", " · ") for text in texts} == set(names)
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_each_difficulty_measure_has_its_panel_and_formula():
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5), Condition("b", "", "B", 0.25, 0.6, 0.5)])
    other = pl.when(pl.col("task") == "b").then(pl.lit("options")).otherwise("difficulty_measure")
    names = [panel.x.label for panel in headline.marks(table.with_columns(difficulty_measure=other)).panels]
    assert "1 − (dense − chance) / (1 − chance)" in names[0]
    assert "1 − 1 / number of options" in names[1]


@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_an_empty_figure_says_so(method):
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, methods=(method,))])
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("retention", "retention_low", "retention_high")}
    drawing = headline.marks(table.with_columns(**nothing))
    assert "Nothing to show" in drawing.panels[0].message
    assert "Nothing to show" in render.draw(drawing).axes[0].texts[0].get_text()
    assert (drawing.marks, drawing.keys, drawing.panels[0].x.ticks) == ((), (), ())


def test_thirty_percent_has_one_color_in_every_figure(drops):
    from junkdna.report import catalog, draw

    for name in catalog.figure_names(catalog.outlines(drops)):
        if catalog.named(name).figure.table == "drops":
            for mark in draw.drawing_of(drops, name).marks:
                if mark.kind == "point" and "30 %" in mark.label.split(":")[0]:
                    assert palette.color(mark.color) in ("#cc7018", palette.color("muted")), (name, mark)


def test_no_name_of_a_level_stands_on_the_rule_of_dense():
    """The rule would look like a minus sign in front of it."""
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.7, levels=(0.1, 0.2, 0.3, 0.9))])
    on_rule = table.with_columns(
        retention=pl.col("sparsity").replace_strict({0.1: 1.001, 0.2: 0.999, 0.3: 0.99}, default=pl.col("retention"))
    )
    for rows in (table, on_rule):
        places = sorted(mark.y for mark in of_kind(headline.marks(rows), 0, "label"))
        assert len(places) == 4
        assert min(map(abs, places)) > 0.02
        assert min(b - a for a, b in itertools.pairwise(places)) > 0.04


@pytest.mark.parametrize(("view", "column"), [("percent", "relative_score"), ("score", "score")])
def test_the_other_views_hold_the_tables_numbers_with_the_rules_of_each_condition(view, column):
    conditions = [
        Condition(t, "", t.upper(), 1 / n, d, 0.5, levels=(0.3, 0.6)) for t, n, d in (("a", 2, 0.9), ("b", 4, 0.5))
    ]
    table = drops_table(conditions)
    drawing = headline.marks(table, view)
    own = table.filter(pl.col("method") == "magnitude")
    drawn = {(mark.x, mark.y, mark.low, mark.high) for mark in points(drawing, 0)}
    assert drawn == set(own.select("difficulty", column, f"{column}_low", f"{column}_high").rows())
    dense = table.filter(pl.col("method") == "dense")
    rules = {
        (mark.series, round((mark.low + mark.high) / 2, 9), mark.y) for mark in of_kind(drawing, 0, "rule") if mark.low
    }
    base = {"percent": 100 * dense["chance"] / dense["score"], "score": dense["chance"]}[view]
    expected = {("baseline", round(x, 9), y) for x, y in zip(dense["difficulty"], base, strict=True)}
    if view == "score":
        expected |= {("dense", round(x, 9), y) for x, y in dense.select("difficulty", "score").rows()}
    assert rules == expected
    assert [mark.y for mark in of_kind(drawing, 0, "rule") if mark.low is None] == [100] * (view == "percent")
    low, high = drawing.panels[0].y.limits
    assert low < high
    assert not outside(render.draw(drawing))


def test_a_condition_without_a_percentage_has_no_name_and_no_error():
    """As bits per byte of likelihoods have none."""
    conditions = [Condition(name, "", name.upper(), 0.25, 0.8, 0.5, levels=(0.3, 0.6)) for name in "ab"]
    table = drops_table(conditions)
    lacking = pl.when(pl.col("task") == "b").then(None).otherwise(pl.col("relative_score"))
    drawing = headline.marks(table.with_columns(relative_score=lacking), "percent")
    assert len([*of_kind(drawing, 0, "label")]) == 2
    assert headline.marks(table.with_columns(relative_score=pl.lit(None, pl.Float64)), "percent")


def test_every_view_says_if_there_is_nothing_to_show(drops):
    empty = drops.filter(pl.col("method") != "magnitude")
    for view in headline.FIGURE.views:
        assert "Nothing to show" in headline.marks(empty, view).panels[0].message

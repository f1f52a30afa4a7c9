import itertools

import polars as pl
import pytest
from figure_pages import legend, of_kind, outside, points
from figure_tables import Condition, drops_table

from junkdna.report.figures import difficulty
from junkdna.report.plotting import render

TUNED = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
BITS = ("rtn-3bit", "rtn-8bit", "gptq-4bit,calibration=c4")


def knob(name: str, values: list, task: str = "a", dense: list | None = None, **more) -> list[Condition]:
    """A condition for each value; by default each is harder than the one before."""
    settings = {"experiment": "x", "levels": (0.3, 0.6), "title": task.upper()} | more
    skill = dense or [0.9 - 0.08 * at for at in range(len(values))]
    return [Condition(task, f"{name}={v}", f"{task} {v}", 0.25, d, 0.5, **settings)
            for v, d in zip(values, skill, strict=True)]  # fmt: skip


def tasks(people: dict[str, float | None], **more) -> list[Condition]:
    settings = {"experiment": "x", "levels": (0.3, 0.6)} | more
    return [
        Condition(t, "", f"Task {t}", 0.25, 0.5 + 0.08 * at, 0.5, title=f"Task {t}", human=h, **settings)
        for at, (t, h) in enumerate(people.items())
    ]


def near(values) -> object:
    return pytest.approx(list(values))


def ticks(drawing, panel: int = 0) -> list[str]:
    return [text.split("\n")[0] for _, text in drawing.panels[panel].x.ticks]


def test_points_and_intervals_hold_the_tables_numbers():
    table = drops_table(knob("options", [2, 3, 4]))
    drawing = difficulty.marks(table, "x")
    for panel, column, levels in ((0, "score", (0.0, 0.3, 0.6)), (1, "retention", (0.3, 0.6))):
        for level in levels:
            rows = table.filter(sparsity=level).sort("knobs")
            own = points(drawing, panel, series=f"magnitude-{level:g}" if level else "dense")
            assert [mark.x for mark in own] == [0, 1, 2]
            assert [mark.y for mark in own] == near(rows[column])
            assert [(mark.low, mark.high) for mark in own] == rows.select(f"{column}_low", f"{column}_high").rows()
            assert {mark.line for mark in own} == {"solid"}
    assert not points(drawing, 1, series="dense")
    assert {mark.series: mark.y for mark in of_kind(drawing, 1, "rule")} == {"dense": 1, "baseline": 0}
    assert [panel.title for panel in drawing.panels] == ["Score", "Retention"]


def test_the_baseline_of_each_value_moves_with_the_options():
    conditions = [Condition("a", f"options={n}", f"{n}", 1 / n, 0.9, 0.5, "x", levels=(0.5,)) for n in (2, 3, 4)]
    drawing = difficulty.marks(drops_table(conditions), "x")
    rules = {ticks(drawing)[round((mark.low + mark.high) / 2)]: mark.y for mark in of_kind(drawing, 0, "rule")}
    assert rules == {"2": 1 / 2, "3": pytest.approx(1 / 3), "4": 1 / 4}


# ---- the order follows measured difficulty ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "dense", "order", "arrow", "words"),
    [
        (
            "options",
            [4, 2, 3],
            [0.6, 0.9, 0.8],
            ["2", "3", "4"],
            True,
            "more options as harder; so does the dense model.",
        ),
        ("options", [2, 3, 4], [0.6, 0.8, 0.9], ["4", "3", "2"], True, "for the dense model it is easier"),
        ("options", [2, 3, 4], [0.9, 0.6, 0.8], ["2", "3", "4"], False, "does not rise or fall steadily"),
        ("options", [2, 10, 3], [0.9, 0.5, 0.8], ["2", "3", "10"], True, "so does the dense model"),
        ("context", ["none", "passage"], [0.5, 0.9], ["passage", "none"], True, "no passage, as harder; so does"),
        ("context", ["none", "passage"], [0.9, 0.5], ["none", "passage"], True, "no passage, as harder; for the dense"),
        (
            "context",
            ["none", 16, "passage"],
            [0.5, 0.9, 0.7],
            ["16", "passage", "none"],
            True,
            "so does the dense model",
        ),
        ("shots", [0, 5], [0.5, 0.9], ["5", "0"], True, "fewer shots as harder; so does the dense model"),
        ("data_fraction", [1, 10, 100], [0.5, 0.6, 0.9], ["100", "10", "1"], True, "so does the dense model"),
    ],
)
def test_order_and_arrow_follow_the_measured_difficulty(name, values, dense, order, arrow, words):
    table = drops_table(knob(name, values, dense=dense, n_examples=2000, n_seeds=1))
    drawing = difficulty.marks(table, "x")
    assert ticks(drawing) == order
    for panel in drawing.panels:
        assert ("harder →" in panel.x.label) == arrow
    assert words in drawing.caption
    measured = {row["knobs"].split("=")[1]: f"{row['difficulty']:.2f}" for row in table.iter_rows(named=True)}
    assert [text for _, text in drawing.panels[0].x.ticks] == [f"{value}\n{measured[value]}" for value in order]


def test_the_arrow_never_contradicts_the_headline():
    """What the headline draws further right is further right here, or there is no arrow."""
    from junkdna.report.figures import headline

    for dense in ([0.9, 0.5], [0.5, 0.9]):
        table = drops_table(knob("context", ["none", "passage"], dense=dense, n_examples=2000))
        drawing = difficulty.marks(table, "x")
        by_name = [name.removeprefix("a ") for _, name in headline.marks(table).panels[0].names]
        assert ticks(drawing) == by_name
        assert "harder →" in drawing.panels[0].x.label


def test_tasks_are_rows_from_easy_at_the_top_to_hard():
    table = drops_table(tasks({"p": None, "q": None, "r": None}))
    drawing = difficulty.marks(table, "x")
    score, kept = drawing.panels
    assert [name.split("\n")[0] for _, name in sorted(score.y.ticks)] == ["Task r", "Task q", "Task p"]
    assert score.y.limits[0] > score.y.limits[1]
    assert score.y.label == "harder ↓"
    assert {text for _, text in kept.y.ticks} == {""}
    rows = table.filter(sparsity=0.3).sort("difficulty")
    own = sorted(points(drawing, 1, series="magnitude-0.3"), key=lambda mark: mark.y)
    assert [mark.x for mark in own] == near(rows["retention"])
    assert [(mark.low, mark.high) for mark in own] == rows.select("retention_low", "retention_high").rows()
    assert not [mark for mark in own if mark.line]
    places = [f"difficulty {value:.2f}" for value in rows["difficulty"]]
    assert [name.split("\n")[1] for _, name in sorted(score.y.ticks)] == places


def test_levels_are_named_at_their_rows():
    drawing = difficulty.marks(drops_table(tasks({"p": None, "q": None})), "x")
    labels = of_kind(drawing, 1, "label")
    assert [mark.label for mark in labels] == ["30 %", "60 %"] * 2
    for mark in labels:
        (point,) = (p for p in points(drawing, 1, color=mark.color) if p.y == mark.y)
        assert point.series == mark.series


# ---- every method --------------------------------------------------------------------------------------------------


def test_controls_are_drawn_with_markers_of_their_own():
    table = drops_table(knob("context", ["none", "passage"], methods=("magnitude", "random", "largest")))
    drawing = difficulty.marks(table, "x")
    shapes = {
        name: {mark.marker for mark in points(drawing, 1, series=f"{name}-0.3")}
        for name in ("magnitude", "random", "largest")
    }
    assert shapes == {"magnitude": {"circle"}, "random": {"triangle"}, "largest": {"square"}}
    assert {mark.color for mark in points(drawing, 1) if mark.series.endswith("-0.3")} == {"pruned-30"}
    labels = {mark.label for mark in of_kind(drawing, 1, "label")}
    assert {"magnitude 30 %", "random 30 %", "largest 60 %"} <= labels
    assert {"random weights pruned", "largest weights pruned"} <= set(legend(drawing))


def test_many_levels_of_several_methods_have_panels_of_their_own():
    levels = (0.2, 0.4, 0.6, 0.8)
    table = drops_table(knob("options", [2, 3], methods=("magnitude", "random", "wanda"), levels=levels))
    drawing = difficulty.marks(table, "x")
    names = [panel.title for panel in drawing.panels]
    assert names[::2] == ["smallest weights pruned (magnitude): score", "random weights pruned: score", "Wanda: score"]
    assert len({panel.y.limits for panel in drawing.panels[1::2]}) == 1


def test_a_second_knob_has_panels_of_its_own():
    values = ["answer_span=kept,context=none"]
    values += [f"answer_span={s},context={c}" for c in (16, "passage") for s in ("kept", "masked")]
    drawing = difficulty.marks(
        drops_table([Condition("a", v, v, 0.25, 0.8, 0.5, "x", levels=(0.5,)) for v in values]), "x"
    )
    assert [panel.title for panel in drawing.panels[::2]] == ["answer span kept: score", "answer span masked: score"]
    assert set(ticks(drawing, 0)) == {"none", "16", "passage"}
    assert set(ticks(drawing, 2)) == {"16", "passage"}


def test_a_quantized_experiment_shows_its_bits_against_its_own_dense():
    table = drops_table(knob("options", [2, 3], methods=(), compressions=BITS[:2]))
    drawing = difficulty.marks(table, "x")
    for tag in ("dense", "rtn-8bit", "rtn-3bit"):
        assert [m.y for m in points(drawing, 0, series=tag)] == near(
            table.filter(compression=tag).sort("knobs")["score"]
        )
    assert [text for text in legend(drawing) if "bits" in text] == ["8 bits", "3 bits"]
    assert "Compression: RTN." in drawing.caption


# ---- gaps ------------------------------------------------------------------------------------------------------------


def test_undefined_retention_is_a_cross_and_interrupts_the_line():
    table = drops_table(knob("options", [2, 3, 4, 5]))
    hidden = [pl.when(pl.col("knobs") != "options=3").then(c).alias(c) for c in
              ("retention", "retention_low", "retention_high")]  # fmt: skip
    drawing = difficulty.marks(table.with_columns(hidden), "x")
    assert [mark.x for mark in of_kind(drawing, 1, "missing")] == [1]
    lines = [line for line in render.draw(drawing).axes[1].get_lines() if line.get_label() == "line|magnitude-0.3"]
    assert [list(line.get_xdata()) for line in lines] == [[2, 3]]
    assert any("not above its baseline" in text for text in legend(drawing))


def test_a_missing_cell_is_a_gap():
    table = drops_table(knob("options", [2, 3, 4])).filter(
        ~((pl.col("sparsity") == 0.6) & (pl.col("knobs") == "options=3"))
    )
    drawing = difficulty.marks(table, "x")
    (gap,) = (mark for mark in of_kind(drawing, 1, "point") if mark.y is None)
    assert (gap.series, gap.x, gap.label) == ("magnitude-0.6", 1, "not run")
    lines = [line for line in render.draw(drawing).axes[1].get_lines() if line.get_label() == "line|magnitude-0.6"]
    assert lines == []


def test_a_figure_without_any_retention_is_drawn():
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("retention", "retention_low", "retention_high")}
    for conditions in (knob("options", [2, 3]), tasks({"p": None, "q": None})):
        drawing = difficulty.marks(drops_table(conditions).with_columns(**nothing), "x")
        assert of_kind(drawing, 1, "missing")
        assert not points(drawing, 1)


def test_collapsed_cells_are_hollow():
    table = drops_table(knob("options", [2, 3]))
    flagged = table.with_columns(collapsed=pl.when(pl.col("sparsity") > 0.5).then(3).otherwise(0))
    drawing = difficulty.marks(flagged, "x")
    assert {mark.collapsed for mark in points(drawing, 0, series="magnitude-0.6")} == {1}
    assert "collapsed: every run gives one answer" in legend(drawing)


# ---- several tasks, models and modes ---------------------------------------------------------------------------------


def test_tasks_and_models_have_panels_each_with_equal_limits():
    table = drops_table([c for t in "ab" for m in ("m1", "m2") for c in knob("data_fraction", [100, 10], t, model=m)])
    drawing = difficulty.marks(table, "x")
    names = {panel.title for panel in drawing.panels[::2]}
    assert names == {"A, m1: score", "A, m2: score", "B, m1: score", "B, m2: score"}
    assert len({panel.y.limits for panel in drawing.panels[1::2]}) == 1


@pytest.mark.parametrize(
    ("modes", "mode"), [(TUNED, "sparse"), (("dense", "dense_freeze", "sparse_to_dense"), "sparse_to_dense")]
)
def test_fine_tuned_experiments_show_one_mode_against_dense_transfer(modes, mode):
    table = drops_table(knob("data_fraction", [100, 50, 10], transfers=modes))
    drawing = difficulty.marks(table, "x")
    order = [f"data_fraction={value}" for value in ticks(drawing)]
    for series, rows in (
        ("dense", table.filter(transfer="dense")),
        ("magnitude-0.6", table.filter(transfer=mode, sparsity=0.6)),
    ):
        own = dict(rows.select("knobs", "score").rows())
        assert [mark.y for mark in points(drawing, 0, series=series)] == near(own[name] for name in order)
    assert "but not shown: " in drawing.caption
    assert "small weights frozen" in drawing.caption


def test_with_and_without_fine_tuning_have_panels_each_with_their_own_dense():
    table = drops_table(knob("data_fraction", [100, 10], transfers=("none", "dense", "sparse")))
    drawing = difficulty.marks(table, "x")
    assert [panel.title for panel in drawing.panels[::2]] == ["no fine-tuning: score", "sparse (mask fixed): score"]
    for panel, transfer in ((0, "none"), (2, "dense")):
        rows = table.filter(method="dense", transfer=transfer)
        assert sorted(mark.y for mark in points(drawing, panel, series="dense")) == near(sorted(rows["score"]))


def test_levels_that_are_not_drawn_are_named():
    table = drops_table(knob("options", [2, 3], levels=(0.1, 0.3, 0.5, 0.7, 0.9)))
    drawing = difficulty.marks(table, "x")
    assert [text for text in legend(drawing) if "pruned" in text] == [f"{n} % pruned" for n in (30, 50, 70, 90)]
    assert "but not shown: 10 %." in drawing.caption


def test_human_gaps_have_panels_of_their_own_with_sources():
    table = drops_table(tasks({"p": 0.9, "q": 0.8, "r": None}))
    drawing = difficulty.marks(table, "x")
    assert [panel.title for panel in drawing.panels] == [
        "Score",
        "Retention",
        "Score, by human gap",
        "Retention, by human gap",
    ]
    gaps = dict(table.select("title", "human_gap_by_human").rows())
    order = [name.split("\n") for _, name in sorted(drawing.panels[2].y.ticks)]
    assert order == [[title, f"human gap {gaps[title]:.2f}"] for title in sorted(("Task p", "Task q"), key=gaps.get)]
    assert "(human − dense) / human" in drawing.caption
    assert "Without a human gap: Task r (no human score)." in drawing.caption
    assert "Task p 0.900 / Task q 0.800 from Reader et al. 2019" in drawing.caption


@pytest.mark.parametrize("people", [{"p": None, "q": None}, {"p": 0.9, "q": None}])
def test_no_human_panels_for_fewer_than_two_scores(people):
    drawing = difficulty.marks(drops_table(tasks(people)), "x")
    assert len(drawing.panels) == 2
    assert "uman" not in drawing.caption


def test_free_answers_and_choices_are_compared_by_kind():
    table = drops_table([*tasks({"r": None}, kind="generate", metric="exact_match"), *tasks({"p": None, "q": None})])
    drawing = difficulty.marks(table, "x")
    names = [name for _, name in sorted(drawing.panels[0].y.ticks)]
    assert ["free answer" in name for name in names] == [False, False, True]
    assert "multiple choice" in names[0]
    assert drawing.panels[0].x.label == "score (metric of each task)"
    assert "Metrics: accuracy; exact match for Task r" in drawing.caption


def test_several_conditions_of_a_task_are_named_by_their_label():
    table = drops_table([*knob("options", [2, 3]), *tasks({"p": None})])
    names = {name.split("\n")[0] for _, name in difficulty.marks(table, "x").panels[0].y.ticks}
    assert names == {"a 2", "a 3", "Task p"}


def test_scores_below_zero_fit_the_panel():
    more = {"metric": "matthews", "levels": (0.6, 0.9), "n_examples": 60}
    table = drops_table([Condition(t, "", t, 0.0, d, 0.4, "x", **more) for t, d in (("a", 0.6), ("b", 0.05))])
    score = difficulty.marks(table, "x").panels[0]
    assert score.x.limits[0] < min(table["score"]) < 0 < max(table["score"]) < score.x.limits[1]
    assert score.x.label == "Matthews correlation"


def test_a_bar_that_leaves_its_panel_has_an_arrow():
    table = drops_table(knob("options", [2, 3], levels=(0.5,)))
    wide = table.with_columns(retention_high=pl.when(pl.col("sparsity") > 0).then(40.0).otherwise("retention_high"))
    cuts = [
        line
        for line in render.draw(difficulty.marks(wide, "x")).axes[1].get_lines()
        if line.get_label().startswith("cut")
    ]
    assert len(cuts) == 2


@pytest.mark.parametrize("seeds", [1, 3])
def test_caption_names_metric_n_seeds_and_interval(seeds):
    caption = difficulty.marks(drops_table(knob("options", [2, 3], n_seeds=seeds)), "x").caption
    over = "examples only (one seed)" if seeds == 1 else "seeds and examples"
    for text in ("Metric: accuracy.", "Baseline: chance.", "n = 400", f"{seeds} seed", over, "smallest weights pruned"):
        assert text in caption


def test_an_experiment_that_prunes_nothing_says_so():
    drawing = difficulty.marks(drops_table(knob("options", [2, 3])).filter(pl.col("method") == "dense"), "x")
    assert "Nothing to show" in drawing.panels[0].message


def test_an_experiment_of_bands_only_says_so():
    drawing = difficulty.marks(drops_table(knob("shots", [0, 5], methods=(), compressions=("band-0.1to0.2",))), "x")
    assert "Nothing to show" in drawing.panels[0].message
    assert "Bands of |w|" in drawing.caption


def test_twelve_tasks_with_long_titles_and_two_models_keep_their_whole_names():
    people = {f"{n} of a rather long and winding title": 0.9 if n % 3 else None for n in range(12)}
    conditions = [c for m in ("a-model-with-a-long-name-135M", "b") for c in tasks(people, model=m, n_seeds=1)]
    drawing = difficulty.marks(drops_table(conditions), "x")
    assert len(drawing.panels) == 8
    names = {" ".join(name.split("\n")[:-1]) for _, name in drawing.panels[0].y.ticks}
    assert names == {f"Task {name}" for name in people}
    assert max(len(line) for _, name in drawing.panels[0].y.ticks for line in name.split("\n")) <= 30
    fig = render.draw(drawing)
    assert outside(fig) == []
    boxes = [text.get_window_extent() for text in fig.axes[0].get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(sorted(boxes, key=lambda box: box.y0)))


def test_no_arrow_says_harder_across_kinds_of_answers():
    """Rows are ordered by kind first, so difficulty rises only within a kind."""
    mixed = [*tasks({"r": None}, kind="generate", metric="exact_match"), *tasks({"p": None, "q": None})]
    assert difficulty.marks(drops_table(mixed), "x").panels[0].y.label == "harder ↓ within a kind"
    one = difficulty.marks(drops_table(tasks({"p": None})[:1]), "x").panels[0]
    assert one.y.label == ""


def test_the_arrow_of_rows_is_level_and_above_their_names():
    fig = render.draw(difficulty.marks(drops_table(tasks({"p": None, "q": None})), "x"))
    (arrow,) = [text for text in fig.axes[0].texts if text.get_text() == "harder ↓"]
    assert arrow.get_rotation() == 0
    assert fig.axes[0].get_ylabel() == ""


def test_number_formats_of_a_method_share_panels():
    formats = ("rtn-4bit", "rtn-nf4", "rtn-fp8", "gptq-4bit", "gptq-nf4", "gptq-mxfp4")
    table = drops_table(knob("options", [2, 3], levels=(0.3, 0.5, 0.9), compressions=formats))
    drawing = difficulty.marks(table, "x")
    assert [panel.title for panel in drawing.panels[::2]] == [
        "smallest weights pruned (magnitude): score", "GPTQ: score", "RTN: score",
    ]  # fmt: skip
    labels = {mark.label for mark in of_kind(drawing, 5, "label")}
    assert labels == {"RTN 4 bits", "RTN NF4", "RTN FP8"}


def test_levels_of_n_m_sparsity_are_named_by_what_is_kept():
    conditions = knob("options", [2, 3], levels=(0.5,), compressions=("nm-keep2of4", "nm-keep4of8"))
    labels = {mark.label for mark in of_kind(difficulty.marks(drops_table(conditions), "x"), 1, "label")}
    assert labels == {"magnitude 50 %", "2 of 4 kept", "4 of 8 kept"}

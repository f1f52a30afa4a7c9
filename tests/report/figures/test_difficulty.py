import itertools

import polars as pl
import pytest
from figure_pages import footer, legend, lines, outside
from figure_tables import Condition, drops_table

from junkdna.report.figures import difficulty

TUNED = ("dense", "sparse", "sparse_to_dense", "dense_freeze")


def knob(name: str, values: list, task: str = "a", **more) -> list[Condition]:
    settings = {"experiment": "x", "levels": (0.3, 0.6), "title": task.upper()} | more
    return [Condition(task, f"{name}={v}", f"{task} {v}", 0.25, 0.8, 0.5, **settings) for v in values]


def tasks(people: dict[str, float | None], **more) -> list[Condition]:
    settings = {"experiment": "x", "levels": (0.3, 0.6)} | more
    return [
        Condition(t, "", f"Task {t}", 0.25, 0.5 + 0.08 * at, 0.5, title=f"Task {t}", human=h, **settings)
        for at, (t, h) in enumerate(people.items())
    ]


def shown(fig) -> list:
    return [ax for ax in fig.axes if ax.get_visible()]


def pick(table: pl.DataFrame, **equal) -> pl.DataFrame:
    return table.filter(**equal)


def near(values) -> object:
    return pytest.approx(list(values))


def test_lines_points_and_bars_hold_the_tables_numbers():
    table = drops_table(knob("shots", [0, 1, 5]))
    score, kept = shown(difficulty.draw(table, "x"))
    for ax, column, levels in ((score, "score", (0.0, 0.3, 0.6)), (kept, "retention", (0.3, 0.6))):
        found = lines(ax)
        for level in levels:
            rows = pick(table, sparsity=level).sort("knobs")
            name = f"{level:g}" if level else "dense"
            assert list(found[f"{name}|points"].get_xdata()) == [0, 1, 5]
            assert list(found[f"{name}|points"].get_ydata()) == near(rows[column])
            bars = [line for line in ax.get_lines() if line.get_label() == f"{name}|bar"]
            ends = [list(bar.get_ydata()) for bar in bars]
            assert ends == [near(pair) for pair in rows.select(f"{column}_low", f"{column}_high").rows()]
            joins = [line for line in ax.get_lines() if line.get_label() == f"{name}|line"]
            assert [list(line.get_xdata()) for line in joins] == [[0, 1], [1, 5]]
    assert "dense|points" not in lines(kept)
    assert lines(kept)["dense"].get_ydata()[0] == 1
    assert lines(kept)["chance"].get_ydata()[0] == 0


def test_chance_is_a_step_that_moves_with_the_options():
    conditions = [Condition("a", f"options={n}", f"{n}", 1 / n, 0.9, 0.5, "x", levels=(0.5,)) for n in (2, 3, 4)]
    ax = shown(difficulty.draw(drops_table(conditions), "x"))[0]
    values, edges, _ = next(patch for patch in ax.patches if patch.get_label() == "chance").get_data()
    assert list(values) == near([1 / 2, 1 / 3, 1 / 4])
    assert list(edges) == near([1.5, 2.5, 3.5, 4.5])


def test_one_color_a_level_and_the_darkest_for_the_highest():
    score = shown(difficulty.draw(drops_table(knob("options", [2, 3])), "x"))[0]
    found = lines(score)
    shades = [found[f"{name}|points"].get_color() for name in ("dense", "0.3", "0.6")]
    assert len(set(shades)) == 3
    brightness = [sum(int(shade[at : at + 2], 16) for at in (1, 3, 5)) for shade in shades[1:]]
    assert brightness[0] > brightness[1]


def masked_context() -> pl.DataFrame:
    values = ["answer_span=kept,context=none"]
    values += [f"answer_span={s},context={c}" for c in (16, "passage") for s in ("kept", "masked")]
    return drops_table([Condition("a", v, v, 0.25, 0.8, 0.5, "x", levels=(0.5,)) for v in values])


def test_a_second_knob_is_a_line_style_and_a_marker():
    fig = difficulty.draw(masked_context(), "x")
    score = shown(fig)[0]
    found = lines(score)
    kept, masked = (found[f"0.5|answer span {span}|line"] for span in ("kept", "masked"))
    assert kept.get_color() == masked.get_color()
    assert str(kept._dash_pattern) != str(masked._dash_pattern)
    assert found["0.5|answer span kept|points"].get_marker() != found["0.5|answer span masked|points"].get_marker()
    assert {"answer span kept", "answer span masked"} <= set(legend(fig))


def test_closed_book_is_set_apart_by_a_divider_and_a_faint_line():
    score = shown(difficulty.draw(masked_context(), "x"))[0]
    assert [text.get_text() for text in score.get_xticklabels()] == ["none", "16", "passage"]
    assert lines(score)["divider"].get_xdata()[0] == 0.5
    steps = {tuple(ln.get_xdata()): ln for ln in score.get_lines() if ln.get_label() == "0.5|answer span kept|line"}
    assert steps[(0.0, 1.0)].get_alpha() < 1
    assert steps[(1.0, 2.0)].get_alpha() is None
    assert steps[(0.0, 1.0)].get_linewidth() < steps[(1.0, 2.0)].get_linewidth()
    masked = [ln for ln in score.get_lines() if ln.get_label() == "0.5|answer span masked|line"]
    assert [tuple(ln.get_xdata()) for ln in masked] == [(1.0, 2.0)]


def test_undefined_retention_is_a_cross_and_interrupts_the_line():
    table = drops_table(knob("shots", [0, 1, 2, 5]))
    hidden = [
        pl.when(pl.col("knobs") != "shots=1").then(c).alias(c) for c in ("retention", "retention_low", "retention_high")
    ]
    fig = difficulty.draw(table.with_columns(hidden), "x")
    kept = shown(fig)[1]
    assert list(lines(kept)["undefined"].get_xdata()) == [1]
    assert list(lines(kept)["0.3|points"].get_xdata()) == [0, 2, 5]
    joins = [list(line.get_xdata()) for line in kept.get_lines() if line.get_label() == "0.3|line"]
    assert joins == [[2, 5]]
    assert any("not above its baseline" in text for text in legend(fig))


def test_a_figure_without_any_retention_is_drawn():
    table = drops_table(knob("shots", [0, 1]))
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("retention", "retention_low", "retention_high")}
    kept = shown(difficulty.draw(table.with_columns(**nothing), "x"))[1]
    assert list(lines(kept)["undefined"].get_xdata()) == [0, 1]
    assert not [label for label in lines(kept) if "|" in label]


def test_collapsed_cells_are_open():
    table = drops_table(knob("shots", [0, 1])).with_columns(
        collapsed=pl.when(pl.col("sparsity") > 0.5).then(1).otherwise(0)
    )
    fig = difficulty.draw(table, "x")
    assert lines(shown(fig)[0])["0.6|collapsed"].get_markerfacecolor() == "white"
    assert any("single class" in text for text in legend(fig))


def test_tasks_and_models_have_a_row_each():
    table = drops_table([c for t in "ab" for m in ("m10", "m9") for c in knob("data_fraction", [10, 100], t, model=m)])
    fig = difficulty.draw(table, "x")
    titles = [ax.get_title(loc="left") for ax in shown(fig)]
    assert titles[::2] == ["A, m9: score", "A, m10: score", "B, m9: score", "B, m10: score"]
    assert all("← harder" in ax.get_xlabel() for ax in shown(fig))
    assert len({ax.get_ylim() for ax in shown(fig)[1::2]}) == 1


@pytest.mark.parametrize(
    ("modes", "mode"), [(TUNED, "sparse"), (("dense", "dense_freeze", "sparse_to_dense"), "sparse_to_dense")]
)
def test_fine_tuned_experiments_show_one_mode_against_dense_transfer(modes, mode):
    table = drops_table(knob("data_fraction", [10, 50, 100], transfers=modes))
    fig = difficulty.draw(table, "x")
    found = lines(shown(fig)[0])
    dense = pick(table, transfer="dense").sort(pl.col("knobs").str.extract(r"(\d+)").cast(int))
    own = pick(table, transfer=mode, sparsity=0.6).sort(pl.col("knobs").str.extract(r"(\d+)").cast(int))
    assert list(found["dense|points"].get_ydata()) == near(dense["score"])
    assert list(found["0.6|points"].get_ydata()) == near(own["score"])
    assert "but not shown: " in footer(fig)
    assert "small weights frozen" in footer(fig)


def test_with_and_without_fine_tuning_have_a_row_each_with_their_own_dense():
    table = drops_table(knob("data_fraction", [10, 100], transfers=("none", "dense", "sparse")))
    fig = difficulty.draw(table, "x")
    titles = [ax.get_title(loc="left") for ax in shown(fig)[::2]]
    assert titles == ["no fine-tuning: score", "sparse (mask fixed): score"]
    for ax, transfer in zip(shown(fig)[::2], ("none", "dense"), strict=True):
        rows = pick(table, method="dense", transfer=transfer)
        assert list(lines(ax)["dense|points"].get_ydata()) == near(rows["score"])


def test_what_is_not_drawn_is_named():
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    table = drops_table(knob("shots", [0, 5], methods=("random", "magnitude"), levels=levels))
    fig = difficulty.draw(table, "x")
    assert [text for text in legend(fig) if "pruned" in text] == [f"{n} % pruned" for n in (30, 50, 70, 90)]
    assert "but not shown: 10 % pruned; random weights pruned." in footer(fig)
    row = pick(table, method="magnitude", sparsity=0.5, knobs="shots=0").row(0, named=True)
    assert lines(shown(fig)[0])["0.5|points"].get_ydata()[0] == pytest.approx(row["score"])


def test_tasks_are_drawn_at_their_dense_error_and_both_human_gaps():
    table = drops_table(tasks({"p": 0.9, "q": 0.8, "r": None}))
    fig = difficulty.draw(table, "x")
    error, by_human, by_dense = shown(fig)[1:]
    rows = pick(table, sparsity=0.3)
    for ax, column in ((error, "difficulty"), (by_human, "human_gap_by_human"), (by_dense, "human_gap_by_dense")):
        own = rows.drop_nulls(column)
        points = lines(ax)["0.3|points"].get_xydata().tolist()
        assert sorted(points) == [near(pair) for pair in sorted(own.select(column, "retention").rows())]
    assert [text.get_text() for text in by_human.texts] != []
    assert {text.get_text() for text in error.texts} == {"Task p", "Task q", "Task r"}
    assert {text.get_text() for text in by_human.texts} == {"Task p", "Task q"}
    assert "(human − dense) / human" in by_human.get_xlabel()
    assert "(human − dense) / dense" in by_dense.get_xlabel()
    assert "Not in the human-gap panels: Task r (no human score)." in footer(fig)
    assert "Task p 0.900 from Reader et al. 2019" in footer(fig).replace(" / Task q 0.800", "")


def test_tasks_are_not_joined_by_lines():
    fig = difficulty.draw(drops_table(tasks({"p": 0.9, "q": 0.8})), "x")
    assert not [label for ax in shown(fig) for label in lines(ax) if label.endswith("|line")]


@pytest.mark.parametrize("people", [{"p": None, "q": None}, {"p": 0.9, "q": None}])
def test_no_human_panels_for_fewer_than_two_figures(people):
    fig = difficulty.draw(drops_table(tasks(people)), "x")
    assert len(shown(fig)) == 2
    assert "uman" not in footer(fig)


def test_a_task_whose_dense_model_is_at_chance_is_named_as_omitted_from_the_human_gap():
    table = drops_table(
        [*tasks({"p": 0.9, "q": 0.8}), Condition("z", "", "Z", 0.25, 0.25, 0.5, "x", human=0.9, levels=(0.3, 0.6))]
    )
    fig = difficulty.draw(table, "x")
    assert "Not in the human-gap panels: Z (dense not above its baseline)." in footer(fig)
    error, by_human = shown(fig)[1:3]
    assert "undefined" in lines(error)
    assert "undefined" not in lines(by_human)


def test_free_answers_and_choices_are_compared_by_kind():
    table = drops_table([*tasks({"p": None, "q": None}), *tasks({"r": None}, kind="generate", metric="exact_match")])
    fig = difficulty.draw(table, "x")
    assert len(shown(fig)) == 3
    score, kept, error = shown(fig)
    assert [text.get_text() for text in kept.get_xticklabels()] == ["multiple\nchoice", "free\nanswer"]
    assert list(lines(kept)["0.3|points"].get_xdata()) == [0, 1, 2]
    assert score.get_ylabel() == "score (metric of each task)"
    assert "Metrics: accuracy; exact match for Task r" in footer(fig)
    assert "dense error" in error.get_xlabel()


def test_several_conditions_of_a_task_are_named_by_their_label():
    table = drops_table([*knob("options", [2, 3]), *tasks({"p": None})])
    names = {text.get_text() for text in shown(difficulty.draw(table, "x"))[1].texts}
    assert names == {"a 2", "a 3", "Task p"}


def test_scores_below_zero_fit_the_panel():
    more = {"metric": "matthews", "levels": (0.6, 0.9), "n_examples": 60}
    table = drops_table([Condition(t, "", t, 0.0, d, 0.4, "x", **more) for t, d in (("a", 0.6), ("b", 0.05))])
    score = shown(difficulty.draw(table, "x"))[0]
    low, high = score.get_ylim()
    assert low < min(table["score"]) < 0 < max(table["score"]) < high
    assert score.get_ylabel() == "Matthews correlation"


def test_cut_error_bars_are_mentioned_only_if_there_are_any():
    table = drops_table(knob("shots", [0, 5], levels=(0.5,)))
    wide = table.with_columns(retention_high=pl.when(pl.col("sparsity") > 0).then(40.0).otherwise("retention_high"))
    narrow = table.with_columns(retention_low="retention", retention_high="retention")
    assert "cut off" in footer(difficulty.draw(wide, "x"))
    assert "cut off" not in footer(difficulty.draw(narrow, "x"))


@pytest.mark.parametrize("seeds", [1, 3])
def test_footer_names_metric_n_seeds_and_interval(seeds):
    fig = difficulty.draw(drops_table(knob("options", [2, 3], n_seeds=seeds)), "x")
    over = "examples only (one seed)" if seeds == 1 else "seeds and examples"
    for text in (
        "Metric: accuracy.",
        "n = 400",
        f"{seeds} seed",
        over,
        "smallest weights pruned",
        "that the paper considers harder",
    ):
        assert text in footer(fig)


def test_an_experiment_that_prunes_nothing_says_so():
    fig = difficulty.draw(drops_table(knob("options", [2, 3])).filter(pl.col("method") == "dense"), "x")
    assert "Nothing to show" in fig.axes[0].texts[0].get_text()
    assert outside(fig) == []


def test_twelve_tasks_long_titles_and_two_models_stay_on_the_page():
    people = {f"{n} of a rather long and winding title": 0.9 if n % 3 else None for n in range(12)}
    conditions = [c for m in ("a-model-with-a-long-name-135M", "b") for c in tasks(people, model=m, n_seeds=1)]
    fig = difficulty.draw(drops_table(conditions), "x")
    assert len(shown(fig)) == 8
    assert outside(fig) == []
    starts = sorted(text.get_window_extent().x0 for text in shown(fig)[0].texts)
    assert all(b - a >= 0.13 * fig.dpi for a, b in itertools.pairwise(starts))


def test_many_series_of_one_condition_do_not_reach_the_next():
    conditions = [
        Condition("a", f"options={n},shots={k}", f"{n} {k}", 1 / n, 0.9, 0.5, "x", levels=(0.2, 0.4, 0.6, 0.8))
        for n in (2, 3, 4, 5)
        for k in (0, 1, 5)
    ]
    fig = difficulty.draw(drops_table(conditions), "x")
    ax = shown(fig)[0]
    fig.draw_without_rendering()
    spots = {}
    for line in ax.get_lines():
        if line.get_label().endswith("|points"):
            for x, at in zip(line.get_xdata(), line.get_transform().transform(line.get_xydata())[:, 0], strict=True):
                spots.setdefault(x, []).append(at)
    ends = [(min(at), max(at)) for _, at in sorted(spots.items())]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))


BITS = ("rtn-3bit", "rtn-8bit", "gptq-4bit,calibration=c4")


def test_a_quantized_experiment_shows_its_bits_against_its_own_dense():
    table = drops_table(knob("shots", [0, 5], methods=(), compressions=BITS[:2]))
    fig = difficulty.draw(table, "x")
    score, kept = map(lines, shown(fig))
    for name, tag in (("dense", "dense"), ("8bit", "rtn-8bit"), ("3bit", "rtn-3bit")):
        assert list(score[f"{name}|points"].get_ydata()) == near(pick(table, compression=tag).sort("knobs")["score"])
    assert list(kept["3bit|points"].get_ydata()) == near(pick(table, compression="rtn-3bit").sort("knobs")["retention"])
    assert [text for text in legend(fig) if "bits" in text] == ["8 bits", "3 bits"]
    assert "Compression: RTN." in footer(fig)


def test_one_method_with_one_set_of_options_is_drawn_and_the_others_are_named():
    others = ("magnitude-0.3,reference_ties=true", "wanda-0.3,calibration=c4", "band-0.1to0.4", *BITS)
    table = drops_table(knob("shots", [0, 5], compressions=others))
    assert set(difficulty.select(table, "x")["compression"]) == {"dense", "magnitude-0.3", "magnitude-0.6"}
    fig = difficulty.draw(table, "x")
    row = pick(table, compression="magnitude-0.3").sort("knobs")
    assert list(lines(shown(fig)[0])["0.3|points"].get_ydata()) == near(row["score"])
    dense = pick(table, compression="dense").sort("knobs")
    assert list(lines(shown(fig)[0])["dense|points"].get_ydata()) == near(dense["score"])
    for name in ("exact count", "all ties pruned", "Wanda", "RTN", "GPTQ", "two quantiles"):
        assert name in footer(fig)
    assert "calibrated" not in footer(fig)


def test_an_experiment_of_bands_only_says_so():
    table = drops_table(knob("shots", [0, 5], methods=(), compressions=("band-0.1to0.2", "band-0.2to0.3")))
    fig = difficulty.draw(table, "x")
    assert "Nothing to show" in fig.axes[0].texts[0].get_text()
    assert "Bands of |w|" in footer(fig)

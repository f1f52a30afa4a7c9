import re
import subprocess
import sys

import drawing
import polars as pl
import pytest
from figure_tables import Condition, drops_table, study
from matplotlib.figure import Figure
from other_tables import write_tables
from project import SUPPORT

from junkdna.errors import UserError
from junkdna.report import catalog, draw
from junkdna.report.plotting import layout
from junkdna.report.plotting.render import draw as render
from junkdna.study import grid
from junkdna.study.compression import CompressionGrid

BANNED = re.compile(r"supported|proves|confirms", re.IGNORECASE)
MODES = ("none", "dense", "sparse")


OF_STUDY = [stem for figure in catalog.FIGURES.values() if figure.per == "study" for stem in figure.stems()]


def views(stem: str) -> list[str]:
    """The stems of all views of a figure, from that of the first."""
    name, _, experiment = stem.partition("_")
    return [f"{each}_{experiment}" for each in catalog.FIGURES[name].stems()]


def test_names_need_no_table():
    modes = {"a": ({"none"}, 1), "b": ({"dense", "sparse"}, 2), "c": ({"none", "sparse"}, 9), "d": ({"dense"}, 1)}
    names = {"a": ("sparsity", "behavior"), "b": ("difficulty", "transfer", "behavior")}
    names["c"] = ("difficulty", "sparsity", "transfer", "behavior")
    of = [stem for experiment in "abc" for name in names[experiment] for stem in views(f"{name}_{experiment}")]
    outlines = {name: catalog.Outline(*outline) for name, outline in modes.items()}
    assert catalog.figure_names(outlines) == [*OF_STUDY, *of]


@pytest.mark.parametrize(
    ("modes", "tags", "families"),
    [
        ({"none"}, {"dense"}, []),
        ({"none"}, {"dense", "magnitude-0.5"}, ["sparsity", "behavior"]),
        ({"none"}, {"nm-keep2of4"}, ["sparsity", "behavior"]),
        ({"none"}, {"dense", "rtn-4bit,group=64"}, ["budget", "behavior"]),
        ({"none"}, {"svd-rank0.25", "wanda-0.5,calibration=c4"}, ["sparsity", "budget", "rank", "behavior"]),
        ({"none"}, {"band-0.2to0.3"}, ["bands"]),
        (
            {"none"},
            {"band-0.2to0.3", "magnitude-0.1", "gptq-4bit,calibration=c4"},
            ["sparsity", "budget", "bands", "behavior"],
        ),
        ({"dense", "sparse"}, {"band-0.2to0.3"}, []),
        ({"dense", "sparse_to_dense"}, {"dense", "rtn-4bit"}, ["transfer", "behavior"]),
        ({"none", "dense", "sparse_to_dense"}, {"rtn-4bit"}, ["budget", "transfer", "behavior"]),
        ({"dense"}, {"dense", "magnitude-0.5"}, []),
    ],
)
def test_compressions_decide_the_figures(modes, tags, families):
    found = catalog.figure_names({"x": catalog.Outline(modes, 1, tags)})
    assert found == [*OF_STUDY, *(stem for family in families for stem in views(f"{family}_x"))]


GRIDS = {
    "pruned": ([{"method": "magnitude", "sparsity": [0.0, 0.5]}, {"method": "nm", "keep": [2], "of": 4}], ["none"]),
    "plain": ([{"method": "rtn", "bits": [3, 4], "group": 64}, {"method": "svd", "rank": [0.25, 1.0]}], ["none"]),
    "bands": ([{"method": "band", "band": [[0.1, 0.2], [0.2, 0.3]]}], ["none"]),
    "bare": ([], ["none"]),
    "tuned": ([{"method": "rtn", "bits": [4]}], ["dense", "sparse_to_dense"]),
    "mixed": ([{"method": "rtn", "bits": [4]}, {"method": "largest", "sparsity": [0.5]}], ["none"]),
}


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize("name", GRIDS)
def test_study_and_table_agree_on_the_figures_and_each_can_be_drawn(tmp_path, name):
    given, modes = GRIDS[name]
    tags = {c.tag for c in grid.levels([CompressionGrid(**entry) for entry in given])}
    transfers = tuple(modes) if "none" in modes else ("dense", *modes)
    own = {"methods": (), "compressions": tuple(sorted(tags - {"dense"})), "transfers": transfers}
    table = drops_table([Condition(task, "", task, 0.25, 0.8, 0.5, "x", **own) for task in "ab"])
    names = catalog.figure_names({"x": catalog.Outline(set(modes), 2, tags)})
    assert names == catalog.figure_names(catalog.outlines(table))
    write_tables(table, tmp_path / "drops.parquet")
    drawn = {path.stem for path in draw.draw_all(tmp_path / "drops.parquet", tmp_path / "figures")}
    assert drawn == set(names)


def test_outlines_count_conditions_and_not_models():
    tables = [
        Condition("a", f"options={n}", f"A{n}", 0.25, 0.8, 0.5, "x", model=m, transfers=MODES)
        for n in "23"
        for m in "pq"
    ]
    tables.append(Condition("a", "options=2", "A2", 0.25, 0.8, 0.5, "alone"))
    tags = {"dense", *(f"magnitude-0.{level}" for level in range(1, 10))}
    assert catalog.outlines(drops_table(tables)) == {
        "x": (set(MODES), 2, tags, False, 1, False, False),
        "alone": ({"none"}, 1, tags, False, 1, False, False),
    }


def test_names_and_report_import_no_heavy_package():
    code = (
        "import sys, junkdna.report.draw, junkdna.report.page.write;"
        "print(sorted({'matplotlib', 'polars'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_drawing_leaves_the_callers_matplotlib_alone(tmp_path):
    code = (
        f"import sys; sys.path.append({str(SUPPORT)!r}); import drawing; drawing.svg_alone();"
        "import pathlib, matplotlib;"
        "from junkdna.report import draw; matplotlib.rcParams['font.size'] = 31;"
        "draw.draw_all(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]));"
        "print('matplotlib.pyplot' in sys.modules, matplotlib.rcParams['font.size'])"
    )
    table = tmp_path / "drops.parquet"
    write_tables(drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, levels=(0.5,))]), table)
    ran = subprocess.run([sys.executable, "-c", code, table, tmp_path / "f"], capture_output=True, text=True)
    assert ran.stdout.strip() == "False 31.0", ran.stderr


def test_all_declared_files_are_written_and_equal_when_drawn_again(tmp_path):
    table = tmp_path / "drops.parquet"
    both = [Condition(task, "", task, 0.25, 0.8, 0.5, "one", transfers=MODES, levels=(0.3, 0.6)) for task in "ab"]
    write_tables(drops_table(both), table)
    first, second = draw.draw_all(table, tmp_path / "1"), draw.draw_all(table, tmp_path / "2")
    stems = catalog.figure_names({"one": catalog.Outline(MODES, 2)})
    assert "difficulty_one" in stems
    assert {p.name for p in first} == {f"{stem}.{kind}" for stem in stems for kind in ("pdf", "svg", "png", "csv")}
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


@pytest.mark.usefixtures("svg_alone")
def test_one_condition_without_knobs_at_one_level(tmp_path):
    table = tmp_path / "drops.parquet"
    write_tables(drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,), n_seeds=1)]), table)
    assert len(draw.draw_all(table, tmp_path)) == 4 * len([*OF_STUDY, *views("sparsity_one"), *views("behavior_one")])


@pytest.mark.usefixtures("svg_alone")
def test_columns_of_nulls_without_a_type(tmp_path):
    table = tmp_path / "drops.parquet"
    drops = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    names = (
        "retention",
        "retention_low",
        "retention_high",
        "relative_score",
        "relative_score_low",
        "relative_score_high",
    )
    write_tables(drops.with_columns(pl.lit(None).alias(n) for n in names).with_columns(dense_score=0.0), table)
    assert len(draw.draw_all(table, tmp_path)) == 4 * len([*OF_STUDY, *views("sparsity_one"), *views("behavior_one")])


def test_no_figure_claims_more_than_it_shows():
    drops = drops_table([*study(), Condition("a", "", "A", 0.25, 0.8, 0.5, "x", compressions=TAGS)])
    written = [figure.caption + figure.label for figure in catalog.FIGURES.values() if figure.name != "claims"]
    for name in catalog.figure_names(catalog.outlines(drops)):
        if catalog.named(name).figure.table == "drops":
            drawing = draw.drawing_of(drops, name)
            written += [drawing.title, drawing.caption, *(panel.title for panel in drawing.panels)]
    assert len(written) > 50
    assert not [text for text in written if BANNED.search(text)]


def test_titles_say_what_the_axis_shows():
    """The word of the view is in the title or in the axis of values, and no other view's."""
    drops = drops_table([*study(), Condition("a", "", "A", 0.25, 0.8, 0.5, "x", compressions=TAGS)])
    words = {"lost": "share lost", "retention": "retention", "percent": "% of dense", "score": "accuracy"}
    titles = {"lost": "share lost", "percent": "percent of dense"}
    for name in catalog.figure_names(catalog.outlines(drops)):
        figure, view, _ = catalog.named(name)
        if figure.table != "drops" or not figure.views:
            continue
        drawing = draw.drawing_of(drops, name)
        assert drawing.title.lower().startswith(titles.get(view, view)), name
        labels = {panel.y.label if panel.values == "y" else panel.x.label for panel in drawing.panels} - {""}
        assert all(words[view] in label for label in labels), (name, labels)
        assert "drop" not in drawing.title.lower()


TAGS = ("rtn-4bit", "svd-rank0.25", "band-0.2to0.3")


@pytest.mark.usefixtures("svg_alone")
def test_an_experiment_of_dense_rows_alone_has_no_figure(tmp_path):
    table = tmp_path / "drops.parquet"
    drops = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, name, levels=(0.5,)) for name in ("good", "bare")])
    write_tables(drops.filter((pl.col("experiment") == "good") | (pl.col("method") == "dense")), table)
    assert {path.stem for path in draw.draw_all(table, tmp_path / "f")} == {
        *OF_STUDY,
        *views("sparsity_good"),
        *views("behavior_good"),
    }


def test_an_empty_table_is_an_error(tmp_path):
    table = tmp_path / "drops.parquet"
    write_tables(drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5)]).clear(), table)
    with pytest.raises(UserError, match="no rows"):
        draw.draw_all(table, tmp_path)


ROWS = [
    Condition("a", "options=2", "A", 0.5, 0.8, 0.5, "x", levels=(0.5,), transfers=MODES),
    Condition("a", "options=4", "B", 0.25, 0.7, 0.5, "x", levels=(0.5,), transfers=MODES),
]


@pytest.mark.parametrize("name", ["headline", "difficulty_x", "transfer_x"])
def test_a_note_at_the_top_moves_nothing_else_and_covers_nothing(name):
    """All positions in inches from the lower left corner are unchanged, and the note is above everything else."""
    plain, noted = (render(draw.drawing_of(drops_table(ROWS), name)) for _ in range(2))
    text = "INCOMPLETE: 41 of 63 cells are joined. " + "Missing: a long list of names (12), " * 8
    layout.head_note(noted, text)

    def boxes(fig: Figure) -> list[list[float]]:
        renderer = fig.canvas.get_renderer()
        parts = [*fig.axes, *fig.texts, *fig.legends]
        return [[value / fig.dpi for value in part.get_window_extent(renderer).extents] for part in parts]

    before, after = boxes(plain), boxes(noted)
    note = after.pop(len(noted.axes) + len(noted.texts) - 1)
    for one, other in zip(before, after, strict=True):
        assert other == pytest.approx(one, abs=0.02)
    assert note[1] > plain.get_figheight()
    assert max(box[3] for box in after) < note[1]
    assert 0 < note[0] < note[2] < noted.get_figwidth()
    assert note[3] < noted.get_figheight()
    assert noted.get_figwidth() == plain.get_figwidth()
    assert text.split() == noted.texts[-1].get_text().split()


def test_every_figure_gets_the_note_of_its_experiment(tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", drawing.savefig_of("png"))
    write_tables(drops_table(ROWS), tmp_path / "drops.parquet")
    asked = []
    draw.draw_all(tmp_path / "drops.parquet", tmp_path / "noted", lambda name: asked.append(name) or f"note of {name}")
    assert set(asked) == {"", "x"}
    assert len(asked) == len(list((tmp_path / "noted").glob("*.png")))
    layout.save(draw.render(draw.drawing(tmp_path, "headline")), tmp_path / "plain/headline")
    assert (tmp_path / "plain/headline.png").read_bytes() != (tmp_path / "noted/headline.png").read_bytes()


def test_several_processes_write_the_same_files(tmp_path, monkeypatch):
    write_tables(drops_table(ROWS), tmp_path / "drops.parquet")
    monkeypatch.setattr(draw, "names", lambda tables: ["headline", "claims"])
    one, two = (draw.draw_all(tmp_path / "drops.parquet", tmp_path / f"{count}", processes=count) for count in (1, 2))
    assert [file.name for file in one] == [file.name for file in two]
    assert {file.suffix for file in one} == {".pdf", ".svg", ".png", ".csv"}
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()

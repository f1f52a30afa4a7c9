import json
import re
from html.parser import HTMLParser
from pathlib import Path

import figure_tables as tables
import polars as pl
import pytest
from other_tables import write_tables

from junkdna.errors import UserError
from junkdna.report.catalog import figure_names, first_view, outlines
from junkdna.report.draw import draw_all
from junkdna.report.page import write_report
from junkdna.storage.tables import write_frame

pytestmark = pytest.mark.usefixtures("svg_alone")
HOSTILE = "<script>alert('x')</script> & \"co\""
MODES = ("none", "dense", "sparse")


class Page(HTMLParser):
    """Tags with their attributes, text, and whether every tag was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def inputs(folder: Path, conditions: list, study: object = None) -> tuple[Path, Path, Path, Path, Path]:
    drops = tables.drops_table(conditions)
    write_tables(drops, folder / "drops.parquet")
    write_frame(tables.cells_table(drops), folder / "cells.parquet")
    draw_all(folder / "drops.parquet", folder / "figures")
    (folder / "study.json").write_text(json.dumps(study if study is not None else {"study": {"study": "mine"}}))
    return tuple(folder / n for n in ("drops.parquet", "cells.parquet", "figures", "study.json", "report.html"))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[str, pl.DataFrame]:
    small = {"levels": (0.3, 0.6), "n_seeds": 2}
    conditions = [
        tables.Condition("a", "", HOSTILE, 0.25, 0.8, 0.5, "one", transfers=MODES, **small),
        tables.Condition("b", "", "Kept", 0.25, 0.6, 0.5, "two & <b>", methods=("nm",), **small),
    ]
    study = {"study": {"study": "mine", "models": {"m": {"path": HOSTILE}}, "experiments": {"one": {"title": HOSTILE}}}}
    paths = inputs(tmp_path_factory.mktemp("report"), conditions, study)
    write_report(*paths)
    return paths[-1].read_text(encoding="utf-8"), pl.read_parquet(paths[0])


def test_every_value_is_escaped_and_the_page_is_well_formed(written):
    page = Page(written[0])
    assert page.open == []
    assert not [tag for tag, _ in page.tags if tag in ("script", "b", "iframe", "link", "object")]
    assert HOSTILE in "".join(page.text)


def test_nothing_is_loaded_from_outside(written):
    page = Page(written[0])
    for _, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
        assert not [name for name in attrs if name.startswith("on")]
    assert not re.search(r"https?://|@import|url\(", written[0])


def test_figures_are_inside_and_links_lead_somewhere(written):
    page = Page(written[0])
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == sum(map(first_view, figure_names(outlines(written[1]))))
    assert all(attrs["src"].startswith("data:image/svg+xml;base64,") and attrs["alt"] for attrs in images)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for tag, attrs in page.tags if tag == "a"} <= set(ids)


def test_the_page_contains_the_numbers_of_the_table(written):
    text, drops = written
    for row in drops.iter_rows(named=True):
        assert f"{row['score']:.3f} <small>[{row['score_low']:.3f}, {row['score_high']:.3f}]</small>" in text
    assert text.count("<tr") == drops.height + 2
    nm = list(drops.filter(pl.col("method") == "nm")["compression"])
    assert all(" of ".join(re.findall(r"\d", c)) + " kept" in text for c in nm)


def test_definitions_limits_and_words(written):
    text = re.sub(r"\s+", " ", "".join(Page(written[0]).text))
    for words in (
        "dense − score",
        "(score − baseline) / (dense − baseline)",
        "majority for models trained on class labels",
        "With one seed",
        "no speedup",
        "N:M sparsity",
    ):
        assert words in text
    assert not re.search(r"supported|proves|confirms", text, re.IGNORECASE)


def test_undefined_retention_is_a_dash(tmp_path):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("retention", "retention_low", "retention_high")}
    write_frame(pl.read_parquet(paths[0]).with_columns(**nothing), paths[0])
    write_report(*paths)
    assert paths[-1].read_text().count("<td>–</td>") == 2


def test_retention_without_limits_says_so(tmp_path):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("retention_low", "retention_high")}
    drops = pl.read_parquet(paths[0]).with_columns(**nothing)
    write_frame(drops, paths[0])
    write_report(*paths)
    text, pruned = paths[-1].read_text(), drops.filter(method="magnitude")["retention"][0]
    assert f"<td>{pruned:.2f} <small>[unbounded]</small></td>" in text
    assert text.count("[unbounded]") == 1  # dense has no interval relative to itself


def test_totals_without_wall_time(tmp_path):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    write_report(*paths)
    assert "Compute time" in paths[-1].read_text()
    cells = pl.read_parquet(paths[1]).drop("wall_s")
    write_frame(cells, paths[1])
    write_report(*paths)
    assert "Compute time" not in paths[-1].read_text()
    assert f"<dt>Cells</dt><dd>{cells.height}</dd>" in paths[-1].read_text()


@pytest.mark.parametrize("study", [{}, [], [1, {"a": 2}], "text", {"study": "flat", "versions": {"torch": "2"}}])
def test_any_json_is_shown(tmp_path, study):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))], study)
    write_report(*paths)
    assert Page(paths[-1].read_text()).open == []


def test_a_missing_figure_is_a_users_error_and_writes_nothing(tmp_path):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    (paths[2] / "sparsity_one.svg").unlink()
    with pytest.raises(UserError, match=r"sparsity_one\.svg.*junkdna figures"):
        write_report(*paths)
    assert not paths[-1].exists()


def test_the_same_inputs_give_the_same_page(tmp_path):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    write_report(*paths)
    first = paths[-1].read_bytes()
    write_report(*paths)
    assert paths[-1].read_bytes() == first


def test_an_experiment_of_several_conditions_shows_its_difficulty_figure_first(tmp_path):
    small = {"experiment": "one", "levels": (0.5,)}
    paths = inputs(tmp_path, [tables.Condition(task, "", task, 0.25, 0.8, 0.5, **small) for task in "ab"])
    write_report(*paths)
    alts = [attrs["alt"] for tag, attrs in Page(paths[-1].read_text()).tags if tag == "img"]
    own = [alt for alt in alts if alt.startswith("one: ")]
    assert "fits no line and makes no statistical test" in own[0]
    assert "from easy to hard" in own[1]


def test_metric_and_human_scores_are_shown_with_their_condition(tmp_path):
    small = {"experiment": "one", "levels": (0.5,)}
    known = tables.Condition("cola", "", "CoLA", 0.0, 0.5, 0.5, metric="matthews", human=0.664, **small)
    paths = inputs(tmp_path, [known, tables.Condition("sst2", "", "SST-2", 0.5, 0.9, 0.5, **small)])
    write_report(*paths)
    text = paths[-1].read_text()
    assert "CoLA<br><small>Matthews correlation, chance 0.00</small>" in text
    assert "SST-2<br><small>accuracy, chance 0.50</small>" in text
    dense = pl.read_parquet(paths[0]).filter(pl.col("task") == "cola")["dense_score"][0]
    gaps = ((0.664 - dense) / 0.664, (0.664 - dense) / dense)
    row = "".join(f"<td>{value:.3f}</td>".replace("-", "−") for value in (0.664, *gaps))
    assert text.count(row) == 1
    assert "Human performance: CoLA 0.664 from Reader et al. 2019, matthews." in text
    assert "<td>–</td><td>–</td><td>–</td>" in text


def test_no_human_columns_without_human_figures(written):
    assert "Gap by human" not in written[0]


def test_conditions_are_in_numeric_order(tmp_path):
    few = {"experiment": "one", "levels": (0.5,)}
    shots = [tables.Condition("a", f"shots={k}", f"{k} shots", 0.25, 0.8, 0.5, **few) for k in (10, 2, 5)]
    paths = inputs(tmp_path, shots)
    write_report(*paths)
    assert re.findall(r">(\d+) shots<br>", paths[-1].read_text()) == ["2", "5", "10"]


BUDGET = ("rtn-8bit", "rtn-4bit,group=64", "rtn-3bit", "gptq-4bit,calibration=c4", "svd-rank0.25", "band-0.2to0.3")


def test_levels_are_readable_and_shown_with_their_effective_bits(tmp_path):
    """Bits by hand: b + (16 + b) / g, 32 r of a square matrix, 16 kept + 1."""
    conditions = [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.5,), compressions=BUDGET)]
    paths = inputs(tmp_path, conditions)
    write_report(*paths)
    text = paths[-1].read_text()
    rows = re.findall(r'<td class="text">([^<]+)</td><td>([^<]+)</td>', text)
    assert rows == [
        ("dense", "16.00"),
        ("magnitude 50 %", "9.00"),
        ("GPTQ 4 bits, groups of 128, calibrated on c4", "4.16"),
        ("RTN 8 bits, groups of 128", "8.19"),
        ("RTN 3 bits, groups of 128", "3.15"),
        ("RTN 4 bits, groups of 64", "4.31"),
        ("SVD rank 0.25", "8.00"),
        ("band 20 to 30 %", "15.40"),
    ]
    assert "<dd>3.15 to 16.0 per weight (dense: 16)</dd>" in text
    assert "This is nominal storage" in text
    alts = [attrs["alt"] for tag, attrs in Page(text).tags if tag == "img"]
    assert sum("on one axis" in alt for alt in alts) == 1
    assert sum("two quantiles" in alt for alt in alts) == 1
    assert "GPTQ, RTN, SVD, band, magnitude" in text


def test_sparsity_is_compared_with_its_target_only_if_something_is_pruned(tmp_path):
    paths = inputs(
        tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", methods=(), compressions=BUDGET[:3])]
    )
    write_report(*paths)
    assert "<dt>Sparsity</dt>" not in paths[-1].read_text()


def test_a_study_of_dense_cells_alone_is_reported(tmp_path):
    paths = inputs(tmp_path, [tables.Condition("a", "", "A", 0.25, 0.8, 0.5, "one", methods=())])
    write_report(*paths)
    assert "<dt>Compressions</dt><dd>none</dd>" in paths[-1].read_text()


def test_excluded_rows_and_warnings_are_shown(tmp_path):
    paths = inputs(tmp_path, [tables.Condition(name, "", name, 0.25, 0.8, 0.5, "one") for name in ("a", "b")])
    told = pl.lit("left out of the rows to evaluate: 24 <with> two equal options")
    note = pl.when(pl.col("task") == "a").then(told).otherwise(pl.lit(""))
    write_frame(pl.read_parquet(paths[1]).with_columns(rows_note=note), paths[1])
    write_report(*paths)
    text = paths[-1].read_text()
    assert "<dt>Rows of a</dt><dd>left out of the rows to evaluate: 24 &lt;with&gt; two equal options</dd>" in text
    assert "Rows of b" not in text

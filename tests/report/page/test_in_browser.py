"""The page in Debian's chromium: widths, script, keyboard, views, print, contrast and accessibility.

Skipped without chromium or without the Python package playwright (extra `dev`).
"""

from pathlib import Path

import polars as pl
import pytest
from figure_tables import Condition, drops_table, study
from page_tables import claims_table, write_cells, write_inputs

from junkdna.report.page.write import write_report

pytestmark = pytest.mark.long
WIDTHS = (390, 768, 1280)
RIGHT = {"dense": [1, 1, 1, 0, 0, 1] * 20}
RIGHT |= {f"magnitude-0.{level}": [level < 3, level < 5, 1, level > 6, 0, level != 9] * 20 for level in range(1, 10)}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """The page of a simulated study with every feature."""
    folder = tmp_path_factory.mktemp("page")
    claims = claims_table(
        {}, {"unit": "options of sciq", "verdict": "undecided", "examples_needed": 900},
        {"claim": "irreversible", "estimate": 0.4, "low": -3.0, "high": 4.0, "verdict": "undecided"},
        {"claim": "small_weights_specific", "verdict": "contradicted", "estimate": -0.2, "low": -0.3, "high": -0.1},
        {"claim": "not_in_quantization", "verdict": "untestable", **dict.fromkeys(("estimate", "low", "high", "q"))},
    )  # fmt: skip
    drops = drops_table(study())
    tables, checked = write_inputs(folder, drops, claims)
    cells = pl.read_parquet(tables / "cells.parquet").filter(
        (pl.col("task") == "sciq") & (pl.col("knobs") == "context=none")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_cells(cells.filter(pl.col("model") == "SmolLM2-135M"), RIGHT)
        write_report(tables, checked, folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("script", [True, False])
def test_the_page_never_scrolls_sideways(opened, width, script):
    page = opened(width, java_script_enabled=script)
    if script:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for text in page.locator("[data-to]").all()[:3]:
            text.click()
        assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator("main").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_texts_of_a_drawing_stay_in_it_and_are_legible(opened, width):
    page = opened(width)
    found = page.evaluate(
        """() => [...document.querySelectorAll('svg.fig')].filter(s => s.getClientRects().length).flatMap(s =>
          [...s.querySelectorAll('text')].map(t => { const r = t.getBoundingClientRect(); return {text: t.textContent,
            left: r.left, right: r.right, size: parseFloat(getComputedStyle(t).fontSize)
              * s.getBoundingClientRect().width / s.viewBox.baseVal.width}; }))"""
    )
    assert len(found) > 50
    assert [each for each in found if each["left"] < 0 or each["right"] > width + 1] == []
    assert min(each["size"] for each in found) >= 9.5


def test_the_first_screen_shows_the_answer_and_the_headline(opened):
    page = opened(1280)
    for selector in ("h1", ".strip", "#figure-headline svg.wide"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] < 700, selector


def test_columns_sort_both_ways_by_number(opened):
    page = opened(1280)
    head = page.locator("#all thead th", has_text="Difficulty").locator("button")
    at = page.evaluate(
        "[...document.querySelectorAll('#all thead th')].findIndex(t => t.textContent.includes('Difficulty'))"
    )
    value = "parseFloat(r.cells[at].textContent.replace('−', '-'))"
    read = f"at => [...document.querySelectorAll('#all tbody tr')].map(r => {value})"
    head.click()
    rising = page.evaluate(read, at)
    assert rising == sorted(rising)
    head.click()
    falling = page.evaluate(read, at)
    assert falling == sorted(falling, reverse=True)
    assert page.locator("#all th[aria-sort=descending]").count() == 1
    head.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(read, at) == rising


def test_search_filters_and_copies_of_the_rows_shown(opened, file):
    page = opened(1280, accept_downloads=True)
    total = page.locator("#all tbody tr").count()
    page.locator("#tctl").get_by_label("Find").fill("magnitude arc easy")
    shown = page.locator("#all tbody tr").count()
    assert 0 < shown < total
    assert all("ARC easy" in text for text in page.locator("#all tbody th").all_inner_texts())
    with page.expect_download() as download:
        page.get_by_text("Download these rows (CSV)").click()
    table = pl.read_csv(download.value.path())
    assert table.height == shown
    drops = pl.read_parquet(file.parent / "tables/drops.parquet")
    row = table.row(0, named=True)
    same = drops.filter(
        (pl.col("task") == row["task"])
        & (pl.col("compression") == row["compression"])
        & (pl.col("experiment") == row["experiment"])
    )
    assert row["score"] == pytest.approx(same["score"][0], rel=1e-5)
    assert row["loss"] == pytest.approx(1 - same["retention"][0], rel=1e-4)
    page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    page.get_by_text("Copy as Markdown").click()
    copied = page.evaluate("window.copied").splitlines()
    assert len(copied) == shown + 2
    assert len({line.count("|") for line in copied}) == 1
    page.get_by_text("Copy as LaTeX").click()
    latex = page.evaluate("window.copied")
    assert latex.count("\\\\\n") == shown + 1
    assert "%" not in latex.replace("\\%", "")


def test_a_link_to_a_row_marks_it(opened, file):
    page = opened(1280)
    row = page.locator("#all tbody tr").nth(40).get_attribute("id")
    page.goto(f"{file.as_uri()}#{row}")
    assert page.locator(f"#{row}").is_visible()
    page.locator("#tctl").get_by_label("Find").fill("nothing matches this")
    page.evaluate("history.replaceState(null, '', '#')")
    page.evaluate("row => { location.hash = row; }", row)
    page.wait_for_selector(f"#{row}.here")


def test_hover_and_keys_show_the_numbers_of_a_point(opened):
    page = opened(1280)
    plot = page.locator("#figure-headline .plot").first
    point = plot.locator("svg.wide .pt .m").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 6, box["y"] + box["height"] / 2)
    assert "share lost" in page.locator("#tip").inner_text().lower()
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()
    plot.focus()
    seen = set()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        seen.add(page.locator("#say").inner_text())
    assert len(seen) == 3
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_the_view_switch_changes_all_figures_that_have_the_view(opened):
    page = opened(1280, reduced_motion="reduce")
    assert page.locator(".view[data-view=score]:visible").count() < page.locator(".view[data-view=score]").count()
    page.locator("[data-to=score]").first.click()
    assert page.locator(".view[data-view=score]:visible").count() == page.locator(".view[data-view=score]").count()
    assert page.locator("[data-to=score][aria-pressed=false]").count() == 0
    for figure in page.locator(".fx").all():
        assert figure.locator(".view:visible").count() == 1
        title, view = figure.locator(".ftitle").inner_text(), figure.locator(".view:visible").get_attribute("data-view")
        assert title.startswith("Score") or view != "score"
    page.locator("[data-to=retention]").first.click()
    assert page.locator("#figure-headline .view:visible").get_attribute("data-view") == "lost"
    page.locator("#figure-headline [data-to=percent]").click()
    page.locator("#figure-headline [data-to=lost]").click()
    assert (
        page.locator(".view[data-view=retention]:visible").count() == page.locator(".view[data-view=retention]").count()
    )


def test_the_legend_switches_marks_off_and_on(opened):
    page = opened(1280)
    figure = page.locator("#figure-headline")
    shown = "e => e.filter(p => getComputedStyle(p).visibility !== 'hidden').length"

    def visible() -> int:
        return figure.locator("svg.wide .pt").evaluate_all(shown)

    before = visible()
    button = figure.locator(".keys button").first
    button.click()
    assert 0 < visible() < before
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert visible() == before


def test_the_browser_of_flipped_examples(opened):
    page = opened(1280)
    cards = page.locator("#cards .card")
    assert cards.count() == 6
    page.get_by_label("Show").select_option("broken")
    assert set(page.locator("#cards .card b").all_inner_texts()) == {"Broken"}
    page.get_by_text("Show ten more").click()
    assert cards.count() == 16
    page.locator("#bctl").get_by_label("Find").fill("q7")
    assert all("q7" in text for text in page.locator("#cards .mono").all_inner_texts())


def test_without_script_everything_is_there(opened):
    page = opened(1280, java_script_enabled=False)
    assert page.locator("#all tbody tr").count() > 50
    assert page.locator("#cards .card").count() > 0
    assert page.locator("#figure-headline svg.wide").first.is_visible()
    assert page.locator(".needjs:visible").count() == 0


def test_print_shows_figures_and_no_controls(opened, tmp_path):
    page = opened(1280)
    page.emulate_media(media="print")
    assert page.locator(".ctl:visible").count() == 0
    assert page.locator("#figure-headline svg.wide").first.is_visible()
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 50_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation_and_contrast_is_enough(opened, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe (extra dev)")
    page = opened(width, color_scheme=scheme)
    result = axe.Axe().run(page)
    found = [(each["id"], each["nodes"][0]["html"][:160]) for each in result.response["violations"]]
    assert found == []


def test_five_thousand_cells_open_in_two_seconds(browser, tmp_path):
    """Time of the page's thread, which other processes do not change."""
    base = drops_table([Condition("t", "", "T", 0.25, 0.8, 0.5, n_seeds=5, n_examples=60)])
    parts = [
        base.with_columns(
            experiment=pl.lit(f"study{number}"), task=pl.lit(f"task{number}x{task}"), label=pl.lit(f"Task {task}"),
            difficulty=pl.lit(0.2 + task / 100),
        )
        for number in range(10)
        for task in range(10)
    ]  # fmt: skip
    tables, file = write_inputs(tmp_path, pl.concat(parts), claims_table())
    assert pl.read_parquet(tables / "cells.parquet").height == 5000
    write_report(tables, file, tmp_path / "report.html")
    page = browser.new_page()
    timer = page.context.new_cdp_session(page)
    timer.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_function("document.querySelector('#tctl [role=status]').textContent.includes('1,000')")
    metrics = {each["name"]: each["value"] for each in timer.send("Performance.getMetrics")["metrics"]}
    assert metrics["TaskDuration"] < 2
    page.locator("#tctl").get_by_label("Find").fill("study7 magnitude")
    assert "90 of 1,000 rows" in page.locator("#tctl").inner_text()
    page.locator("#tctl").get_by_label("Find").fill("")
    assert page.locator("#all tbody tr").count() == 300
    for _ in range(3):
        page.get_by_text("Next rows").click()
    assert page.locator("#all tbody tr").count() == 100
    page.close()

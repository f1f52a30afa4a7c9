"""The page of a comparison in Debian's chromium: widths, script, sorting, filters, and accessibility.

Skipped without chromium or without the Python package playwright (extra `dev`).
"""

from pathlib import Path

import polars as pl
import pytest
from study_folders import FOOTER, STUDY, chance_of, write_study

from junkdna.cli.compare import Options, compare

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """The page of two studies with other settings, of which one has more cells."""
    root = tmp_path_factory.mktemp("page")
    data = {**STUDY, "study": "with_a_longer_name"}
    data["experiments"] = {"only": {**STUDY["experiments"]["only"], "seeds": [1, 2]}}
    footer = FOOTER | {"settings": {"code": "other", "a": {"very": {"long": {"name_of_a_setting_in_the_footer": "1"}}}}}
    write_study(root)
    write_study(root, data, lambda cell: chance_of(cell) - 0.3 * cell.compression.nominal_sparsity, footer=footer)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        studies = Path("results/studies")
        list(compare(studies / "one", studies / "with_a_longer_name", Options(out=Path("out"))))
    return root / "out/report.html"


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("script", [True, False])
def test_the_page_never_scrolls_sideways(opened, width, script):
    page = opened(width, java_script_enabled=script)
    if script:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator("[data-to=lost]").first.click()
        assert page.locator(".view[data-view=lost]:visible").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator("main").bounding_box()
    assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_texts_of_a_drawing_stay_on_the_page(opened, width):
    page = opened(width)
    found = page.evaluate(
        """() => [...document.querySelectorAll('svg.fig text')].filter(t => t.getClientRects().length)
          .map(t => [t.textContent, t.getBoundingClientRect().left, t.getBoundingClientRect().right])"""
    )
    assert len(found) > 20
    assert [each for each in found if each[1] < 0 or each[2] > width + 1] == []


def test_the_table_sorts_filters_and_downloads(opened, file):
    page = opened(1280, accept_downloads=True)
    head = page.locator("#all thead th", has_text="Drop, B − A").locator("button")
    head.click()
    values = page.evaluate(
        "[...document.querySelectorAll('#all tbody tr')].map(r => parseFloat(r.cells[2].innerText.replace('−', '-')))"
    )
    known = [value for value in values if value == value]
    assert len(known) == 3
    assert known == sorted(known)
    page.locator("#tctl").get_by_label("Find").fill("magnitude 60")
    assert page.locator("#all tbody tr").count() == 1
    with page.expect_download() as download:
        page.get_by_text("Download these rows (CSV)").click()
    row = pl.read_csv(download.value.path()).row(0, named=True)
    table = pl.read_parquet(file.parent / "tables/differences.parquet").filter(compression_a="magnitude-0.6")
    for name in ("drop_difference", "drop_difference_low", "share_lost_difference_high", "score_b"):
        assert row[name] == pytest.approx(table[name][0], rel=1e-4)


def test_a_point_tells_its_numbers(opened):
    page = opened(1280)
    plot = page.locator("#figure-overview .plot").first
    plot.focus()
    page.keyboard.press("ArrowRight")
    said = page.locator("#say").inner_text()
    assert "B − A" in said
    assert "paired" in said


def test_without_script_everything_is_there(opened):
    page = opened(1280, java_script_enabled=False)
    assert page.locator("#all tbody tr").count() == 4
    assert page.locator("#left-out").get_by_text("seed-0").count() == 1
    assert page.locator(".needjs:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation(opened, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe (extra dev)")
    result = axe.Axe().run(opened(width, color_scheme=scheme))
    assert [(each["id"], each["nodes"][0]["html"][:160]) for each in result.response["violations"]] == []

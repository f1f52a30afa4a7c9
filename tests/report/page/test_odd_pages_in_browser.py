"""Pages of unusual studies, printed and in the colors of the system, in Debian's chromium.

Skipped without chromium or without the Python package playwright (extra `dev`).
"""

from pathlib import Path

import pytest
from figure_tables import Condition, drops_table
from page_tables import claims_table, write_inputs

from junkdna.report.page.write import write_report

pytestmark = pytest.mark.long
TITLE = "A benchmark with an unusually long title about reading comprehension in specialist domains"
WORD = "averyveryverylongnameofataskwithoutasinglespaceorhyphenthatcannotbebrokenanywhere_at_all"
UNTESTED = dict.fromkeys(("estimate", "low", "high", "p", "q", "detectable"))
REASON = "the dense model is at its baseline in every condition of the experiment, so nothing can be lost"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """The page of a study in which every name is long, with two experiments that have the same figures."""
    folder = tmp_path_factory.mktemp("odd")
    conditions = [
        Condition(
            f"task{at}", "", f"{TITLE if at < 2 else WORD} · variant number {at} without the passage that answers it",
            0.25, 0.8 - 0.1 * at, 0.5, experiment, model="organization-an-exceedingly-long-name-1.7B-Instruct-v0.3",
        )
        for experiment in ("an_experiment_whose_name_is_long", "another")
        for at in range(4)
    ]  # fmt: skip
    claims = claims_table(
        {"unit": f"context of {TITLE}"}, {"unit": WORD, "verdict": "undecided", "low": -3.0, "high": 4.0},
        {"claim": "irreversible", "unit": WORD, "verdict": "untestable", "reason": REASON, **UNTESTED},
    )  # fmt: skip
    write_report(*write_inputs(folder, drops_table(conditions), claims), folder / "report.html")
    return folder / "report.html"


OVERFLOWING = """() => [...document.querySelectorAll('main *, header *')].filter(e => {
  const r = e.getBoundingClientRect();
  return e.getClientRects().length && (r.right > innerWidth + 1 || r.left < -1) && !e.closest('.scroll, .vh, .track');
}).map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("width", [320, 390, 640, 768, 1280])
def test_long_names_stay_on_the_page(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_tooltips_of_every_figure_stay_on_the_screen_and_name_a_number(opened, width):
    page = opened(width, reduced_motion="reduce")
    seen = page.evaluate(
        """() => [...document.querySelectorAll('.plot')].filter(p => p.getClientRects().length).flatMap(plot => {
          plot.scrollIntoView({block: 'center', behavior: 'instant'}); plot.focus({preventScroll: true});
          return [...Array(4)].map(() => {
            plot.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
            const r = document.querySelector('#tip').getBoundingClientRect();
            return {text: document.querySelector('#tip').innerText, inside: r.left >= 0 && r.right <= innerWidth
              && r.top >= -1 && r.bottom <= innerHeight, wide: r.width};
          }); })"""
    )
    shown = [each for each in seen if each["wide"]]
    assert len(shown) > 40
    assert [each["text"] for each in shown if not each["inside"]] == []
    assert [each["text"] for each in shown if not any(c.isdigit() for c in each["text"])] == []


def test_a_list_of_names_is_only_where_numbers_stand_for_them(opened):
    for width in (390, 1280):
        page = opened(width)
        figure = page.locator("#figure-headline .view:visible")
        numbered = figure.locator("svg:visible text.b").all_text_contents()
        assert figure.locator(".listed").is_visible() == all(text.isdigit() for text in numbered)


def test_in_print_a_caption_is_explained_once_and_tables_are_not_cut(opened):
    page = opened(1280)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 695, "height": 1000})  # A4 without its margins
    captions = page.locator("details.how:visible").count()
    assert 0 < captions < page.locator("details.how").count()
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollHeight <= e.clientHeight + 1)")
    breaks = "e => [getComputedStyle(e).breakAfter, getComputedStyle(e).breakBefore]"
    assert page.locator(".forest tr.r").first.evaluate(breaks)[0] == "avoid"
    assert page.locator(".forest tr.note").first.evaluate(breaks)[1] == "avoid"


def test_the_hint_at_the_table_says_only_what_is_true(opened):
    for width in (390, 2400):
        page = opened(width)
        scrolls = page.evaluate("(b => b.scrollWidth > b.clientWidth)(document.querySelector('#numbers .scroll'))")
        page.wait_for_function("s => document.querySelector('#hint').hidden === !s", arg=scrolls)
        assert scrolls == (width == 390) or width == 2400


def test_in_system_colors_the_pressed_button_and_the_tooltip_can_be_seen(opened):
    page = opened(1280, forced_colors="active")
    color = "e => getComputedStyle(e).backgroundColor"
    first, second = page.locator("#figure-headline [data-to]").all()[:2]
    assert first.evaluate(color) != second.evaluate(color)
    page.locator("#figure-headline .plot").first.focus()
    page.keyboard.press("ArrowRight")
    tip = page.locator("#tip")
    assert tip.evaluate(color) != tip.evaluate("e => getComputedStyle(e).color")
    arrow = page.locator(".track .ar").first
    assert arrow.evaluate("e => getComputedStyle(e).borderTopColor") == "rgba(0, 0, 0, 0)"

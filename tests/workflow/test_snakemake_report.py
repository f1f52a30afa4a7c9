"""Snakemake's own report of a finished toy study: what it shows, where, and that its captions are those of the page."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
import toy
from job_server import DRAWN
from toy_studies import TEN_CELLS
from workflow_run import snakemake

from junkdna.analysis.result_columns import RESULTS
from junkdna.report.catalog import FIGURES, named

pytestmark = [pytest.mark.dag, pytest.mark.long]
HOSTILE = "Braces {x} {{ 1 }} {% if %}, *stars*, _lines_, `ticks`, <b>tags</b>"
STUDY = "results/studies/toy"


@pytest.fixture(scope="module")
def folder(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study whose titles look like markup, with Snakemake's report."""
    folder = tmp_path_factory.mktemp("report") / "world"
    shutil.copytree(toy_world_once, folder)
    experiments = TEN_CELLS["experiments"]
    titled = experiments | {"context": experiments["context"] | {"title": HOSTILE}}
    toy.write_yaml(folder / "config.yaml", TEN_CELLS | {"experiments": titled})
    result = snakemake(folder, env={DRAWN: "svg"})
    assert result.returncode == 0, result.stdout
    result = snakemake(folder, "--report", "report.html")
    assert result.returncode == 0, result.stdout
    return folder


def written(folder: Path, name: str) -> dict:
    """A variable of the script of Snakemake's report."""
    return json.loads(re.search(rf'(?m)^ *var {name} = ([{{"].*);$', (folder / "report.html").read_text())[1])


def words(html: str) -> str:
    """The text of a piece of HTML, with single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def figures_of_page(folder: Path) -> dict[str, str]:
    """The text around each figure of the page, by the stem of its first view."""
    page = (folder / STUDY / "report.html").read_text()
    parts = re.findall(r'(?s)<figure class="fx".*?</figure>', page)
    return {re.search(r"figures/(\S+)[.]svg", part)[1]: words(part) for part in parts}


def test_every_figure_has_its_first_view_and_the_caption_of_the_page(folder):
    page, found = figures_of_page(folder), written(folder, "results")
    shown = {Path(file).stem: each for file, each in found.items() if file.endswith(".svg")}
    assert {"headline", "sparsity_context", "transfer_modes"} < set(page) <= set(shown)
    for stem, entry in shown.items():
        facts, how = map(words, re.findall(r"(?s)<p>(.*?)</p>", entry["caption"]))
        assert facts.startswith("Model: tiny.")
        assert how == words(FIGURES[named(stem).figure.name].caption.replace("`", "").replace(" - ", " − "))
        assert entry["data_uri"].startswith("data:image/svg+xml")
        if stem in page:
            assert facts in page[stem]
            assert how in page[stem]
    assert set(shown) - set(page) == {"claims"}  # the page has it as a table


def test_the_page_and_two_tables_are_there_with_their_captions(folder):
    found, page = written(folder, "results"), words((folder / STUDY / "report.html").read_text())
    captions = {file: words(each["caption"]) for file, each in found.items() if not file.endswith(".svg")}
    assert set(captions) == {f"{STUDY}/report.html", f"{STUDY}/tables/claims.csv", f"{STUDY}/tables/drops.csv"}
    assert captions[f"{STUDY}/tables/drops.csv"] == f"Rows: {RESULTS['drops'].rows}."
    assert captions[f"{STUDY}/report.html"].startswith("Does pruning cost a language model more on harder tasks? The ")
    for caption in captions.values():
        assert caption in page
        assert not re.search(r"[\[\]`]", caption)


def test_figures_are_found_by_experiment(folder):
    categories, found = written(folder, "categories"), written(folder, "results")
    assert set(categories) == {"Figures", "Report page", "Tables"}
    titles = {"The whole study", "Transfer modes", HOSTILE.replace("{", "(").replace("}", ")")}
    assert set(categories["Figures"]) == titles
    for files in categories["Figures"].values():
        labels = [found[file]["labels"]["figure"] for file in files]
        assert len(labels) == len(set(labels))
    assert "Report page" in written(folder, "workflow_desc")


def test_a_reader_finds_a_figure_with_its_caption(folder, browser):
    requests: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("request", lambda request: requests.append(request.url.partition(":")[0]))
    page.goto((folder / "report.html").as_uri())
    for text in ("Figures", "Transfer modes"):
        page.get_by_role("link", name=text).click()
    row = page.locator("tbody tr", has_text=FIGURES["transfer"].label)
    row.locator("a, button").first.click()
    shown = page.locator("img[src*='filename=transfer_modes.svg']")
    assert shown.evaluate("e => e.decode().then(() => e.naturalWidth)") > 300
    row.locator("a, button").last.click()
    assert "Marker and line show the transfer mode" in page.locator("body").inner_text()
    assert set(requests) <= {"file", "data"}
    page.close()

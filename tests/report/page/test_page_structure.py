"""The written page as a document: well formed, escaped, self-contained, the same for the same inputs."""

import json
import re

import figure_tables as tables
import polars as pl
import pytest
from page_tables import claims_table, write_inputs
from written_page import HOSTILE, Page, hostile, small, write

from junkdna.errors import UserError
from junkdna.report.page.write import write_report
from junkdna.storage.tables import write_frame


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Page, str, pl.DataFrame]:
    return hostile(tmp_path_factory.mktemp("report"))


def test_every_value_is_escaped_and_the_page_is_well_formed(written):
    page, text, _ = written
    assert page.open == []
    assert HOSTILE in page.text
    assert [tag for tag, _ in page.tags].count("script") == 3  # the class of the root, the data, the program
    assert "alert('x')" not in re.sub(r"<[^>]*>|&[a-z#0-9]+;[^<]*", "", text.split("<body>")[0])
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "link", "object", "img")]
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    assert HOSTILE in json.loads(data)["table"]["texts"]


def test_nothing_is_loaded_from_outside(written):
    page, text, _ = written
    for tag, attrs in page.tags:
        for name in ("src", "srcset", "data", "action", "poster"):
            assert name not in attrs, (tag, attrs)
        if "href" in attrs:
            assert re.match(r"#|tables/|figures/", attrs["href"])
        assert not [name for name in attrs if name.startswith("on")]
    assert not re.search(r"@import|url\((?!data:font|#half)", text)
    assert "https://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_ids_are_unique_and_links_lead_somewhere(written):
    page, _, _ = written
    ids = page.ids()
    assert len(ids) == len(set(ids))
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert "tables/drops.csv" in links
    assert {f"figures/headline.{kind}" for kind in ("pdf", "svg", "png", "csv")} <= links


def test_an_experiment_that_another_has_with_more_seeds_is_part_of_its_section(tmp_path):
    """A study that grew from one seed to three has both experiments; the first has nothing of its own."""
    grown = [
        tables.drops_table([small(experiment=name), small(task="b", label="B", experiment=name)])
        .with_columns(n_seeds=pl.lit(n, pl.Int64))
        for name, n in (("one_seed", 1), ("three_seeds", 3))
    ]  # fmt: skip
    claims = claims_table({"experiment": "three_seeds"})
    page = write(tmp_path, pl.concat(grown), claims)
    assert "experiment-three_5f_seeds" in page.ids()
    assert "experiment-one_5f_seed" not in page.ids()
    assert not [each for each in page.ids() if each.startswith("figure") and "one_5f_seed" in each]
    assert "It contains one seed, with fewer seeds." in page.text
    tested = write(tmp_path / "tested", pl.concat(grown), claims_table({"experiment": "one_seed"}))
    same = write(tmp_path / "same", pl.concat([grown[0], grown[0].with_columns(experiment=pl.lit("again"))]))
    assert "experiment-one_5f_seed" in tested.ids()
    assert "experiment-one_5f_seed" in same.ids()


def test_every_figure_is_svg_with_a_text_of_its_own(written):
    page, _, _ = written
    drawings = [attrs for tag, attrs in page.tags if tag == "svg" and "fig" in attrs.get("class", "").split()]
    assert len(drawings) > 6
    texts = {attrs["aria-label"] for attrs in drawings}
    assert all(attrs["role"] == "img" for attrs in drawings)
    assert len(texts) > len(drawings) / 3  # not one caption for all


def test_the_same_inputs_give_the_same_page(tmp_path):
    write(tmp_path, [small()])
    first = (tmp_path / "report.html").read_bytes()
    write_report(tmp_path / "tables", tmp_path / "study-0.json", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == first


@pytest.mark.parametrize("study", [{}, [], [1, {"a": 2}], "text", {"study": "flat", "versions": {"torch": "2"}}])
def test_any_json_is_shown(tmp_path, study):
    assert write(tmp_path, [small()], study=study).open == []


def test_missing_tables_and_empty_ones_are_users_errors(tmp_path):
    found, file = write_inputs(tmp_path, tables.drops_table([small()]), claims_table())
    (found / "claims.parquet").unlink()
    with pytest.raises(UserError, match=r"claims\.parquet"):
        write_report(found, file, tmp_path / "report.html")
    write_frame(pl.read_parquet(found / "drops.parquet").clear(), found / "drops.parquet")
    with pytest.raises(UserError, match="no rows, so there is nothing to report"):
        write_report(found, file, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_notice_and_a_banner_stand_first(tmp_path):
    page = write(
        tmp_path,
        [small()],
        notice="INCOMPLETE: 1 of 2 cells",
        banner='<section class="incomplete"><h2>INCOMPLETE</h2></section>',
    )
    assert page.text.strip().startswith("INCOMPLETE: 1 of 2 cells – mine")
    assert page.text.index("INCOMPLETE ") < page.text.index("Performance falls steadily")


def test_the_license_of_the_font_travels_with_it():
    from junkdna.report.page.package_files import ASSETS, FONT

    assert (ASSETS / FONT).is_file()
    license = (ASSETS / "OFL.txt").read_text()
    assert license.startswith("Copyright 2010-2023 Adobe")
    assert "SIL Open Font License, Version 1.1" in license

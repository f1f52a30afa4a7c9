"""The longer texts of the page: captions, definitions, methods, provenance and the texts of examples."""

import json
import re

import figure_tables as tables
import polars as pl
import pytest
from page_tables import claims_table, write_cells, write_inputs
from written_page import HOSTILE, MODES, Page, hostile, small, write

from junkdna.report.page.write import write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Page, str, pl.DataFrame]:
    return hostile(tmp_path_factory.mktemp("report"))


def test_captions_have_no_marks_of_markdown(written):
    page, _, _ = written
    captions = page.text.split("How to read this figure")[1:]
    assert captions
    assert not [words[:400] for words in captions if "`" in words[:400]]


def test_a_figure_does_not_repeat_the_experiment_that_its_section_names(tmp_path):
    page = write(tmp_path, [small(experiment="transfer_modes", transfers=MODES, levels=(0.3, 0.6), n_seeds=2)])
    assert "transfer_modes" not in re.sub(r"figures/\S+", "", page.text.partition("All numbers")[0])
    assert "Score against sparsity by transfer mode MMLU" not in page.text
    assert "Score against sparsity by transfer mode" in page.text
    assert ": transfer modes" not in page.text
    assert "At magnitude 60 %, A loses" in page.text


def test_words_of_the_glossary_and_none_of_certainty(written):
    page, _, _ = written
    for words in (
        "dense − score",
        "(score − baseline) / (dense − baseline)",
        "1 − retention",
        "no speedup",
        "N:M sparsity",
    ):
        assert words in page.text
    assert not re.search(r"proves|confirms", page.text, re.IGNORECASE)


def test_methods_cite_what_was_used_and_nothing_else(tmp_path):
    study = {
        "study": {"study": "s", "bootstrap": 500},
        "tasks": {"a": {"notes": "Questions (Clark et al. 2018, arXiv 1803.05457)."}},
    }
    page = write(tmp_path, [small(methods=("wanda",), n_seeds=1)], study=study)
    paragraph = page.text.partition("Copy the paragraph")[2].partition("Definitions")[0]
    for words in (
        "Wanda",
        "arXiv 2306.11695",
        "Clark et al. 2018, arXiv 1803.05457",
        "500 bootstrap draws",
        "arXiv 2310.02277",
    ):
        assert words in paragraph
    assert "SparseGPT" not in paragraph
    assert "MOVER" not in paragraph  # one seed: no spread between seeds
    assert "MOVER method [" in write(tmp_path, [small(n_seeds=2)]).text


def test_provenance_names_versions_devices_hashes_and_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drops = tables.drops_table([small(n_seeds=1)])
    tables_of, file = write_inputs(tmp_path, drops, claims_table())
    write_cells(pl.read_parquet(tables_of / "cells.parquet"), {"dense": [1, 1], "magnitude-0.5": [1, 0]})
    write_report(tables_of, file, tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    for words in (
        "python 3.11.7, torch 2.13.0",
        "cpu test",
        "ab" * 32,
        "study_file=results/studies/mine/study-0.json",
        "3.0 seconds of work, summed over",
    ):
        assert words in text


def test_texts_are_shown_only_if_the_study_allows_it(tmp_path, monkeypatch):
    import pyarrow as pa

    from junkdna.data.examples import SCHEMA
    from junkdna.storage.tables import write_parquet
    from junkdna.study.paths import FOOTER_KEY

    monkeypatch.chdir(tmp_path)
    drops = tables.drops_table([small(n_seeds=1)])
    found, file = write_inputs(tmp_path, drops, claims_table())
    write_cells(pl.read_parquet(found / "cells.parquet"), {"dense": [1, 1, 0], "magnitude-0.5": [1, 0, 1]})
    rows = [
        {
            "id": f"q{at}",
            "split": "evaluate",
            "position": at,
            "text": f"SECRET {HOSTILE} {at}?",
            "choices": list("wxyz"),
            "answer": at % 4,
        }
        for at in range(3)
    ]
    footer = {FOOTER_KEY: json.dumps({"folder": None, "raw": {}, "rows": {}}).encode()}
    write_parquet(
        pa.Table.from_pylist(rows, SCHEMA).replace_schema_metadata(footer),
        tmp_path / "results/examples/a/evaluate.parquet",
    )
    write_report(found, file, tmp_path / "report.html")
    hidden = (tmp_path / "report.html").read_text()
    assert "SECRET" not in hidden
    assert "Texts are shown only if" in Page(hidden).text
    assert "q1" in Page(hidden).text
    write_report(found, file, tmp_path / "report.html", texts=True)
    shown = Page((tmp_path / "report.html").read_text())
    assert f"SECRET {HOSTILE} 1?" in shown.text
    assert "SECRET" + f" {HOSTILE} 0?" not in shown.text  # it did not flip
    assert shown.open == []

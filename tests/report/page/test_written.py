"""The written page: its structure, what it says of a study, and what it must never contain."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import figure_tables as tables
import polars as pl
import pytest
from page_tables import claims_table, write_cells, write_inputs

from junkdna.errors import UserError
from junkdna.report.page.write import write_report
from junkdna.storage.tables import write_frame

HOSTILE = "<script>alert('x')</script> & \"co\" </script>"
VOID = ("meta", "img", "link", "br", "wbr", "input")


class Page(HTMLParser):
    """Tags with their attributes, text outside scripts and styles, and whether every tag was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.parts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.parts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.parts).replace("\u00a0", " "))

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


def write(
    folder: Path, conditions: list | pl.DataFrame, claims: pl.DataFrame | None = None, study: object = None, **options
) -> Page:
    """A page from simulated tables."""
    drops = conditions if isinstance(conditions, pl.DataFrame) else tables.drops_table(conditions)
    found, file = write_inputs(folder, drops, claims_table() if claims is None else claims, study)
    write_report(found, file, folder / "report.html", **options)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def small(**changes) -> tables.Condition:
    return tables.Condition(
        **{
            "task": "a",
            "knobs": "",
            "label": "A",
            "chance": 0.25,
            "dense": 0.8,
            "half": 0.5,
            "experiment": "one",
            "levels": (0.5,),
        }
        | changes
    )


MODES = ("none", "dense", "sparse")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Page, str, pl.DataFrame]:
    few = {"levels": (0.3, 0.6), "n_seeds": 2}
    conditions = [
        small(label=HOSTILE, transfers=MODES, **few),
        small(task="b", label="Kept", experiment="two & <b>", methods=("nm",), **few),
    ]
    study = {
        "study": {"study": "mine", "models": {"m": {"path": HOSTILE}}, "experiments": {"one": {"title": HOSTILE}}},
        "tasks": {"a": {"notes": HOSTILE, "license": HOSTILE}},
    }
    folder = tmp_path_factory.mktemp("report")
    claims = claims_table({"unit": HOSTILE, "details": HOSTILE, "experiment": "one"})
    drops = tables.drops_table(conditions)
    return write(folder, drops, claims, study), (folder / "report.html").read_text(encoding="utf-8"), drops


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


def test_every_figure_is_svg_with_a_text_of_its_own(written):
    page, _, _ = written
    drawings = [attrs for tag, attrs in page.tags if tag == "svg" and "fig" in attrs.get("class", "").split()]
    assert len(drawings) > 6
    texts = {attrs["aria-label"] for attrs in drawings}
    assert all(attrs["role"] == "img" for attrs in drawings)
    assert len(texts) > len(drawings) / 3  # not one caption for all


def test_the_table_has_every_number(written):
    page, _, drops = written
    for row in drops.iter_rows(named=True):
        assert f"{row['score']:.3f} [{row['score_low']:.3f}, {row['score_high']:.3f}]" in page.text
    rows = [name for name in page.ids() if name.startswith("row-")]
    assert len(rows) == drops.height
    assert "6 of 8 kept" in page.text
    assert "3 of 8 kept" in page.text


def test_a_link_to_a_row_stays_the_same_when_rows_are_added(tmp_path):
    one = {*write(tmp_path / "a", [small()]).ids()}
    more = {*write(tmp_path / "b", [small(), small(task="z", label="Z")]).ids()}
    assert {name for name in one if name.startswith("row-")} < more


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


@pytest.mark.parametrize(
    ("change", "verdict", "answer"),
    [
        ({}, "Supported", "Harder conditions lose more."),
        (
            {"verdict": "contradicted", "estimate": -0.2, "low": -0.3, "high": -0.1},
            "Contradicted",
            "Harder conditions do not lose more.",
        ),
        ({"verdict": "undecided"}, "Undecided", "The data do not decide whether harder conditions lose more."),
        ({"scale_free": "reversed"}, "Undecided", "the answer depends on the scale."),
        (
            {"verdict": "untestable", "estimate": None, "low": None, "high": None, "q": None, "reason": "too few"},
            "Untestable",
            "This study cannot tell",
        ),
    ],
)
def test_the_first_screen_answers_the_question(tmp_path, change, verdict, answer):
    page = write(tmp_path, [small(), small(task="b", label="B")], claims_table(change))
    first = page.text.partition("How far to trust this.")[0]
    assert "Does pruning cost a language model more on harder tasks?" in first
    assert answer in first
    strip = first.partition("Harder tasks fall faster")[2].partition("Fine-tuning does not bring it back")[0]
    assert verdict in strip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "undecided", "seeds_needed": 7}, "To decide: about 7 seeds (context of A)."),
        ({"verdict": "undecided", "examples_needed": 9000}, "To decide: about 9,000 examples (context of A)."),
        ({"verdict": "undecided", "reason": "one seed: the spread is unknown"}, "one seed: the spread is unknown"),
        ({"verdict": "undecided", "examples_needed": None, "detectable": None}, "no number of examples would do"),
        ({}, "The test supports it."),
    ],
)
def test_what_would_decide_comes_from_the_table(tmp_path, change, words):
    page = write(tmp_path, [small(), small(task="b", label="B")], claims_table({"unit": "context of a"} | change))
    assert words in page.text


def test_a_retention_is_shown_as_the_loss(tmp_path):
    row = {"claim": "irreversible", "estimate": 0.638, "low": -1.22, "high": 2.496, "verdict": "undecided"}
    assert "0.36 (−1.50 to 2.22)" in write(tmp_path, [small()], claims_table(row)).text


def test_models_have_verdicts_of_their_own(tmp_path):
    conditions = [small(model=model, task=task, label=task) for model in "mn" for task in "ab"]
    claims = claims_table({"model": "m"}, {"model": "n", "verdict": "contradicted"})
    page = write(tmp_path, conditions, claims)
    assert "two language models" in page.text
    assert "M: supported and n: contradicted." in page.text


def test_without_any_claim_or_behavior_the_page_stands(tmp_path):
    page = write(tmp_path, [small(methods=(), levels=())])
    assert page.open == []
    assert "scored without compression" in page.text
    assert "No experiment of the study tests it." in page.text
    assert "No compressed cell of this study has answers that are right or wrong." in page.text


def test_one_cell(tmp_path):
    assert "What does pruning cost SmolLM2-135M on A?" in write(tmp_path, [small()]).text


@pytest.mark.parametrize(
    ("compressions", "what"),
    [
        (("rtn-4bit", "rtn-3bit"), "quantization"),
        (("svd-rank0.25",), "low rank"),
        (("rtn-4bit", "magnitude-0.5"), "compression"),
    ],
)
def test_the_question_names_what_was_done(tmp_path, compressions, what):
    conditions = [small(task=task, label=task, methods=(), compressions=compressions) for task in "ab"]
    assert f"Does {what} cost a language model more" in write(tmp_path, conditions).text


def test_undefined_and_unbounded_values(tmp_path):
    drops = tables.drops_table([small()])
    compressed = pl.col("method") != "dense"
    nothing = [
        pl.when(compressed).then(None).otherwise(pl.col(n)).alias(n)
        for n in ("retention", "retention_low", "retention_high")
    ]
    assert "dense is not above its baseline" in write(tmp_path, drops.with_columns(nothing)).text
    assert "share lost is unbounded" in write(tmp_path, drops.with_columns(nothing[1:])).text


def test_trust_names_seeds_steps_collapse_and_cut_texts(tmp_path):
    drops = tables.drops_table([small(transfers=MODES, n_seeds=2), small(task="b", label="B", n_seeds=1)])
    drops = drops.with_columns(truncated=0.4, collapsed=pl.when(pl.col("transfer") == "sparse").then(2).otherwise(0))
    text = write(tmp_path, drops).text.partition("How far to trust this.")[2]
    for words in (
        "fine-tuned results rest on two seeds of 32 steps each",
        "collapsed: they give one answer",
        "40 % of the texts were cut",
        "Skill is the score above the baseline: chance",
    ):
        assert words in text


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
        "3.0 seconds of work",
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


def test_missing_tables_and_empty_ones_are_users_errors(tmp_path):
    found, file = write_inputs(tmp_path, tables.drops_table([small()]), claims_table())
    (found / "claims.parquet").unlink()
    with pytest.raises(UserError, match=r"claims\.parquet"):
        write_report(found, file, tmp_path / "report.html")
    write_frame(pl.read_parquet(found / "drops.parquet").clear(), found / "drops.parquet")
    with pytest.raises(UserError, match="no rows, so there is nothing to report"):
        write_report(found, file, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_same_inputs_give_the_same_page(tmp_path):
    write(tmp_path, [small()])
    first = (tmp_path / "report.html").read_bytes()
    write_report(tmp_path / "tables", tmp_path / "study-0.json", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == first


@pytest.mark.parametrize("study", [{}, [], [1, {"a": 2}], "text", {"study": "flat", "versions": {"torch": "2"}}])
def test_any_json_is_shown(tmp_path, study):
    assert write(tmp_path, [small()], study=study).open == []


def test_metric_human_scores_and_the_order_of_conditions(tmp_path):
    known = small(task="cola", label="CoLA", chance=0.0, dense=0.5, metric="matthews", human=0.664)
    page = write(tmp_path, [known, *(small(knobs=f"shots={k}", label=f"{k} shots") for k in (10, 2))])
    assert "Gap by human" in page.text
    assert "0.664" in page.text
    assert "Matthews correlation" in page.text
    assert re.findall(r"(\d+) shots #", page.text)[::2] == ["2", "10"]


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


def test_a_figure_does_not_repeat_the_experiment_that_its_section_names(tmp_path):
    page = write(tmp_path, [small(experiment="transfer_modes", transfers=MODES, levels=(0.3, 0.6), n_seeds=2)])
    assert "transfer_modes" not in re.sub(r"figures/\S+", "", page.text.partition("All numbers")[0])
    assert "Score against sparsity by transfer mode MMLU" not in page.text
    assert "Score against sparsity by transfer mode" in page.text
    assert ": transfer modes" not in page.text
    assert "At magnitude 60 %, A loses" in page.text


def test_captions_have_no_marks_of_markdown(written):
    page, _, _ = written
    captions = page.text.split("How to read this figure")[1:]
    assert captions
    assert not [words[:400] for words in captions if "`" in words[:400]]


def test_a_condition_alone_is_not_each(tmp_path):
    assert "tested on A, with 400 examples." in write(tmp_path, [small(levels=(0.3, 0.6))]).text


def test_the_key_to_the_tests_is_only_there_with_tests(tmp_path):
    key = "Filled: supported or contradicted"
    assert key in write(tmp_path / "a", [small()], claims_table({})).text
    assert key not in write(tmp_path / "b", [small()], claims_table()).text


def test_where_nothing_can_be_lost_the_finding_says_why(tmp_path):
    drops = tables.drops_table([small()]).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("retention", "retention_low", "retention_high")
    )
    assert "A share of skill lost is undefined: the dense model is nowhere above" in write(tmp_path, drops).text

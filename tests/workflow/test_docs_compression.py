"""The page on compressions: valid YAML, and tables and an error that are the code's."""

import copy
import re
from collections import Counter

import pytest
import yaml
from project import ROOT

from junkdna.cli.main import parser
from junkdna.cli.methods import methods
from junkdna.compress import effective_bits
from junkdna.errors import UserError
from junkdna.report.catalog import FIGURES, Outline, figure_names
from junkdna.study import grid
from junkdna.study.load import resolve
from junkdna.study.methods import METHODS
from junkdna.study.number_formats import NUMBER_FORMATS

PAGE = (ROOT / "docs/compression.md").read_text()
README = (ROOT / "README.md").read_text()
RUNNING = (ROOT / "docs/running.md").read_text()


def block(page: str, language: str, start: str = "") -> str:
    """The first block of a page in a language whose text begins with `start`."""
    return re.search(rf"```{language}\n({re.escape(start)}.*?)```", page, flags=re.DOTALL)[1]


STUDY = yaml.safe_load(block(PAGE, "yaml"))


def test_the_study_of_the_page_is_good_and_has_every_method() -> None:
    cells = grid.all_cells(resolve(STUDY, "docs/compression.md"))
    assert {cell.compression.method for cell in cells} == {"dense", *METHODS}
    tags = {cell.compression.tag for cell in cells}
    assert {"gptq-4bit,calibration=questions,group=64", "svd-rank0.2,layers=24-29.mlp", "nm-keep6of8"} <= tags


def test_the_example_of_blocks_and_low_rank_is_good() -> None:
    example = yaml.safe_load(block(PAGE, "yaml", "# allocation.yaml\nstudy: allocation"))
    cells = grid.all_cells(resolve(example, "docs/compression.md"))
    tags = {cell.compression.tag for cell in cells}
    assert {"wanda-0.5,allocation=owl,calibration=arc", "wanda-0.7,allocation=7+7+8+8+9+9,calibration=arc"} <= tags
    assert "svd_whitened-rank0.25,calibration=arc,layers=3-5" in tags
    assert len(tags) == 11


def test_only_random_has_a_cell_for_each_seed_as_the_page_says() -> None:
    resolved = resolve(STUDY, "docs/compression.md", {"experiments": ["controls"]})
    counted = Counter(cell.compression.tag for cell in grid.all_cells(resolved))
    assert {tag: n for tag, n in counted.items() if n > 1} == {"random-0.1": 3, "random-0.5": 3}


def test_the_tables_of_methods_and_options_are_those_of_the_declarations() -> None:
    tables = PAGE.split("<!-- begin: junkdna methods --markdown -->\n")[1].split("<!-- end -->")[0]
    assert tables.splitlines() == [*methods(markdown=True)], (
        "paste the output of `junkdna methods --markdown` between the marks"
    )


def test_the_error_of_the_page_is_what_that_mistake_gives() -> None:
    study = copy.deepcopy(STUDY)
    study["experiments"]["controls"]["compressions"][1]["sparsity"] = [30]
    with pytest.raises(UserError) as error:
        resolve(study, "config.yaml")
    assert str(error.value) == block(PAGE, "text").rstrip("\n")


def test_the_bits_of_the_page_are_those_of_the_formulas() -> None:
    start = PAGE.index("| what | bits a weight |")
    lines = PAGE[start : PAGE.index("\n\n", start)].splitlines()[2:]
    plain = {"group": 128, "inputs": 4096, "outputs": 4096}
    found = [
        effective_bits.sparse_bits(0.5),
        effective_bits.keep_of_bits(2, 4),
        effective_bits.quantized_bits(4, **plain, symmetric=False, act_order=False),
        effective_bits.quantized_bits(4, **plain, symmetric=True, act_order=False),
        effective_bits.quantized_bits(4, **plain, symmetric=False, act_order=True),
        effective_bits.low_rank_bits(1024, 4096, 4096),
    ]
    assert [line.split("|")[-2].strip() for line in lines] == [f"{bits:.4g}" for bits in found]


def test_the_table_of_number_formats_is_that_of_the_declarations() -> None:
    start = PAGE.index("| format | element |")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE[start : PAGE.index("\n\n", start)].splitlines()[2:]
    ]
    assert [row[0] for row in rows] == [f"`{name}`" for name in NUMBER_FORMATS]
    for (_, element, block, scale, _, bits, _), (name, form) in zip(rows, NUMBER_FORMATS.items(), strict=True):
        assert bits == f"{effective_bits.format_bits(name, 4096, 4096, act_order=False, per_channel=False):.3f}"
        assert element == form.element.upper() or name == "nf4"
        assert block == str(form.block) or not form.block
        assert scale.lower().startswith(form.scale)


def test_figures_of_the_page_are_made() -> None:
    resolved = resolve(STUDY, "docs/compression.md")
    tags = {name: {c.tag for c in grid.levels(exp.compressions)} for name, exp in resolved.study.experiments.items()}
    names = figure_names({name: Outline({"none"}, 1, found) for name, found in tags.items()})
    made = {name for name in names if "-" not in name.partition("_")[0]}  # the first view of each figure
    one_axis = {f"{name}_one_axis" for name in ("sparsity", "budget", "rank", "behavior")}
    controls = {f"{name}_controls" for name in ("sparsity", "bands", "behavior")}
    assert made == {"headline", "claims", "layers", "margins", *one_axis, *controls}
    families = {name for name, figure in FIGURES.items() if figure.per == "experiment"}
    assert families - {"published"} == set(re.findall(r"`([a-z]+)_NAME`", RUNNING))
    here = {name for name, figure in FIGURES.items() if figure.levels and not figure.rated and figure.lengths == 1}
    assert here == set(re.findall(r"`([a-z]+)_NAME`", PAGE))


def test_commands_and_links_of_the_page_exist() -> None:
    for flags in re.findall(r"`junkdna (doctor [^`]+)`", PAGE + README):
        assert parser().parse_args(flags.split()).model
    for path in re.findall(r"\]\((?!https?:|#)([^)]+)\)", PAGE):
        assert (ROOT / "docs" / path).is_file(), path
    for path in re.findall(r"`((?:tests|workflow)/[\w/.]+)`", PAGE):
        assert (ROOT / path).is_file(), path

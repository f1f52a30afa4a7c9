"""`junkdna methods`: the declarations as a list and as Markdown."""

from junkdna.cli import methods
from junkdna.cli.main import parser
from junkdna.study.methods import METHODS


def test_every_method_is_listed_with_its_levels_and_options(capsys):
    args = parser().parse_args(["methods"])
    args.run(args)
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert [*lines] == [*METHODS]
    assert all(method.meaning in lines[name] for name, method in METHODS.items())
    assert " keep and of " in lines["nm"]
    assert lines["rtn"].endswith("  [group, symmetric, per_channel, layers]")
    assert lines["nm"].endswith("  [layers]")


def test_markdown_escapes_bars_links_papers_and_names_the_values_of_options(capsys):
    args = parser().parse_args(["methods", "--markdown"])
    args.run(args)
    text = capsys.readouterr().out
    assert text.splitlines() == [*methods.methods(markdown=True)]
    assert "| prune the smallest \\|w\\| under one threshold" in text
    assert "[arXiv 2306.11695](https://arxiv.org/abs/2306.11695)" in text
    assert "| `group` | `gptq`, `rtn` | whole number from 0 to 65536 that divides the inputs, or 0 |" in text
    assert "| `gptq` | `bits`, or `format` | `group` (128), `symmetric` (false), `act_order` (false), " in text
    assert (
        "| `wanda` | `sparsity`, or `keep` and `of` | `layers` (all), `allocation` (uniform), `owl_threshold` (5), "
        in text
    )
    assert "`calibration` (required) | norm of each input |" in text
    assert "`calibration` (required by owl) |  | prune the smallest" in text
    assert "| `layers` | all | a list of texts |" in text
    assert "| `owl_lambda` | `magnitude_layer`, `sparsegpt`, `wanda` | number from 0 to 0.5 |" in text

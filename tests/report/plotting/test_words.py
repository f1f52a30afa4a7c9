"""Numbers and names in figures: no false precision, units, names in words, and numbers with their percent sign."""

import pytest

from junkdna.report.plotting import layout, text, theme, ticks


@pytest.mark.parametrize(
    ("value", "words"), [(0.685, "68 %"), (0.02, "2 %"), (0.0123, "1 %"), (0.0022, "0.2 %"), (0.00001, "0.1 %")]
)
def test_a_share_has_no_false_precision(value, words):
    assert text.share(value) == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.5, 0.25, 0.75), "0.50 (0.25 to 0.75)"),
        ((-0.001, -0.5, 0.5), "0.00 (−0.50 to 0.50)"),
        ((0.5, None, 0.75), "0.50"),
        ((None, None, None), "undefined"),
    ],
)
def test_a_value_has_its_interval_if_it_is_known(values, words):
    assert ticks.measured(*values) == words


def test_the_unit_stands_at_the_value():
    assert ticks.measured(97.04, 94.46, 99.6, 1, " %") == "97.0 % (94.5 to 99.6)"


def test_names_of_experiments_are_words():
    assert text.spaced("transfer_modes") == "transfer modes"


@theme.themed
def test_a_number_stays_with_its_percent_sign_and_its_name():
    fig = _figure()
    for width in (0.3, 0.5, 0.8, 1.2):
        lines = layout.wrap(fig, "Sparsity: 30 to 90 %. Bars: 95 % intervals, n = 1,500", 7, width).split("\n")
        assert not any(line.startswith(("%", "=")) or line.endswith(("=", " n")) for line in lines)
        assert any("n = 1,500" in line for line in lines)


@theme.themed
def test_a_legend_reads_from_left_to_right():
    """matplotlib fills a legend column by column."""
    from matplotlib.lines import Line2D

    fig = _figure()
    names = ["smallest weights", "largest weights", "random weights", "dense", "baseline"]
    legend = layout._legend(fig, [Line2D([], [], label=name) for name in names], 3.2)
    fig.canvas.draw()
    renderer = fig.canvas.get_renderer()
    boxes = [(each.get_window_extent(renderer), each.get_text()) for each in legend.get_texts()]
    read = [name for _, name in sorted(boxes, key=lambda pair: (-round(pair[0].y0, 0), pair[0].x0))]
    assert len({round(box.y0) for box, _ in boxes}) > 1
    assert read == names


def _figure():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(7, 2))
    FigureCanvasAgg(fig)
    return fig

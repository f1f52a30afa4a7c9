import os

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from junkdna.report.plotting import layout


def small_figure() -> Figure:
    fig = Figure(figsize=(2, 1))
    FigureCanvasAgg(fig)
    fig.subplots().plot([0, 1], [1, 0])
    return fig


def test_save_writes_three_formats_and_leaves_no_unfinished_file(tmp_path):
    written = layout.save(small_figure(), tmp_path / "deep" / "a.b")
    assert [path.name for path in written] == ["a.b.pdf", "a.b.svg", "a.b.png"]
    assert sorted(os.listdir(tmp_path / "deep")) == ["a.b.pdf", "a.b.png", "a.b.svg"]


def test_a_failing_save_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: (path.write_text("half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        layout.save(small_figure(), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_same_figure_same_bytes_in_all_formats(tmp_path):
    one, two = (layout.save(small_figure(), tmp_path / name / "fig") for name in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]

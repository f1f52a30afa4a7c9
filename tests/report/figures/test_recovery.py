import pytest
from figure_pages import of_kind, points, titles
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report import catalog
from junkdna.report.figures import recovery

MODES = ("dense", "sparse", "sparse_to_dense")


def trained(*protocols: str, **more) -> list[Condition]:
    settings = {"experiment": "x", "levels": (0.3, 0.6), "transfers": MODES} | more
    return [Condition("a", "", "A", 0.5, 0.9, 0.5, protocol=name, **settings) for name in protocols]


def test_retention_against_the_length_of_training():
    table = drops_table(trained("p", "p-x3", "p-x10"))
    drawing = recovery.marks(table, "x")
    assert titles(drawing) == ["A"]
    for mode in MODES[1:]:
        for level in (0.3, 0.6):
            found = points(drawing, 0, series=f"{mode} magnitude-{level:g}")
            rows = {row["protocol"]: row for row in table.filter(transfer=mode, sparsity=level).iter_rows(named=True)}
            own = [rows[name] for name in ("p", "p-x3", "p-x10")]
            assert [mark.x for mark in found] == [1, 3, 10]
            assert [mark.y for mark in found] == [row["retention"] for row in own]
            assert [mark.low for mark in found] == [row["retention_low"] for row in own]
            assert {mark.color for mark in found} == {f"pruned-{100 * level:g}"}
    assert len(of_kind(drawing, 0, "run")) == 3 * len(points(drawing, 0))
    assert drawing.panels[0].x.log
    assert [text for _, text in drawing.panels[0].x.ticks] == ["1", "3", "10"]


def test_base_protocols_and_methods_have_panels_of_their_own():
    table = drops_table(trained("p", "p-x3", "q", "q-x3", methods=("magnitude", "random")))
    assert len(titles(recovery.marks(table, "x"))) == len(set(titles(recovery.marks(table, "x")))) == 4


@pytest.mark.parametrize(("protocols", "drawn"), [(("p", "p-x3"), True), (("p", "q-x3"), False), (("p",), False)])
def test_only_experiments_with_two_lengths_of_one_protocol_have_it(protocols, drawn):
    table = drops_table(trained(*protocols))
    assert ("recovery_x" in catalog.figure_names(catalog.outlines(table))) == drawn
    if not drawn:
        with pytest.raises(UserError, match="no condition was trained for two lengths"):
            recovery.marks(table, "x")

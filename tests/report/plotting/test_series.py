import itertools

import polars as pl
import pytest

from junkdna.analysis.series import Series, strength
from junkdna.report.plotting import series, theme
from junkdna.study.methods import METHODS, Method

C4 = ",calibration=c4"


def all_of(*tags: str) -> list[Series]:
    return series.present(pl.DataFrame({"compression": tags}))


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        (["magnitude-0.3", "magnitude-0.5", "dense"], 1),
        (["magnitude-0.3", "magnitude-0.3,reference_ties=true"], 2),
        (["rtn-4bit", "rtn-4bit,group=64", "rtn-3bit,group=64"], 2),
        (["nm-keep2of4", "nm-keep1of4", "nm-keep4of8"], 2),
        (["wanda-0.5" + C4, "wanda-keep2of4" + C4, "wanda-0.5,calibration=wiki"], 3),
        (["rtn-4bit", "rtn-nvfp4", "rtn-mxfp4", "rtn-fp8,per_channel=true"], 4),
        (["dense"], 0),
    ],
)
def test_a_line_is_a_method_with_its_options_and_kind_of_level(tags, count):
    assert len(all_of(*tags)) == count
    assert len({line.key for line in all_of(*tags)}) == count


def test_dense_rows_are_selected_only_by_none():
    rows = pl.DataFrame({"compression": ["dense", "rtn-4bit", "magnitude-0.3", "rtn-3bit,group=64"]})
    rtn = [one for one in series.present(rows) if one.method == "rtn"]
    assert list(series.select(rows, rtn)["compression"]) == ["rtn-4bit", "rtn-3bit,group=64"]
    assert list(series.select(rows, [None, *rtn[:1]])["compression"]) == ["dense", "rtn-4bit"]


def test_what_prunes_comes_first_and_magnitude_before_all():
    tags = ["svd-rank0.5", "band-0.1to0.2", "wanda-keep2of4" + C4, "wanda-0.5" + C4, "largest-0.5", "rtn-4bit"]
    tags += ["magnitude-0.5,embeddings=true", "magnitude-0.5"]
    found = [one.key for one in all_of(*tags)]
    assert found[:2] == ["magnitude", "magnitude,embeddings=true"]
    assert found[2:] == ["largest", f"wanda{C4}", f"wanda of 4{C4}", "rtn", "svd", "band"]


def test_number_formats_follow_the_integers_by_their_bits_and_are_named():
    tags = ["rtn-mxfp4", "rtn-nvfp4", "svd-rank0.5", "rtn-4bit,group=64", "rtn-fp8", "rtn-nf4", "rtn-4bit"]
    found = all_of(*tags)
    assert [one.key for one in found] == [
        "rtn",
        "rtn,group=64",
        *(f"rtn {f}" for f in ("fp8", "nf4", "nvfp4", "mxfp4")),
        "svd",
    ]
    labels = ["RTN, groups of 128", "RTN, groups of 64", "RTN FP8", "RTN NF4", "RTN NVFP4", "RTN MXFP4", "SVD"]
    assert [*series.labels(found).values()] == labels
    assert series.shared_options(all_of("rtn-nvfp4", "rtn-mxfp4")) == []
    assert strength("rtn-fp8") < strength("rtn-nvfp4") == strength("rtn-nf4") < strength("rtn-mxfp4")


@pytest.mark.parametrize(
    "weak_to_strong",
    [
        ["magnitude-0.05", "magnitude-0.3", "magnitude-1"],
        ["nm-keep3of4", "nm-keep2of4", "nm-keep0of4"],
        ["rtn-8bit", "rtn-4bit", "rtn-3bit", "rtn-2bit"],
        ["svd-rank0.9", "svd-rank0.25", "svd-rank0"],
        ["band-0to0.1", "band-0.1to0.2", "band-0.9to1"],
    ],
)
def test_strength_rises_along_a_line(weak_to_strong):
    found = [strength(tag) for tag in weak_to_strong]
    assert all(a < b for a, b in itertools.pairwise(found))


def test_labels_show_the_options_that_differ_and_the_footer_the_others():
    found = all_of("rtn-4bit", "rtn-4bit,group=64", "gptq-4bit" + C4, "wanda-0.5" + C4, "wanda-keep2of4" + C4)
    assert sorted(series.labels(found).values()) == [
        "GPTQ, groups of 128",
        "RTN, groups of 128",
        "RTN, groups of 64",
        "Wanda",
        "Wanda, N of 4 kept",
    ]
    assert series.shared_options(found) == ["Shared options (where applicable): calibrated on c4."]
    alike = all_of("rtn-4bit", "gptq-4bit" + C4)
    assert set(series.labels(alike).values()) == {"RTN", "GPTQ"}
    assert series.shared_options(alike) == ["Shared options (where applicable): groups of 128; calibrated on c4."]
    (shown,) = series.shared_options(alike, [one for one in alike if one.method == "rtn"])
    assert "c4" not in shown
    assert series.shared_options(all_of("magnitude-0.3")) == []
    (ties,) = all_of("magnitude-0.3,reference_ties=true")
    assert series.shared_options([ties]) == ["Shared options (where applicable): all ties pruned."]
    (whole,) = all_of("rtn-4bit,group=0")
    assert series.shared_options([whole]) == ["Shared options (where applicable): one group per row."]


def test_layers_and_allocations_are_named_where_they_differ():
    blocks = all_of("wanda-0.5" + C4, "wanda-0.5,allocation=owl" + C4, "magnitude_layer-0.5,allocation=1+2")
    assert sorted(series.labels(blocks).values()) == [
        "Wanda, OWL",
        "Wanda, every block alike",
        "smallest weights of each matrix pruned, blocks in proportion 1:2",
    ]
    layers = all_of("magnitude-0.5,layers=11.mlp", "rtn-4bit")
    assert sorted(series.labels(layers).values()) == [
        "RTN, all layers",
        "smallest weights pruned (magnitude), only 11.mlp",
    ]
    alike = all_of("magnitude-0.5,layers=11.mlp", "rtn-4bit,layers=11.mlp")
    assert series.shared_options(alike) == ["Shared options (where applicable): only 11.mlp; groups of 128."]
    assert series.shared_options(all_of("magnitude_layer-0.5", "wanda-0.5" + C4)) == [
        "Shared options (where applicable): calibrated on c4."
    ]


def test_every_method_has_a_name_and_lines_have_different_styles():
    level = {"sparsity": "0.5", "keep_of": "keep2of4", "band": "0.2to0.3", "bits": "4bit", "rank": "rank0.25"}
    level["format"] = "nvfp4"
    level["external"] = "from-half"
    found = all_of(*(f"{name}-{level[kind]}" for name, method in METHODS.items() for kind in method.levels))
    assert len(found) == sum(len(method.levels) for method in METHODS.values())
    names = series.labels(found)
    assert len(set(names.values())) == len(found)
    assert not [name for name in names.values() if "_" in name]
    drawn = [one for one in found if one.kind != "band"]
    line, marker = series.lines(drawn), series.markers(drawn)
    assert len({*line.values()}) == len(drawn)
    assert len({*marker.values()}) == len(theme.MARKERS) - 3  # 16 series share 13 markers; ring, cross, bar mean others
    styles = [*map(theme.method_line, METHODS), *theme.SPARE_LINES]
    assert len(set(styles)) == len(styles)


def test_a_new_method_has_its_own_label_options_and_style(monkeypatch):
    """It is known only by its declaration, and no option has a label."""
    declared = {"label": "Fresh", "line_style": (0, (9, 1)), "meaning": "", "over": "model", "levels": ("sparsity",)}
    declared |= {"guarantee": "model"}
    options = {"damping": {"default": 0.5, "meaning": ""}, "per_head": {"default": False, "meaning": ""}}
    monkeypatch.setitem(METHODS, "fresh", Method(name="fresh", options=options, **declared))
    one, two, magnitude = sorted(all_of("fresh-0.3", "fresh-0.3,per_head=true", "magnitude-0.3"), key=lambda s: s.key)
    assert series.labels([one, two, magnitude]) == {
        one: "Fresh, per head False",
        two: "Fresh, per head True",
        magnitude: "smallest weights pruned (magnitude)",
    }
    assert series.lines([one, magnitude]) == {one: "9 1", magnitude: "solid"}
    assert series.markers([magnitude, one])[one] != "circle"
    assert series.compression_label("fresh-0.3,per_head=true") == "Fresh 30 %, damping 0.5, per head True"
    assert series.shared_options([one]) == ["Shared options (where applicable): damping 0.5."]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("dense", "dense"),
        ("magnitude-0.7", "magnitude 70 %"),
        ("magnitude-0.7,reference_ties=true", "magnitude 70 %, all ties pruned"),
        ("nm-keep2of4", "N:M sparsity, 2 of 4 kept"),
        ("magnitude_layer-0.5", "magnitude per matrix 50 %"),
        ("wanda-keep2of4,calibration=c4", "Wanda, 2 of 4 kept, calibrated on c4"),
        ("rtn-4bit", "RTN 4 bits, groups of 128"),
        ("rtn-nvfp4", "RTN NVFP4"),
        ("rtn-fp8", "RTN FP8"),
        ("gptq-fp8,calibration=c4,per_channel=true", "GPTQ FP8, one scale per row, calibrated on c4"),
        (
            "gptq-3bit,act_order=true,calibration=c4,group=0",
            "GPTQ 3 bits, one group per row, ordered by activation, calibrated on c4",
        ),
        ("svd-rank0.25,layers=10.mlp+11.mlp", "SVD rank 0.25, only 10.mlp + 11.mlp"),
        ("band-0.2to0.3", "band 20 to 30 %"),
        ("magnitude-0.5,layers=11.mlp", "magnitude 50 %, only 11.mlp"),
        ("wanda-0.5,allocation=owl,calibration=c4", "Wanda 50 %, OWL, calibrated on c4"),
        (
            "wanda-0.5,allocation=owl,calibration=c4,owl_lambda=0.1,owl_threshold=7",
            "Wanda 50 %, OWL, outliers above 7 times the mean, blocks within 0.1 of the sparsity, calibrated on c4",
        ),
        ("magnitude_layer-0.5,allocation=3+0.5", "magnitude per matrix 50 %, blocks in proportion 3:0.5"),
        (
            f"magnitude_layer-0.5,allocation={'+'.join(map(str, range(1, 13)))}",
            "magnitude per matrix 50 %, blocks in proportion 1:2:3:4:5:6:...:12",
        ),
    ],
)
def test_label_of_one_compression(tag, text):
    assert series.compression_label(tag) == text


def test_each_external_checkpoint_is_a_series_alone():
    tags = ("external-from-awq,effective_bits=4.25,quantized=true", "external-from-half", "magnitude-0.5")
    found = all_of(*tags)
    assert len(found) == 3
    assert sorted(series.labels(found).values()) == [
        "external, awq, not pruned, 4.25 stated bits",
        "external, half",
        "smallest weights pruned (magnitude)",
    ]
    assert series.compression_label(tags[1]) == "external half"
    assert series.shared_options(all_of("external-from-half", "external-from-other")) == []


def test_levels_in_the_legend_go_from_weak_to_strong_across_sparsity_and_n_m():
    tags = ["magnitude-0.3", "nm-keep1of4", "nm-keep2of4", "magnitude-0.5", "rtn-nf4", "rtn-nvfp4", "rtn-4bit"]
    keys = series.level_keys(tags)
    assert [key.label for key in keys] == ["30 % pruned", "50 % pruned", "1 of 4 kept", "4 bits", "NF4, NVFP4"]
    assert len({key.color for key in keys}) == len(keys)

"""The toy study and the default study are valid; a value that cannot be meant is one UserError that names its place."""

from pathlib import Path

import pytest
import toy
from project import ROOT
from toy_study import DELETE, changed, error_of

from junkdna.study.load import load_study

LAYER = {"method": "magnitude_layer", "sparsity": [0.5]}
OWL = {"method": "wanda", "sparsity": [0.5], "calibration": "phrases", "allocation": "owl"}


def test_the_toy_study_and_the_default_study_are_valid(world, monkeypatch):
    assert list(load_study(Path("config.yaml")).study.active()) == ["context", "modes"]
    assert list(load_study(Path("settings.yaml")).study.active()) == [*toy.SETTINGS["experiments"]]
    monkeypatch.chdir(ROOT)
    resolved = load_study(Path("config.yaml"))
    assert "language_model" not in resolved.study.active()


@pytest.mark.parametrize(
    ("grid_entry", "says"),
    [
        ({"method": "magnitude", "sparsity": 1.5}, ("sparsity 1.5", "0..1 (the fraction of weights pruned)")),
        ({"method": "magnitude", "sparsity": 5}, ("sparsity 5", "did you mean 0.05?")),
        ({"method": "magnitude", "sparsity": "50%"}, ("sparsity.0", "between 0 and 1", "did you mean 0.5?")),
        ({"method": "magnitude", "sparsity": "0,5"}, ("did you mean 0.5?",)),
        ({"method": "magnitude", "sparsity": "1/2"}, ("did you mean 0.5?",)),
        ({"method": "magnitude", "sparsity": "2:4"}, ("use method nm", "keep: 2, of: 4")),
        ({"method": "magnitude", "sparsity": "half"}, ("sparsity.0: must be a number (given: 'half')", "0 and 1")),
        ({"method": "nm", "keep": "2:4"}, ("keep.0", "write keep: 2, of: 4")),
        ({"method": "nm", "keep": ["2of4"], "of": 4}, ("write keep: 2, of: 4",)),
        ({"method": "rtn", "bits": "4bit"}, ("bits.0", "write bits: 4")),
        ({"method": "rtn", "bits": ["int8"]}, ("write bits: 8",)),
        ({"method": "rtn", "bits": ["9bit"]}, ("must be a whole number (given: '9bit')",)),
        ({"method": "rtn", "bits": "nf4"}, ("bits.0", "write format: nf4")),
        ({"method": "rtn", "bits": "FP8"}, ("write format: fp8",)),
        ({"method": "rtn", "bits": "fp4"}, ("write format: mxfp4 or format: nvfp4",)),
        ({"method": "rtn", "format": "nvfp"}, ("format nvfp must be one of int2, int3", "did you mean nvfp4")),
        ({"method": "rtn", "format": ["int4", "int9"]}, ("format int9 must be one of int2",)),
        ({"method": "rtn", "format": 4}, ("format.0: must be a text",)),
        ({"method": "rtn", "format": "nvfp4", "bits": 4}, ("rtn takes bits: [3, 4, 8] or format: [int4, nvfp4]",)),
        ({"method": "wanda", "format": "nvfp4", "calibration": "c4"}, ("method wanda takes sparsity",)),
        (
            {"method": "rtn", "format": "nvfp4", "group": 16},
            ("option group does not apply to nvfp4, whose blocks have 16 inputs by definition", "integers (bits, int2"),
        ),
        (
            {"method": "rtn", "format": ["int4", "mxfp4"], "symmetric": True},
            ("option symmetric does not apply to mxfp4", "Leave symmetric out, or write two entries"),
        ),
        ({"method": "rtn", "format": "fp8", "group": 0}, ("option group does not apply to fp8; it is for integers",)),
        (
            {"method": "rtn", "format": "int4", "per_channel": True},
            ("per_channel does not apply to bits; it is for fp8",),
        ),
        ({"method": "gptq", "format": "nf4"}, ("gptq needs calibration",)),
        ({"method": "rtn", "bits": True}, ("bits.0: must be a whole number (given: 'true')",)),
        ({"method": "svd", "rank": "25%"}, ("rank.0", "did you mean 0.25?")),
        ({"method": "band", "band": "10-20"}, ("a pair of quantiles",)),
        ({"method": "band", "band": "0.1-0.2"}, ("write band: [0.1, 0.2]",)),
        ({"method": "magnitude", "sparsity": [0.5, 70]}, ("sparsity 70", "did you mean 0.7?")),
        ({"method": "magnitude", "sparsity": [-0.1]}, ("sparsity -0.1", "0..1")),
        ({"method": "magnitude", "sparsity": [float("nan")]}, ("sparsity", "nan")),
        ({"method": "magnitude", "sparsity": [0.12345678]}, ("0.12345678", "six digits")),
        ({"method": "magnitude", "sparsity": []}, ("sparsity: [0.3, 0.5]",)),
        ({"method": "magnitude"}, ("magnitude takes sparsity",)),
        ({"method": "magnitude", "keep": [2], "of": 4}, ("magnitude takes sparsity",)),
        ({"method": "magnitude", "sparsity": [0.5], "of": 4}, ("magnitude takes sparsity",)),
        ({"method": "nm", "sparsity": [0.5]}, ("nm takes keep", "of: 4")),
        ({"method": "nm", "keep": [2]}, ("nm takes keep", "of: 4")),
        ({"method": "nm", "keep": [2], "of": 4, "sparsity": [0.5]}, ("nm takes keep",)),
        ({"method": "nm", "keep": [2, 5], "of": 4}, ("[2, 5]", "0..4")),
        ({"method": "nm", "keep": [-1], "of": 4}, ("[-1]", "0..4")),
        ({"method": "nm", "keep": [0], "of": 0}, ("of", "at least 1 (given: 0)")),
        ({"method": "band", "band": [0.3, 0.1]}, ("band [0.3, 0.1]", "must be increasing")),
        ({"method": "band", "band": [[0.1, 1.2]]}, ("band [0.1, 1.2]", "0..1")),
        ({"method": "band", "sparsity": [0.1]}, ("band takes band: [[0.1, 0.2]",)),
        ({"method": "rtn", "bits": [9]}, ("bits 9", "2, 3, 4, 5, 6, 7, 8")),
        ({"method": "rtn", "sparsity": [0.5]}, ("rtn takes bits",)),
        ({"method": "rtn", "bits": [4], "group": -1}, ("group", "at least 0 (given: -1)")),
        ({"method": "rtn", "bits": [4], "act_order": True}, ("rtn has no option act_order", "group, symmetric")),
        ({"method": "svd", "rank": [40]}, ("rank 40", "not a number of singular values")),
        ({"method": "svd", "rank": [0.5], "layers": ["../x"]}, ("layers '../x'", "11.mlp")),
        ({"method": "svd", "rank": [0.5], "layers": []}, ("layers is empty", "omit it")),
        ({"method": "svd", "rank": [0.5], "layers": ["4.mlp", "5-2.mlp"]}, ("5-2 is decreasing", "write 2-5")),
        ({"method": "rtn", "bits": [4], "layers": ["../x"]}, ("layers '../x'", "11.mlp")),
        ({**LAYER, "allocation": "olw"}, ("unknown allocation 'olw'. Did you mean 'owl'?", "one number for each")),
        ({**LAYER, "allocation": 0.5}, ("allocation 0.5 must be uniform, owl, or a list",)),
        ({**LAYER, "allocation": []}, ("allocation lists no number above 0",)),
        ({**LAYER, "allocation": [0, 0.0]}, ("allocation lists no number above 0",)),
        ({**LAYER, "allocation": [1, -2]}, ("-2 is no relative sparsity", "from 0 to 1e+06")),
        ({**LAYER, "allocation": [1, "x"]}, ("'x' is no relative sparsity",)),
        ({**LAYER, "allocation": [1, float("inf")]}, ("inf is no relative sparsity",)),
        ({**LAYER, "allocation": [1, 10**7]}, ("10000000 is no relative sparsity", "from 0 to 1e+06")),
        ({**LAYER, "allocation": [1, True]}, ("True is no relative sparsity",)),
        ({**OWL, "owl_lambda": float("nan")}, ("owl_lambda", "finite")),
        ({**LAYER, "allocation": [1, 0.12345678]}, ("0.12345678", "six digits")),
        ({**LAYER, "allocation": [0.25] * 90}, ("file name of", "whole numbers in allocation")),
        ({**LAYER, "allocation": "owl"}, ("needs calibration, the name of one", "with allocation: owl only")),
        ({**LAYER, "calibration": "c4"}, ("with allocation: owl only. Set both or neither",)),
        ({**LAYER, "owl_lambda": 0.1}, ("owl_lambda is read with allocation: owl only",)),
        ({**OWL, "sparsity": [0.5, 0.05]}, ("owl cannot reach sparsity 0.05", "use an owl_lambda up to 0.05")),
        ({**OWL, "sparsity": 0.93}, ("owl cannot reach sparsity 0.93", "use an owl_lambda up to 0.07")),
        ({**OWL, "owl_lambda": 0.6}, ("owl cannot reach sparsity 0.5", "up to 0.5")),
        ({**OWL, "owl_threshold": -1}, ("owl_threshold of method wanda must be at least 0",)),
        ({**OWL, "sparsity": None, "keep": [2], "of": 4}, ("allocation needs a sparsity", "Use sparsity")),
        (
            {"method": "magnitude", "sparsity": [0.5], "allocation": "owl"},
            ("magnitude has no allocation", "Use magnitude_layer"),
        ),
        (
            {"method": "random", "sparsity": [0.5], "allocation": [1, 2]},
            ("random has no allocation", "Use magnitude_layer"),
        ),
        (
            {"method": "rtn", "bits": [4], "allocation": "owl"},
            ("rtn has no allocation", "magnitude_layer, sparsegpt, wanda"),
        ),
        ({"method": "svd_whitened", "rank": [0.5]}, ("svd_whitened needs calibration",)),
        ({"method": "band", "band": [10, 20]}, ("did you mean [0.1, 0.2]?",)),
        ({"method": "band", "band": [0.1, 0.2, 0.3]}, ("a pair [from, to]",)),
        ({"method": "gptq", "bits": [4]}, ("gptq needs calibration",)),
        ({"method": "wanda", "sparsity": [0.5], "keep": [2], "of": 4}, ("wanda takes sparsity", "or keep: [2]")),
        ({"method": "magnitude", "sparsity": [0.5], "calibration": "c4"}, ("magnitude has no option calibration",)),
        (
            {"method": "nm", "keep": [2], "of": 4, "embeddings": True},
            ("nm has no option embeddings", "its options: layers"),
        ),
        ({"method": "rtn", "bits": [4], "group": 65537}, ("option group of method rtn must be at most 65536", "65537")),
        ({"method": "rtn", "bits": [4], "grup": 64}, ("unknown key 'grup'. Did you mean 'group'",)),
        ({"method": "rtn", "bits": [4], "group": "big"}, ("group: must be a whole number (given: 'big')",)),
        ({"method": "rtn", "bits": [4], "symmetric": "ys"}, ("symmetric: must be true or false (given: 'ys')",)),
        ({"method": "nm", "keep": [4], "of": 2}, ("did you mean keep: 2, of: 4?",)),
    ],
)
def test_levels_must_fit_their_method(world, grid_entry, says):
    text = error_of(changed(toy.STUDY, "experiments|context|compressions|0", grid_entry))
    assert "experiments.context.compressions.0" in text
    assert [part for part in says if part not in text] == []


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("experiments|modes|compressions", [{"method": "magnitude", "sparsity": [0]}], DELETE),
        ("experiments|context|knobs", {"context": []}, ("experiments.context.knobs.context", "at least 1 entry")),
        (
            "experiments|context|knobs",
            {"context": [True]},
            ("knobs.context.0: must be a whole number or a text", "as true", "quotes"),
        ),
        (
            "experiments|context|tasks",
            [{"task": "colours", "options": "3"}],
            ("tasks.0.options: must be a whole number (given: '3')",),
        ),
        ("protocols", {"p": {"dtype": "float16"}}, ("protocols.p.dtype", "Valid: bfloat16, float32")),
        ("protocols", {"p": {"decoder_choice": "mcc"}}, ("protocols.p.decoder_choice", "Did you mean 'mcq'")),
        ("protocols", {"p": {"match": "epoch"}}, ("protocols.p.match", "Did you mean 'epochs'? Valid: epochs, steps")),
        ("experiments|context|seeds", [-1], ("experiments.context.seeds.0", "given: -1")),
        ("experiments|context|seeds", [], ("experiments.context.seeds", "at least 1 entry")),
        ("experiments|context|models", [], ("experiments.context.models",)),
        ("experiments|context|title", DELETE, ("experiments.context.title: is missing: write `title: ...` (a text)",)),
        ("experiments|context", None, ("experiments.context: is empty",)),
        ("experiments", {}, ("experiments: is empty; at least 1 entry",)),
        ("models|tiny", {"kind": "encoder"}, ("models.tiny", "exactly one of wheel, local, hub", "none")),
        ("models|tiny", {"kind": "encoder", "local": "x", "hub": "y"}, ("models.tiny", "local, hub")),
        ("models|tiny", {"kind": "encoder", "wheel": "ai2-olmo"}, ("models.tiny", "wheel needs path")),
        ("models|tiny", {"kind": "encoder", "wheel": "ai2-olmo", "path": "../x"}, ("models.tiny.path", "without '..'")),
        ("models|tiny", {"kind": "encoder", "local": ""}, ("models.tiny.local",)),
        ("models|tiny|kind", "encodr", ("models.tiny.kind", "Did you mean 'encoder' or 'decoder'")),
        ("tasks|mood|protocol", {"learning_rate": 5}, ("tasks.mood.protocol.learning_rate", "less than 1")),
        ("tasks|mood|protocol", {"max_length": 10**9}, ("tasks.mood.protocol.max_length", "131072")),
        ("tasks|mood|protocol", {"epochs": 0}, ("tasks.mood.protocol.epochs",)),
        ("protocols", {"p": {"weight_decay": float("inf")}}, ("protocols.p.weight_decay", "finite")),
        ("tasks|mood|source", "local", None),
    ],
)
def test_values_that_cannot_be_meant(world, path, value, says):
    study = changed(toy.STUDY, path, value)
    if says is None:  # legal, to show that its neighbors fail for their own reason
        toy.write_yaml(Path("config.yaml"), study)
        load_study(Path("config.yaml"))
        return
    if says is DELETE:
        study["experiments"]["modes"]["transfer"] = ["sparse"]
        says = ("experiments.modes", "level that prunes")
    text = error_of(study)
    assert [part for part in says if part not in text] == []

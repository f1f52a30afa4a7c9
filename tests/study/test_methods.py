"""The table of methods: light to import, and true to the functions it names and to what they take."""

import inspect
import re
import subprocess
import sys

import pytest
from project import ROOT

from junkdna.errors import UserError
from junkdna.study import declarations, methods
from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.methods import SCOPE_OPTIONS
from junkdna.study.options import function_options, option_texts, option_values

METHODS = methods.METHODS
STATISTICS = {"wanda": "square_sums", "sparsegpt": "gram", "gptq": "gram"}


@pytest.mark.parametrize("module", ["study.methods", "study.options", "study.levels", "compress.effective_bits"])
def test_planning_needs_no_torch(module):
    code = f"import sys, junkdna.{module}; assert not {{'torch', 'numpy', 'pydantic'}} & {{*sys.modules}}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", METHODS)
def test_every_entry_loads_its_own_file(name):
    method = METHODS[name]
    assert method.name == name
    assert method.meaning
    assert methods.load(name).__module__ == f"junkdna.compress.methods.{name}"
    assert {*method.levels} <= {*LEVEL_KINDS}


@pytest.mark.parametrize("name", METHODS)
def test_functions_take_what_the_table_says(name):
    method = METHODS[name]
    given = inspect.signature(methods.load(name)).parameters
    first = ["weights", "level", "generator"] if method.over == "model" else ["weight", "statistics", "level"]
    assert [*given][:3] == first
    defaults = {
        option: parameter.default for option, parameter in [*given.items()][3:] if option not in ("factors", "given")
    }
    assert defaults == {option: value for option, value in method.defaults.items() if option not in SCOPE_OPTIONS}


def test_what_depends_on_a_seed_and_what_is_stored():
    assert {name: method.statistics for name, method in METHODS.items() if method.statistics} == STATISTICS
    assert [name for name, method in METHODS.items() if method.random] == ["random"]
    assert {name for name, method in METHODS.items() if method.seeded} == {"random", *STATISTICS}
    assert {name for name, method in METHODS.items() if method.precompute} == {"svd", "external", *STATISTICS}
    assert all(("calibration" in method.options) == bool(method.statistics) for method in METHODS.values())


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """A function that reads the methods of a folder which holds one file with a declaration."""
    good = {"label": "L", "line_style": "-", "meaning": "m", "over": "matrix"}
    good |= {"levels": ("sparsity",), "guarantee": "row"}

    def read(**changes):
        literal = ", ".join(f"{name}={value!r}" for name, value in (good | changes).items() if value is not None)
        (tmp_path / "compress" / "methods" / "mine.py").write_text(f"METHOD = Method({literal})\n")
        return methods.read_methods()

    (tmp_path / "compress" / "methods").mkdir(parents=True)
    monkeypatch.setattr(declarations, "PACKAGE", tmp_path)
    return read


def test_a_file_is_a_method_with_the_name_of_the_file(declare):
    mine = declare(options={"power": {"default": 2, "meaning": "x"}}, scope=("layers",), caption=None)["mine"]
    assert (mine.name, mine.module, mine.caption) == ("mine", "junkdna.compress.methods.mine", "L")
    assert mine.defaults == {"power": 2, "layers": ()}
    assert [*mine.function_options] == ["power"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": None}, "missing 1 required keyword-only argument: 'label'"),
        ({"colour": "red"}, "unexpected keyword argument 'colour'"),
        ({"levels": ("sparsty",)}, "unknown kind of level 'sparsty'. Did you mean 'sparsity'"),
        ({"scope": ("layer",)}, "unknown scope 'layer'. Did you mean 'layers'"),
        ({"guarantee": ""}, "must declare its guarantee: model, matrix or row"),
        ({"options": {"power": {"default": 1}}}, "missing 1 required keyword-only argument: 'meaning'"),
        (
            {"options": {"power": {"default": "a", "meaning": "x"}}},
            "option power: its default must be true, false",
        ),
        ({"options": {"keep": {"default": 1, "meaning": "x"}}}, "keep: this key already has a meaning in studies"),
        ({"statistics": "gram"}, "a method with statistics must be precomputed"),
        ({"precompute": True, "over": "model"}, "a method over the model cannot be precomputed"),
        ({"gives": "weight"}, "a method that gives no mask can take only bits or rank"),
    ],
)
def test_a_declaration_that_contradicts_itself_names_its_file(declare, changes, words):
    with pytest.raises(ValueError, match=rf"^compress/methods/mine\.py: METHOD: .*{re.escape(words)}"):
        declare(**changes)


def test_an_option_has_one_type_in_all_methods(declare, tmp_path):
    other = "label='O', line_style='-', meaning='m', over='matrix', levels=('keep_of',)"
    file = tmp_path / "compress" / "methods" / "other.py"
    file.write_text(f"METHOD = Method({other}, options={{'power': {{'default': 1.0, 'meaning': 'x'}}}})\n")
    with pytest.raises(ValueError, match="option power has different types in mine and other"):
        declare(options={"power": {"default": 2, "meaning": "x"}})


def test_options_survive_their_text():
    given = {"group": 64, "symmetric": True, "act_order": False, "calibration": "c4"}
    texts = option_texts("gptq", given)
    assert texts == (("calibration", "c4"), ("group", "64"), ("symmetric", "true"))
    assert option_values("gptq", texts) == given
    assert function_options("gptq", texts) == {"group": 64, "symmetric": True, "act_order": False}
    assert option_texts("svd", {"layers": ["11.mlp", "8-10"]}) == (("layers", "11.mlp+8-10"),)
    assert option_values("svd", (("layers", "11.mlp+8-10"),)) == {"layers": ["11.mlp", "8-10"]}
    assert option_texts("rtn", {"group": 128, "symmetric": None}) == ()
    assert option_values("svd", ()) == {"layers": ()}


def test_unknown_name_lists_close_and_valid_ones():
    with pytest.raises(UserError, match=r"'magnitud'.*'magnitude'.*Valid: band, external, gptq, .* wanda") as error:
        methods.load("magnitud")
    assert "compression method" in str(error.value)


def test_dense_is_no_method():
    with pytest.raises(UserError, match="'dense'"):
        methods.load("dense")

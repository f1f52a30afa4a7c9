"""Pinned wheels: downloaded with pip or copied from a folder, each checked against its SHA-256."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write, write_errors
from junkdna.storage.checksums import sha256_file
from junkdna.study.paths import wheel_path

if TYPE_CHECKING:
    from junkdna.study.sources import PinnedSource, WheelPart, WheelPin

WHEELS_VARIABLE = "JUNKDNA_WHEELS"
_NO_NETWORK = re.compile(r"Retrying \(|Max retries|Failed to establish|Name or service not known|ProxyError|timed out")


def fetch_wheel(name: str, pin: "WheelPin | WheelPart", destination: Path) -> Path:
    """Write the wheel `name` to the path `destination`, with exactly the pinned bytes; returns `destination`.

    An existing file is checked and kept. Otherwise the wheel is copied from the folder in the environment variable
    JUNKDNA_WHEELS if that contains `pin.filename`, or else downloaded by `pip download` from pip's package index.
    Nothing is installed, and no dependency is downloaded. Raises UserError if a SHA-256 is wrong, the version does not
    exist, pip is missing or there is no network.
    """
    if destination.exists():
        check_pinned(destination, f"{name} {pin.version}", pin.sha256)
    elif local := local_wheel(pin):
        with atomic_write(destination) as temporary:
            shutil.copyfile(local, temporary)
            _check_wheel(temporary, pin, f"{local} (in the folder {WHEELS_VARIABLE})", name)
    else:
        with write_errors(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".wheel-", dir=destination.parent) as folder:
                downloaded = _pip_download(name, pin, Path(folder), destination)
                _check_wheel(downloaded, pin, "the downloaded file", name)
                downloaded.replace(destination)
    return destination


def check_pinned(path: Path, what: str, sha256: str) -> None:
    """Raise UserError unless the file at `path` has the pinned bytes of `what`."""
    actual = sha256_file(path)
    if actual != sha256:
        raise UserError(
            f"{path} is not {what}: its sha256 is {actual}, expected {sha256}. It may be truncated or another version."
            " Delete the file and rerun."
        )


def wheel_file(source: "PinnedSource") -> Path | None:
    """The path of the wheel that a source names; None for other kinds of source. Raises UserError if the file exists
    without the pinned bytes."""
    if source.wheel is None:
        return None
    path = Path(wheel_path(source.wheel))
    if path.is_file():
        check_pinned(path, f"the pinned wheel {source.wheel}", source.sha256)
    return path


def local_wheel(pin: "WheelPin | WheelPart") -> Path | None:
    """The file of a pin in the folder JUNKDNA_WHEELS, unchecked; None if it is not there. Raises UserError if the
    variable names no folder."""
    folder = os.environ.get(WHEELS_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UserError(
            f"{WHEELS_VARIABLE}={folder!r} is not a folder. Set it to one that contains {pin.filename} or unset it."
        )
    local = Path(folder) / pin.filename
    return local if local.is_file() else None


def _check_wheel(file: Path, pin: "WheelPin | WheelPart", what: str, name: str) -> None:
    actual = sha256_file(file)
    if actual != pin.sha256:
        raise UserError(
            f"{name} {pin.version}: {what} has sha256 {actual}, expected {pin.sha256}. It is corrupt or not the pinned"
            " file. Download it again; do not change the pin unless you know why the file changed."
        )


def _pip_download(name: str, pin: "WheelPin | WheelPart", folder: Path, destination: Path) -> Path:
    pins = folder / "pins.txt"
    pins.write_text(f"{name}=={pin.version} --hash=sha256:{pin.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    network = ["--retries", "2", "--timeout", "20", "--progress-bar", "off"]
    command = [sys.executable, "-m", "pip", "download", *options, *network, "-r", str(pins), "-d", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise _pip_error(name, pin, destination, process.stdout + process.stderr)
    files = sorted(path.name for path in folder.glob("*.whl"))
    if files != [pin.filename]:
        raise UserError(
            f"{name} {pin.version}: pip downloaded {', '.join(files) or 'no wheel'}, but the pin names {pin.filename}."
        )
    return folder / pin.filename


def _pip_error(name: str, pin: "WheelPin | WheelPart", destination: Path, output: str) -> UserError:
    if "DO NOT MATCH THE HASHES" in output:
        got = re.search(r"Got\s+([0-9a-f]{64})", output)
        problem = (
            f": the package index served a file with sha256 {got[1] if got else '(unknown)'}, expected {pin.sha256}. "
            "It is not the pinned file (repacked by a mirror, or a changed release)."
        )
    elif "No module named pip" in output:
        problem = f" is downloaded with pip, but {sys.executable} has no pip. Install pip there."
    elif _NO_NETWORK.search(output):
        problem = ": no network (the package index cannot be reached)."
    elif versions := re.search(r"\(from versions: ([^)]*)\)", output):
        known = f"it has {versions[1]}" if versions[1] != "none" else "it has none, or no package of that name"
        problem = f": the package index has no wheel of that version for this Python; {known}."
    else:
        problem = f": pip failed: {' '.join(output.split())[-600:]}"
    return UserError(
        f"{name} {pin.version}{problem} Copy the file {pin.filename} (sha256 {pin.sha256}) to {destination}, or set "
        f"{WHEELS_VARIABLE} to a folder that contains it."
    )

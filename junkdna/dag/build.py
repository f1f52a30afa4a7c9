"""Builds the files that a command of the user needs, through the workflow, and nothing else."""

import json
import logging
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from junkdna.dag.recorded_settings import is_current
from junkdna.errors import UserError
from junkdna.models.manifest import MANIFEST
from junkdna.run.failure_causes import some
from junkdna.storage.study_commands import CALLER, snakefile_words
from junkdna.study.load import study_document
from junkdna.study.source_settings import model_settings
from junkdna.study.study import Resolved

log = logging.getLogger(__name__)


def build_targets(resolved: Resolved, files: Iterable[Path], rebuild_outdated: bool = False) -> None:
    """Build those of `files` that are missing with the study's workflow, and model folders with outdated settings.

    With `rebuild_outdated`, all files are targets, and the workflow rebuilds outdated ones, too. Raises UserError if
    the workflow fails.
    """
    missing = [str(file) for file in files if rebuild_outdated or not _is_built(file, resolved)]
    if not missing:
        return
    log.info("building %s first", some(missing, 10))
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.json"
        study.write_text(json.dumps(study_document(resolved)["study"]))
        quiet = ["--quiet", "host", "progress", "reason"]  # not "rules": that would hide failures too
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *snakefile_words(), *quiet]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # rules call `python`
        caller = shlex.join(["junkdna", *sys.argv[1:]])
        environment = {**os.environ, "PATH": path, CALLER: caller}
        done = subprocess.run(
            [*command, "--configfile", str(study), "--", *missing], stdout=sys.stderr, env=environment
        )
        if done.returncode:
            raise UserError(f"the workflow could not build {', '.join(missing[:10])}; see its message above.")


def _is_built(file: Path, resolved: Resolved) -> bool:
    if file.name != MANIFEST:
        return file.is_file()
    return is_current(file, model_settings(file.parent.name, resolved))

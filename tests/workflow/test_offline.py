"""After `junkdna fetch`, jobs run without a network, and none so much as tries to reach one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import toy
from project import ROOT

pytestmark = pytest.mark.dag
WATCH = """
import os, sys

def _note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open(os.environ["NETWORK_LOG"], "a") as file:
            file.write(f"{event} {arguments[1:]} by {sys.argv[:4]}\\n")

sys.addaudithook(_note)
"""
CELLS = ("llm/named/plain/dense/none/default", "tiny/hues/plain/magnitude-0.5/none/default")
STUDY = {
    **{key: toy.SETTINGS[key] for key in ("study", "models", "bootstrap")},
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in ("named", "hues")},
    "experiments": {
        "written": {"title": "Written", "models": ["llm"], "tasks": ["named"], "compressions": toy.HALF},
        "picked": {"title": "Picked", "models": ["tiny"], "tasks": ["hues"], "compressions": toy.HALF},
    },
}


@pytest.fixture
def cut_off(world: Path) -> dict[str, str]:
    """Environment in which every Python process notes what it asks of the network. Skips without network namespaces."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("needs `unshare -n` (a network of its own for a process), which is not permitted here")
    (world / "watch").mkdir()
    (world / "watch/sitecustomize.py").write_text(WATCH)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": "watch", "NETWORK_LOG": str(world / "network.log"), "PATH": path}


@pytest.mark.long
def test_after_fetch_no_job_looks_for_a_network(world: Path, cut_off: dict[str, str]) -> None:
    for name in ("workflow", "rules", "envs"):
        (world / name).symlink_to(ROOT / name)
    toy.write_yaml(world / "config.yaml", STUDY)
    python = [sys.executable, "-m"]
    subprocess.run([*python, "junkdna", "fetch"], check=True, env={**cut_off, "PYTHONPATH": ""})
    planned = subprocess.run([*python, "snakemake", "-n"], env=cut_off, text=True, capture_output=True, check=True)
    rules = {*re.findall(r"(?m)^(\w+) +\d+$", planned.stdout + planned.stderr)}  # the table of jobs
    assert {"tokenize", "cell"} <= rules
    assert not {"wheel", "model", "examples"} & rules

    cells = [f"results/cells/{cell}/seed-0.parquet" for cell in CELLS]
    offline = ["--workflow-profile", "workflow/profiles/offline"]
    made = subprocess.run(
        ["unshare", "-n", *python, "snakemake", *cells, *offline],
        env=cut_off, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout
    assert all((world / cell).is_file() for cell in cells)
    assert not (world / "network.log").exists(), (world / "network.log").read_text()


def test_the_watch_sees_a_connection_and_the_network_is_gone(world: Path, cut_off: dict[str, str]) -> None:
    ask = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=5)"
    answer = subprocess.run(["unshare", "-n", sys.executable, "-c", ask], env=cut_off, text=True, capture_output=True)
    assert "Network is unreachable" in answer.stderr
    assert "socket.connect" in (world / "network.log").read_text()

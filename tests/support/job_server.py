"""A `python` for Snakemake and its jobs in tests, that starts in milliseconds: packages are imported once.

`python_folder()` starts a server, which imports what they import and computes nothing, and gives the folder of a
`python` that asks the server for a fork. The fork has the caller's arguments, folder, environment, standard streams
and, at its end, exit code. A job under it is the job that `python -m junkdna` runs, and Snakemake that of `python -m
snakemake`, except that packages are imported already and that a signal to the caller does not reach it: tests of
starts, of what is imported, and of kills take the real Python. All other arguments go to the real Python.

The files of figures are empty (`drawing`), and no page or table depends on them, unless `DRAWN` is set.
"""

import array
import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

import drawing
from project import ROOT, python_path

from junkdna.cli.main import main

DRAWN = "JUNKDNA_TEST_FIGURES"  # of the environment: "all", or the formats to draw, such as "svg png"

IMPORTED = (
    "junkdna.cli.jobs", "junkdna.run.cell", "junkdna.run.checkpoint", "junkdna.train.finetune",
    "junkdna.evaluate.answers", "junkdna.compress.store", "junkdna.evaluate.tokenize", "junkdna.models.fetch",
    "junkdna.analysis.study_tables", "junkdna.report.page.write", "junkdna.report.draw", "jinja2", "matplotlib.pyplot",
    "transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama", "snakemake.cli",
    "snakemake.executors.local", "snakemake_interface_executor_plugins.executors.real",
)  # fmt: skip
SERVERS: list[subprocess.Popen] = []
CLIENT = """#!{python} -IS
import array, json, os, socket, sys
if sys.argv[1:2] != ["-m"] or sys.argv[2:3] not in (["junkdna"], ["snakemake"]):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    server.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    server.sendall(json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16) or 1))
"""


def python_folder(root: Path = ROOT) -> Path:
    """The folder of the quick `python`, with the package in `root`; its server ends with this process."""
    return _served(root)


@cache
def _served(root: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="jobs-"))
    address = str(folder / "socket")
    (folder / "python").write_text(CLIENT.format(python=sys.executable, address=address))
    (folder / "python").chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": python_path(root), "CUDA_VISIBLE_DEVICES": ""}
    server = subprocess.Popen([sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=environment, start_new_session=True)  # fmt: skip
    assert server.stdout.readline() == b"ready\n"
    SERVERS.append(server)  # its open stdin keeps it alive
    return folder


def quick_python(root: Path = ROOT) -> str:
    """The quick `python` itself, in place of `sys.executable`."""
    return str(python_folder(root) / "python")


def serve(address: str) -> None:
    """Fork for every caller, until standard input ends."""
    for module in IMPORTED:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets forks that have ended
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            caller, _ = listener.accept()
            if not os.fork():
                listener.close()
                answer(caller)
                os._exit(0)
            caller.close()
    shutil.rmtree(Path(address).parent)


def answer(caller: socket.socket) -> None:
    """Run a caller's job in a process of its own and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, ancillary, *_ = caller.recvmsg(1, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    streams = array.array("i", ancillary[0][2])
    words = b"".join(iter(lambda: caller.recv(1 << 16), b""))
    job = os.fork()
    if not job:
        caller.close()
        run(streams, *json.loads(words))
    _, status = os.waitpid(job, 0)
    code = os.waitstatus_to_exitcode(status)
    caller.sendall(str(code if code >= 0 else 128 - code).encode())


def run(streams: array.array, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """`python -m` with these arguments, of which the first is the module, in this process, which ends with it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if formats := environment.get(DRAWN, ""):
        drawing.only(*formats.replace("all", "svg png pdf").split())
    else:
        drawing.none()
    try:
        program(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else end.code is not None)
    finally:
        os._exit(1)


def program(arguments: list[str]) -> None:
    """junkdna or Snakemake, which end the process or raise SystemExit."""
    if arguments[0] == "junkdna":
        main(arguments[1:])
    from snakemake import cli, workflow

    sys.argv = [str(Path(cli.__file__).with_name("__main__.py")), *arguments[1:]]
    sys.path.insert(0, "")
    workflow.Workflow._rundir = os.getcwd()  # it was read when Snakemake was imported
    cli.main(arguments[1:])


if __name__ == "__main__":
    serve(sys.argv[1])

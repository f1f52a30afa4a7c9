"""A toy study with connectivity, and its connections run as their jobs run them."""

import copy
from pathlib import Path

import toy
import toy_run

from junkdna.cli import jobs
from junkdna.dag import connection_states
from junkdna.storage.fingerprint import canonical_json
from junkdna.study.connections import Connection, ConnectSettings, all_connections, connect_settings
from junkdna.study.load import load_study
from junkdna.study.study import Resolved

EXPERIMENT = {"title": "Lines", "models": ["tiny"], "tasks": ["mood"], "transfer": ["dense", "sparse"],
              "compressions": [{"method": "magnitude", "sparsity": [0.5]}], "seeds": [0, 1],
              "connectivity": {"points": 5}}  # fmt: skip
STUDY = {**toy.STUDY, "tasks": {"mood": toy.STUDY["tasks"]["mood"]}, "experiments": {"lines": EXPERIMENT},
         "protocols": {"default": {"epochs": 6, "batch_size": 16, "learning_rate": 0.01}}}  # fmt: skip


def read(**changes: object) -> Resolved:
    """The toy study in the working folder, with other keys of its experiment; without those that are None."""
    study = copy.deepcopy(STUDY)
    keys = study["experiments"]["lines"] | changes
    study["experiments"]["lines"] = {name: value for name, value in keys.items() if value is not None}
    toy.write_yaml(Path("config.yaml"), study)
    return load_study(Path("config.yaml"))


def settings_of(connection: Connection, resolved: Resolved) -> ConnectSettings:
    """The settings of a connection as its job gets them: through JSON."""
    text = canonical_json(connect_settings(connection, resolved))
    return ConnectSettings.read(jobs.settings_from(text), "--settings")


def connect(connection: Connection, resolved: Resolved) -> Path:
    """Run the job of one connection; the file that it writes."""
    jobs.connect(Path(connection.path), settings_of(connection, resolved), gpus=0, threads=1, bar=iter)
    return Path(connection.path)


def run_all(resolved: Resolved) -> list[Path]:
    """What a run of Snakemake does: the weights that are needed, the cells, then the connections."""
    connection_states.want_weights(resolved)
    toy_run.run_all(resolved)
    return [connect(each, resolved) for each in all_connections(resolved)]

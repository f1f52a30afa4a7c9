"""The answers and losses of the models on the lines of a study's connections, read from their files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from junkdna.analysis.draws import clusters
from junkdna.analysis.scores import Answers
from junkdna.errors import UserError
from junkdna.evaluate.metrics import METRICS
from junkdna.run.connection_file import read_connection
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.connections import Connection, connect_settings
from junkdna.study.study import Resolved

LOSS = "loss"
MEAN = "exact_match"  # a metric that is the mean of the numbers it is given, here of losses


@dataclass(frozen=True)
class Group:
    """The models at one point of connections that differ in their seeds alone, and what is asked of them: their
    `score` or their `loss`."""

    connections: tuple[Connection, ...]
    point: int
    name: str


class ConnectionAnswers:
    """Answers of groups of models; every file is read once. With `partial`, files that cannot be used are left out."""

    def __init__(self, resolved: Resolved, partial: bool = False) -> None:
        self.resolved = resolved
        self.partial = partial
        self._files: dict[Connection, pl.DataFrame] = {}

    def has(self, connection: Connection) -> bool:
        """Whether the file of a connection can be used. Without `partial`, raises UserError if it cannot."""
        try:
            self._read(connection)
        except UserError:
            if not self.partial:
                raise
            return False
        return True

    def alphas(self, connection: Connection) -> list[float]:
        """The points of a connection."""
        return self._read(connection)["alpha"].to_list()

    def collapsed(self, group: tuple[Connection, ...], point: int) -> int:
        """How many models at a point give one answer to all examples."""
        return sum(self._read(each)["collapsed"][point] for each in group)

    def __call__(self, group: Group) -> Answers:
        """The answers of a group, one seed for each line: that of its start. Raises UserError if the models were scored
        on different examples."""
        end = group.connections[0].end
        examples = [self._read(each)["examples"][group.point].struct.unnest() for each in group.connections]
        ids = tuple(examples[0]["id"])
        if any(tuple(each["id"]) != ids for each in examples):
            raise UserError(f"{group.connections[0].path} and others of its seeds were scored on different examples.")
        metric = MEAN if group.name == LOSS else self.resolved.tasks[end.task].metric
        column = LOSS if group.name == LOSS else METRICS[metric].column
        return Answers(
            metric=metric,
            ids=ids,
            gold=examples[0]["gold"].to_numpy(),
            given=np.stack([each[column].cast(pl.Float64).to_numpy() for each in examples]),
            seeds=tuple(each.start.seed for each in group.connections),
            cluster=clusters(examples[0]["cluster"].to_list()),
        )

    def _read(self, connection: Connection) -> pl.DataFrame:
        if connection not in self._files:
            table, footer = read_connection(Path(connection.path))
            if footer["settings_fingerprint"] != settings_fingerprint(connect_settings(connection, self.resolved)):
                raise UserError(
                    f"{connection.path} was made with other settings or code. Rerun Snakemake, which replaces it."
                )
            self._files[connection] = table
        return self._files[connection]

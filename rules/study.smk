# Reads and checks the study. The other rule files use the resulting CELLS, FIGURES and paths.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parent))

from junkdna.analysis import claim_catalog
from junkdna.analysis.result_columns import RESULTS
from junkdna.dag import connection_states, failures, inputs, snakemake_report
from junkdna.report import catalog
from junkdna.report.page import package_files
from junkdna.run import batches, gpus
from junkdna.storage import study_commands
from junkdna.study import connections, grid, paths
from junkdna.study.methods import METHODS
from junkdna.storage.fingerprint import code_fingerprint
from junkdna.dag.workflow_errors import exit_on_user_error

with exit_on_user_error():
    RESOLVED = inputs.load_for_workflow(
        config, workflow.configfiles, workflow.config_settings.config
    )
    study_commands.export_study(RESOLVED.commands)
    CELLS = grid.all_cells(RESOLVED)
    CONNECTIONS = [each.path for each in connections.all_connections(RESOLVED)]
    DIFFICULTY = [
        f"{paths.EXAMPLES}/{task}/difficulty.parquet"
        for task in grid.rated_tasks(CELLS, RESOLVED)
    ]
    FOLDER = f"results/studies/{RESOLVED.study.study}"
    STUDY_FILE = inputs.study_file(RESOLVED, FOLDER)
    FIGURES = inputs.figure_files(RESOLVED, FOLDER)
    SHOWN = snakemake_report.entries(RESOLVED, FOLDER, FIGURES)
# 0 on a computer without GPUs, so that jobs can run there. On a cluster 1, because its nodes may differ from this one.
ON_CLUSTER = workflow.resource_settings.nodes is not None or workflow.remote_exec
GPUS_PER_CELL = 1 if ON_CLUSTER or gpus.gpu_count() else 0
SHARED_STARTS = f"--cells-per-gpu {RESOLVED.study.cells_per_gpu} --batch {RESOLVED.study.cells_per_job - 1}"
KEPT_OR_TEMP = str if RESOLVED.study.keep_compressed else temp


# For names that are not in the study, Snakemake then reports a missing rule instead of an error in Python.
wildcard_constraints:
    model=inputs.one_of(RESOLVED.study.models),
    task=inputs.one_of(RESOLVED.tasks),
    knobs="[^/]+",
    compression=f"dense|(?:{inputs.one_of(METHODS)})-[^/]+",
    transfer="[^/]+",
    protocol=inputs.one_of(grid.protocol_names(CELLS, RESOLVED)),
    seed="[0-9]+",
    other="[0-9]+",
    points="[0-9]+",
    wheel=inputs.one_of(RESOLVED.study.pins()),
    calibration=inputs.one_of(RESOLVED.study.calibrations),
    role="train|evaluate|shots|difficulty",


# Downloads and small jobs run where Snakemake runs, because the nodes of a cluster often have no internet.
localrules:
    all,
    study,
    wheel,
    model,
    examples,
    calibration,


rule study:
    output:
        STUDY_FILE,
    log:
        f"results/logs/studies/{RESOLVED.study.study}/study.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        study=lambda w: inputs.study_text(RESOLVED),
    message:
        "storing the checked study"
    shell:
        "python -m junkdna study {output:q} --log {log:q} --settings {params.study:q}"

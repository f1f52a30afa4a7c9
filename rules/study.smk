# Reads and checks the study. What follows from it (CELLS, FIGURES) is used by the other rule files.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parent))

from junkdna import ahead, devices, given, grid, keys, run_end, workflow_inputs
from junkdna.compress.registry import METHODS
from junkdna.provenance import code_digest
from junkdna.workflow_errors import told_plainly

with told_plainly():
    RESOLVED = workflow_inputs.load_for_workflow(
        config, workflow.configfiles, workflow.config_settings.config
    )
    given.tell_jobs(RESOLVED.given)
    CELLS = grid.all_cells(RESOLVED)
    FOLDER = f"results/studies/{RESOLVED.study.study}"
    STUDY_FILE = workflow_inputs.study_file(RESOLVED, FOLDER)
    FIGURES = workflow_inputs.figure_files(RESOLVED, FOLDER)
# 0 on a computer without GPUs, so that it never stands in the way; the login node of a cluster says nothing of its nodes.
ON_CLUSTER = workflow.resource_settings.nodes is not None or workflow.remote_exec
GPUS_PER_CELL = 1 if ON_CLUSTER or devices.gpu_count() else 0
SHARED_STARTS = f"--cells-per-gpu {RESOLVED.study.cells_per_gpu} --ahead {RESOLVED.study.cells_per_job - 1}"
KEPT_OR_TEMP = str if RESOLVED.study.keep_compressed else temp


# Names that the study does not have: Snakemake then says that no rule makes the file, instead of an error in Python.
wildcard_constraints:
    model=workflow_inputs.one_of(RESOLVED.study.models),
    task=workflow_inputs.one_of(RESOLVED.tasks),
    knobs="[^/]+",
    compression=f"dense|(?:{workflow_inputs.one_of(METHODS)})-[^/]+",
    transfer="[^/]+",
    protocol=workflow_inputs.one_of(["default", *RESOLVED.study.protocols]),
    seed="[0-9]+",
    wheel=workflow_inputs.one_of(RESOLVED.study.pins()),
    calibration=workflow_inputs.one_of(RESOLVED.study.calibrations),
    role="train|evaluate|shots",


# What reads from outside, and what is small, stays where Snakemake runs: a cluster's nodes often have no internet.
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
        study=lambda w: workflow_inputs.study_text(RESOLVED),
    message:
        "keeping the checked study"
    shell:
        "python -m junkdna study {output:q} --log {log:q} --settings {params.study:q}"

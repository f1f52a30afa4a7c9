# Reads and checks the study. What follows from it (CELLS, FIGURES) is used by the other rule files.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parent))

from junkdna import devices, grid, keys, workflow_inputs
from junkdna.provenance import code_digest

RESOLVED = workflow_inputs.load_for_workflow(config)
CELLS = grid.all_cells(RESOLVED)
FOLDER = f"results/studies/{RESOLVED.study.study}"
STUDY_FILE = workflow_inputs.study_file(RESOLVED, FOLDER)
FIGURES = workflow_inputs.figure_files(RESOLVED, FOLDER)
GPUS_PER_CELL = 1 if devices.gpu_count() else 0
KEPT_OR_TEMP = str if RESOLVED.study.keep_compressed else temp


wildcard_constraints:
    model="[^/]+",
    task="[^/]+",
    knobs="[^/]+",
    compression="[^/]+",
    transfer="[^/]+",
    protocol="[^/]+",
    seed="[0-9]+",
    wheel="[^/]+",
    calibration="[^/]+",
    role="train|evaluate|shots",


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

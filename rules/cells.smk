# One job, one cell, one Parquet file. Only schedulers use `mem_mb` and `runtime` (minutes).
rule cell:
    input:
        unpack(inputs.inputs_of_cell),
    output:
        f"{paths.CELLS}/{{model}}/{{task}}/{{knobs}}/{{compression}}/{{transfer}}/{{protocol}}/seed-{{seed}}.parquet",
    log:
        "results/logs/cells/{model}/{task}/{knobs}/{compression}/{transfer}/{protocol}/seed-{seed}.log",
    conda:
        "../envs/junkdna.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_CELL,
        mem_mb=lambda w, attempt: 16_000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "cell", w),
        # depends on `output`: Snakemake then does not rerun a cell when these numbers change
        shared=lambda w, output: SHARED_STARTS,
    message:
        "cell {wildcards.model} {wildcards.task} {wildcards.knobs} {wildcards.compression}"
        " {wildcards.transfer} {wildcards.protocol} seed {wildcards.seed}"
    shell:
        "python -m junkdna cell {output:q} --gpus {resources.gpu} {params.shared} --threads {threads}"
        " --log {log:q} --settings {params.settings:q}"

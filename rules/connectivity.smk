# Only studies with the key `connectivity`: the models on a straight line between the weights of two trained cells. Both
# cells keep their weights for it; where there are none, the job trains them again, so it reads what they read.
CONNECTION = (
    f"{connections.CONNECTIVITY}/{{model}}/{{task}}/{{knobs}}/{{compression}}/{{transfer}}/{{protocol}}/"
    "seed-{seed}-to-{other}/points-{points}.parquet"
)


rule connect:
    input:
        unpack(lambda w: inputs.inputs_of_connection(CONNECTION.format(**w), RESOLVED)),
    output:
        CONNECTION,
    log:
        CONNECTION.replace("results/", "results/logs/").replace(".parquet", ".log"),
    conda:
        "../envs/junkdna.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_CELL,
        mem_mb=lambda w, attempt: 16_000 * attempt,
        runtime=lambda w, attempt: inputs.connection_minutes(
            CONNECTION.format(**w), RESOLVED, GPUS_PER_CELL
        )
        * attempt,
    params:
        settings=lambda w, output: inputs.connection_text(output[0], RESOLVED),
        cells_per_gpu=lambda w, output: RESOLVED.study.cells_per_gpu,
    message:
        "connecting {wildcards.model} {wildcards.task} {wildcards.knobs} {wildcards.compression} {wildcards.protocol}"
        " seeds {wildcards.seed} and {wildcards.other}"
    shell:
        "python -m junkdna connect {output:q} --gpus {resources.gpu} --cells-per-gpu {params.cells_per_gpu}"
        " --threads {threads} --log {log:q} --settings {params.settings:q}"

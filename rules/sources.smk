# Wheels, model folders and canonical examples: everything that comes from outside.
# No `ancient()` on the wheels: with an incomplete wheel Snakemake 9.27 then plans that job alone and ends.
def wheel_of_model(wildcards):
    return workflow_inputs.wheel_files(RESOLVED.study.models[wildcards.model].wheel)


def wheel_of_task(wildcards):
    source = grid.example_settings(wildcards.task, RESOLVED)["source"]
    return workflow_inputs.wheel_files(source.get("wheel"))


rule wheel:
    output:
        "results/sources/{wheel}.whl",
    params:
        settings=lambda w: workflow_inputs.wheel_text(RESOLVED, w.wheel),
    log:
        "results/logs/sources/{wheel}.log",
    conda:
        "../envs/junkdna.yaml"
    shell:
        "python -m junkdna wheel {output:q} --log {log:q} --settings {params.settings:q}"


rule model:
    input:
        wheel_of_model,
    output:
        "results/models/{model}/model.json",
    params:
        settings=lambda w: workflow_inputs.model_text(RESOLVED, w.model),
    log:
        "results/logs/models/{model}.log",
    conda:
        "../envs/junkdna.yaml"
    shell:
        "python -m junkdna model {output:q} --log {log:q} --settings {params.settings:q}"


rule examples:
    input:
        wheel_of_task,
    output:
        "results/examples/{task}.parquet",
    params:
        settings=lambda w: workflow_inputs.examples_text(RESOLVED, w.task),
    log:
        "results/logs/examples/{task}.log",
    conda:
        "../envs/junkdna.yaml"
    shell:
        "python -m junkdna examples {output:q} --log {log:q} --settings {params.settings:q}"

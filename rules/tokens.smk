# Examples to token ids, once for all cells with the same model, task, knobs, protocol and role. They have priority over
# cells: on a machine with few cores, the first task's cells would take all of them, while other GPUs wait for tokens.
rule tokenize:
    input:
        model="results/models/{model}/model.json",
        examples="results/examples/{task}/{role}.parquet",
        shots=inputs.shots_file,
    output:
        "results/tokens/{model}/{task}/{knobs}/{protocol}/{role}.arrow",
    log:
        "results/logs/tokens/{model}/{task}/{knobs}/{protocol}/{role}.log",
    priority: 1
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "tokenize", w),
    message:
        "tokenizing the {wildcards.role} examples of {wildcards.task} {wildcards.knobs} for {wildcards.model}"
    shell:
        "python -m junkdna tokenize {output:q} --model {input.model:q} --examples {input.examples:q}"
        " --shots {input.shots:q}"
        " --log {log:q} --settings {params.settings:q}"

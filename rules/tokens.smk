# Canonical examples to token ids, once for all cells of a (model, task, knobs, protocol).
rule encode:
    input:
        model="results/models/{model}/model.json",
        examples="results/examples/{task}.parquet",
    output:
        "results/tokens/{model}/{task}/{knobs}/{protocol}.arrow",
    log:
        "results/logs/tokens/{model}/{task}/{knobs}/{protocol}.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: workflow_inputs.encode_text(RESOLVED, w),
    message:
        "encoding {wildcards.task} {wildcards.knobs} for {wildcards.model}"
    shell:
        "python -m junkdna encode {output:q} --model {input.model:q} --examples {input.examples:q}"
        " --log {log:q} --settings {params.settings:q}"

# Compressions that are expensive to compute run once for all cells of a model, after drawing their calibration samples.
rule calibration:
    input:
        model="results/models/{model}/model.json",
        texts=lambda w: inputs.texts_of_calibration(RESOLVED, w.calibration),
    output:
        f"{paths.CALIBRATION}/{{model}}/{{calibration}}/seed-{{seed}}.parquet",
    log:
        "results/logs/calibration/{model}/{calibration}/seed-{seed}.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "calibration", w),
    message:
        "drawing calibration samples {wildcards.calibration} seed {wildcards.seed} for {wildcards.model}"
    shell:
        "python -m junkdna calibration {output:q} --model {input.model:q} --log {log:q} --settings {params.settings:q}"


rule compress:
    input:
        model="results/models/{model}/model.json",
        calibration=inputs.calibration_of_compressed,
    output:
        KEPT_OR_TEMP(
            f"{paths.COMPRESSED}/{{model}}/{{compression}}/seed-{{seed}}.safetensors"
        ),
    log:
        "results/logs/compressed/{model}/{compression}/seed-{seed}.log",
    conda:
        "../envs/junkdna.yaml"
    threads: 4
    resources:
        gpu=GPUS_PER_CELL,
        mem_mb=lambda w, attempt: 24_000 * attempt,
        runtime=lambda w, attempt: 120 * attempt,
    params:
        settings=lambda w: inputs.settings_text(RESOLVED, "compress", w),
        cells_per_gpu=lambda w, output: RESOLVED.study.cells_per_gpu,  # a change does not rerun the job: see rule cell
    message:
        "compressing {wildcards.model}: {wildcards.compression} seed {wildcards.seed}"
    shell:
        "python -m junkdna compress {output:q} --model {input.model:q} --calibration {input.calibration:q}"
        " --gpus {resources.gpu} --cells-per-gpu {params.cells_per_gpu} --threads {threads}"
        " --log {log:q} --settings {params.settings:q}"

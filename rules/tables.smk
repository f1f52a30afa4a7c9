# The table of all cells, then drops with their intervals.
rule collect:
    input:
        study=STUDY_FILE,
        cells=[cell.path for cell in CELLS],
    output:
        f"{FOLDER}/tables/cells.parquet",
    log:
        f"results/logs/studies/{RESOLVED.study.study}/collect.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        code=code_fingerprint("junkdna.analysis.collect"),
    message:
        "joining the cells"
    shell:
        "python -m junkdna collect {output:q} --study {input.study:q} --log {log:q}"


rule analyze:
    input:
        study=STUDY_FILE,
        cells=f"{FOLDER}/tables/cells.parquet",
    output:
        table=f"{FOLDER}/tables/drops.parquet",
        csv=f"{FOLDER}/tables/drops.csv",
    log:
        f"results/logs/studies/{RESOLVED.study.study}/analyze.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        code=code_fingerprint("junkdna.analysis.drops"),
    message:
        "computing drops and intervals"
    shell:
        "python -m junkdna analyze {output.table:q} --study {input.study:q} --cells {input.cells:q} --log {log:q}"

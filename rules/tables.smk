# The table of all cells, then drops with their intervals and the verdicts on the claims.
rule collect:
    input:
        study=STUDY_FILE,
        cells=[cell.path for cell in CELLS],
        difficulty=DIFFICULTY,
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
        difficulty=DIFFICULTY,
        connections=CONNECTIONS,
    output:
        snakemake_report.flagged(
            expand(
                f"{FOLDER}/tables/{{table}}.{{format}}",
                table=[*RESULTS],
                format=["parquet", "csv"],
            ),
            SHOWN,
            report,
        ),
    log:
        f"results/logs/studies/{RESOLVED.study.study}/analyze.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        folder=lambda w, output: Path(output[0]).parent,
        code=code_fingerprint(
            "junkdna.analysis.study_tables", *claim_catalog.MODULES.values()
        ),
    message:
        "computing drops, intervals and verdicts"
    shell:
        "python -m junkdna analyze {params.folder:q} --study {input.study:q} --cells {input.cells:q} --log {log:q}"

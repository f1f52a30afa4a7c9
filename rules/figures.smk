# Figures in three formats, and the report page with figures and tables.
# One process draws a figure in about a second and takes less than 400 MB. On a cluster, the job requests as many CPUs as
# a compression.
FIGURE_THREADS = (
    4 if ON_CLUSTER else min(16, max(1, len(FIGURES) // len(inputs.FORMATS)))
)


rule figures:
    input:
        drops=f"{FOLDER}/tables/drops.parquet",
        others=[f"{FOLDER}/tables/{table}.parquet" for table in catalog.TABLES_DRAWN],
    output:
        snakemake_report.flagged(FIGURES, SHOWN, report),
    log:
        f"results/logs/studies/{RESOLVED.study.study}/figures.log",
    conda:
        "../envs/junkdna.yaml"
    threads: FIGURE_THREADS
    params:
        folder=lambda w, output: Path(output[0]).parent,
        code=code_fingerprint(
            "junkdna.report.draw",
            "junkdna.report.plotting.render",
            *catalog.MODULES.values(),
        ),
        declared=catalog.declared_text(),
    message:
        "drawing the figures"
    shell:
        "python -m junkdna figures {params.folder:q} --drops {input.drops:q} --threads {threads} --log {log:q}"


rule report:
    input:
        study=STUDY_FILE,
        cells=f"{FOLDER}/tables/cells.parquet",
        tables=rules.analyze.output,
        figures=FIGURES,
    output:
        page=snakemake_report.flagged([f"{FOLDER}/report.html"], SHOWN, report),
        captions=snakemake_report.caption_files(FOLDER, SHOWN),
    log:
        f"results/logs/studies/{RESOLVED.study.study}/report.log",
    conda:
        "../envs/junkdna.yaml"
    params:
        tables=lambda w, input: Path(input.cells).parent,
        captions=lambda w, output: Path(output.captions[0]).parent,
        texts="--texts" if RESOLVED.study.report.texts else "",
        code=code_fingerprint("junkdna.report.page.write", *catalog.MODULES.values()),
        assets=package_files.assets_digest(),
        declared=catalog.declared_text(),
    message:
        "writing the report"
    shell:
        "python -m junkdna report {output.page:q} --study {input.study:q} --tables {params.tables:q}"
        " --captions {params.captions:q} {params.texts} --log {log:q}"

rule report:
    """Two self-contained pages, tables and figures."""
    input:
        rules.significance.output,
        STUDY.comet_scores(),
        [f"{S}/scoring/{system}" for system in STUDY.config.evaluated()],
        STUDY.audits(),
        STUDY.perplexities(),
        [f"{S}/probing/{system}.json" for system in STUDY.layout.probed()],
        STUDY.layout.deltas(),
        published=STUDY.config.report.published,
    output:
        report(
            f"{S}/report/index.html", caption="../report/index.rst", category="Results"
        ),
        report(
            f"{S}/report/verdicts.tsv",
            caption="../report/verdicts.rst",
            category="Results",
        ),
        f"{S}/report/verdict.json",
        f"{S}/report/answers.html",
    log:
        f"{S}/logs/report.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("report"),
        runtime=STUDY.minutes("report"),
    params:
        settings=STUDY.settings("report"),
        code=STUDY.code("report"),
        record=lambda wildcards: f"{S}/runs/report/report.json",
        study=lambda wildcards: S,
        shared=STUDY.layout.shared_records(),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m bayling_study.stages.report --settings {params.settings}"
        " --record {params.record} --code {params.code} --study {params.study}"
        " --shared {params.shared}"
        " --out {params.folder} > {log} 2>&1"

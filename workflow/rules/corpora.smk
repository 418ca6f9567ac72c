rule corpora:
    """Parallel segments and conversations: read, cleaned, split by document."""
    input:
        STUDY.layout.manifests(*STUDY.config.corpora.sources),
    output:
        parallel=f"{S}/corpora/parallel.parquet",
        conversations=f"{S}/corpora/conversations.parquet",
        terms=f"{S}/corpora/terms.parquet",
        report=f"{S}/corpora/report.json",
    log:
        f"{S}/logs/corpora.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("corpora"),
        runtime=STUDY.minutes("corpora"),
    params:
        settings=STUDY.settings("corpora"),
        code=STUDY.code("corpora"),
        record=lambda wildcards: f"{S}/runs/corpora/corpora.json",
        downloads=STUDY.download_options(STUDY.config.corpora.sources),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m bayling_study.stages.corpora --settings {params.settings}"
        " --record {params.record} --code {params.code}"
        " {params.downloads} --out {params.folder} > {log} 2>&1"

rule synthesis:
    """The instructions of one mixture, with audit and data card."""
    input:
        rules.corpora.output,
        tokenizer=lambda wildcards: STUDY.layout.tokenizer_of(wildcards.mixture),
        prompts=STUDY.layout.prompts(),
        teachers=lambda wildcards: STUDY.layout.teachers(wildcards.mixture).values(),
    output:
        data=f"{S}/synthesis/{{mixture}}/train.parquet",
        audit=report(
            f"{S}/synthesis/{{mixture}}/audit.json",
            caption="../report/audit.rst",
            category="Training sets",
        ),
        card=f"{S}/synthesis/{{mixture}}/README.md",
    log:
        f"{S}/logs/synthesis/{{mixture}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    threads: lambda wildcards: STUDY.synthesis_workers(wildcards.mixture)
    resources:
        mem_mb=lambda wildcards, threads, attempt: (
            attempt * STUDY.synthesis_memory(wildcards.mixture, threads)
        ),
        runtime=STUDY.minutes("synthesis"),
        operations=STUDY.operations(),
    params:
        settings=lambda wildcards: STUDY.settings("synthesis", wildcards.mixture),
        code=STUDY.code("synthesis"),
        record=lambda wildcards: f"{S}/runs/synthesis/{wildcards.mixture}.json",
        corpora=lambda wildcards: f"{S}/corpora",
        teachers=lambda wildcards: STUDY.teachers_option(wildcards.mixture),
        folder=lambda wildcards, output: Path(output[0]).parent,
        cache=lambda wildcards: f"{S}/work/teacher/{wildcards.mixture}",
        sources=STUDY.download_options(
            STUDY.config.corpora.sources, "--source-manifest"
        ),
    shell:
        "python -m bayling_study.stages.synthesis --settings {params.settings}"
        " --operations {resources.operations}"
        " --record {params.record} --code {params.code} --mixture {wildcards.mixture}"
        " --corpora {params.corpora} --tokenizer {input.tokenizer} {params.sources}"
        " --prompts {input.prompts} --workers {threads} --cache {params.cache}"
        " {params.teachers}"
        " --out {params.folder} > {log} 2>&1"

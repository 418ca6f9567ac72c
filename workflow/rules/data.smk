rule corpora:
    """Parallel segments and conversations: read, cleaned, split by document."""
    input:
        [STUDY.layout.manifest(source) for source in STUDY.layout.corpus_sources()],
    output:
        parallel=f"{S}/corpora/parallel.parquet",
        conversations=f"{S}/corpora/conversations.parquet",
        terms=f"{S}/corpora/terms.parquet",
        report=f"{S}/corpora/report.json",
    log:
        f"{S}/logs/corpora.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=STUDY.settings("corpora", "corpora"),
        code=STUDY.code("corpora"),
        record=lambda wildcards: f"{S}/runs/corpora/corpora.json",
        downloads=STUDY.download_options(STUDY.layout.corpus_sources()),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m bayling_study.corpora --settings {params.settings}"
        " --record {params.record} --code {params.code}"
        " {params.downloads} --out {params.folder} > {log} 2>&1"


rule synthesis:
    """The instructions of one mixture, with audit and data card."""
    input:
        rules.corpora.output,
        tokenizer=lambda wildcards: STUDY.layout.tokenizer_of(wildcards.mixture),
        prompts=STUDY.layout.prompts(),
    output:
        data=f"{S}/instructions/{{mixture}}/train.parquet",
        audit=report(
            f"{S}/instructions/{{mixture}}/audit.json",
            caption="../report/audit.rst",
            category="Training sets",
        ),
        card=f"{S}/instructions/{{mixture}}/README.md",
    log:
        f"{S}/logs/synthesis/{{mixture}}.log",
    conda:
        "../../envs/study.yaml"
    threads: lambda wildcards: STUDY.synthesis_workers(wildcards.mixture)
    resources:
        mem_mb=lambda wildcards, threads: 1500 + 1500 * threads,
        runtime=240,
    params:
        settings=lambda wildcards: STUDY.synthesis_settings(wildcards.mixture),
        code=STUDY.code("synthesis"),
        record=lambda wildcards: f"{S}/runs/synthesis/{wildcards.mixture}.json",
        corpora=lambda wildcards: f"{S}/corpora",
        folder=lambda wildcards, output: Path(output[0]).parent,
        cache=lambda wildcards: f"{S}/work/teacher/{wildcards.mixture}",
        sources=STUDY.download_options(
            STUDY.layout.corpus_sources(), "--source-manifest"
        ),
    shell:
        "python -m bayling_study.synthesis --settings {params.settings}"
        " --record {params.record} --code {params.code} --mixture {wildcards.mixture}"
        " --corpora {params.corpora} --tokenizer {input.tokenizer} {params.sources}"
        " --prompts {input.prompts} --workers {threads} --cache {params.cache}"
        " --out {params.folder} > {log} 2>&1"


rule prompts:
    """One suite's prompts, references and what its scorer needs."""
    input:
        lambda wildcards: STUDY.suite_inputs(wildcards.suite, rules.corpora.output),
    output:
        f"{S}/prompts/{{suite}}.jsonl",
    log:
        f"{S}/logs/suites/{{suite}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda wildcards: STUDY.settings("suites", suites=[wildcards.suite]),
        code=STUDY.code("suites"),
        record=lambda wildcards: f"{S}/runs/suites/{wildcards.suite}.json",
        data=lambda wildcards: STUDY.suite_options(wildcards.suite),
    shell:
        "python -m bayling_study.suites --settings {params.settings}"
        " --record {params.record} --code {params.code} --suite {wildcards.suite}"
        " {params.data} --out {output} > {log} 2>&1"

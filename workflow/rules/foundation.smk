rule foundation:
    """A base model in the hub's format, with tokenizer and chat template."""
    input:
        f"{STUDY.layout.resources}/download/{{source}}-{{row}}/manifest.json",
    output:
        directory(f"{STUDY.layout.resources}/foundation/{{source}}-{{row}}"),
    log:
        f"{STUDY.layout.resources}/logs/foundation/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("foundation"),
        runtime=STUDY.minutes("foundation"),
    params:
        code=STUDY.code("foundation"),
        record=lambda wildcards: f"{STUDY.layout.resources}/runs/foundation/{wildcards.source}-{wildcards.row}.json",
        download=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m bayling_study.stages.foundation --code {params.code}"
        " --record {params.record} --download {params.download} --out {output} > {log} 2>&1"


rule foundation_vocabulary:
    """A base model with new tokens, learnt from the training text of some languages."""
    input:
        foundation=lambda wildcards: STUDY.layout.foundation(wildcards.system),
        parallel=f"{S}/corpora/parallel.parquet",
    output:
        directory(f"{S}/foundation/vocabulary/{{system}}"),
    log:
        f"{S}/logs/foundation/vocabulary-{{system}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("foundation_vocabulary"),
        runtime=STUDY.minutes("foundation_vocabulary"),
    params:
        settings=lambda wildcards: STUDY.settings(
            "foundation.vocabulary", wildcards.system
        ),
        code=STUDY.code("foundation.vocabulary"),
        record=lambda wildcards: f"{S}/runs/foundation/vocabulary-{wildcards.system}.json",
    shell:
        "python -m bayling_study.stages.foundation.vocabulary --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --foundation {input.foundation} --parallel {input.parallel}"
        " --out {output} > {log} 2>&1"

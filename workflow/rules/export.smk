rule export:
    """An 8-bit system, written tensor by tensor."""
    input:
        lambda wildcards: STUDY.layout.checkpoint(STUDY.layout.base(wildcards.system)),
    output:
        directory(f"{S}/export/{{system}}"),
    log:
        f"{S}/logs/export/{{system}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    threads: 2
    resources:
        mem_mb=STUDY.memory("export"),
        runtime=STUDY.minutes("export"),
    params:
        settings=lambda wildcards: STUDY.settings("export", wildcards.system),
        code=STUDY.code("export"),
        record=lambda wildcards: f"{S}/runs/export/{wildcards.system}.json",
    shell:
        "python -m bayling_study.stages.export --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --checkpoint {input} --out {output} > {log} 2>&1"

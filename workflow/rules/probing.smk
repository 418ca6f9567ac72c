rule probing:
    """What the hidden states of one system hold, layer by layer."""
    input:
        checkpoint=lambda wildcards: STUDY.layout.checkpoint(wildcards.system),
        parallel=f"{S}/corpora/parallel.parquet",
    output:
        f"{S}/probing/{{system}}.json",
    log:
        f"{S}/logs/probing/{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("probing"),
        runtime=STUDY.minutes("probing"),
        gpu=0,
        devices=ONE_GPU,
    params:
        settings=STUDY.settings("probing"),
        code=STUDY.code("probing"),
        record=lambda wildcards: f"{S}/runs/probing/{wildcards.system}.json",
    shell:
        "{resources.devices} python -m bayling_study.stages.probing --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --checkpoint {input.checkpoint} --parallel {input.parallel} --out {output} > {log} 2>&1"

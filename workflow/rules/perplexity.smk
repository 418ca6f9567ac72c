rule perplexity:
    """Perplexity of an 8-bit system against the system it was made from."""
    input:
        base=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        checkpoint=f"{S}/export/{{system}}",
        prompts=STUDY.layout.prompts(),
    output:
        f"{S}/perplexity/{{system}}.json",
    log:
        f"{S}/logs/perplexity/{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("perplexity"),
        runtime=STUDY.minutes("perplexity"),
        gpu=0,
        devices=ONE_GPU,
    params:
        settings=lambda wildcards: STUDY.settings("perplexity", wildcards.system),
        code=STUDY.code("perplexity"),
        record=lambda wildcards: f"{S}/runs/perplexity/{wildcards.system}.json",
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.config.suites),
    shell:
        "{resources.devices} python -m bayling_study.stages.perplexity --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --checkpoint {input.checkpoint} --base-checkpoint {input.base}"
        " --prompts {params.prompts} --suites {params.suites} --out {output} > {log} 2>&1"

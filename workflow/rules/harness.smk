rule harness:
    """One system's answers to all multiple-choice suites, by likelihood: one model load."""
    input:
        source=lambda wildcards: STUDY.layout.generation_input(wildcards.system),
        prompts=STUDY.layout.prompts(STUDY.layout.knowledge_suites()),
    output:
        directory(f"{S}/harness/{{system}}"),
    log:
        f"{S}/logs/harness/{{system}}.log",
    priority: EARLY
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("harness"),
        runtime=STUDY.minutes("harness"),
        gpu=0,
        devices=ONE_GPU,
    params:
        settings=lambda wildcards: STUDY.settings("harness", wildcards.system),
        code=STUDY.code("harness"),
        record=lambda wildcards: f"{S}/runs/harness/{wildcards.system}.json",
        source=lambda wildcards: STUDY.generation_option(wildcards.system),
        sources=STUDY.harness_sources(),
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.layout.knowledge_suites()),
        work=lambda wildcards: f"{S}/work/harness/{wildcards.system}",
    shell:
        "{resources.devices} python -m bayling_study.stages.harness --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " {params.source} {params.sources} --prompts {params.prompts} --suites {params.suites}"
        " --threads {threads} --work {params.work} --out {output} > {log} 2>&1"

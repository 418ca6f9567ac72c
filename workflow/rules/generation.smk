rule generate:
    """One system's hypotheses for all suites: one model load, many test sets."""
    input:
        source=lambda wildcards: STUDY.layout.generation_input(wildcards.system),
        prompts=STUDY.layout.prompts(STUDY.layout.generated_suites()),
    output:
        directory(f"{S}/outputs/{{system}}"),
    log:
        f"{S}/logs/generation/{{system}}.log",
    wildcard_constraints:
        system=one_of(STUDY.layout.with_model()),
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory(4000),
        runtime=480,
        gpu=0,
    params:
        place="$BAYLING_ONE_GPU",
        settings=lambda wildcards: STUDY.generation_settings(wildcards.system),
        code=STUDY.code("generation"),
        record=lambda wildcards: f"{S}/runs/generation/{wildcards.system}.json",
        source=lambda wildcards: STUDY.generation_option(wildcards.system),
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.layout.generated_suites()),
        work=lambda wildcards: f"{S}/work/generation/{wildcards.system}",
    shell:
        "{params.place} python -m bayling_study.generation --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " {params.source} --prompts {params.prompts} --suites {params.suites}"
        " --threads {threads} --work {params.work} --out {output} 2>&1 | tee {log}"


use rule generate as collect with:
    wildcard_constraints:
        system=one_of(STUDY.layout.without_model()),
    params:
        place="",  # answers of an endpoint or a release need no GPU


rule harness:
    """One system's answers to all multiple-choice suites, by likelihood: one model load."""
    input:
        source=lambda wildcards: STUDY.layout.generation_input(wildcards.system),
        prompts=STUDY.layout.prompts(STUDY.layout.knowledge_suites()),
    output:
        directory(f"{S}/harness/{{system}}"),
    log:
        f"{S}/logs/harness/{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=4000,
        runtime=480,
        gpu=0,
    params:
        settings=lambda wildcards: STUDY.harness_settings(wildcards.system),
        code=STUDY.code("harness"),
        record=lambda wildcards: f"{S}/runs/harness/{wildcards.system}.json",
        source=lambda wildcards: STUDY.generation_option(wildcards.system),
        sources=STUDY.harness_sources(),
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.layout.knowledge_suites()),
        work=lambda wildcards: f"{S}/work/harness/{wildcards.system}",
    shell:
        "$BAYLING_ONE_GPU python -m bayling_study.harness --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " {params.source} {params.sources} --prompts {params.prompts} --suites {params.suites}"
        " --threads {threads} --work {params.work} --out {output} > {log} 2>&1"

rule generation:
    """One system's hypotheses for all suites: one model load, many test sets."""
    input:
        source=lambda wildcards: STUDY.layout.generation_input(wildcards.system),
        prompts=STUDY.layout.prompts(STUDY.layout.generated_suites()),
        text=lambda wildcards: STUDY.layout.example_text(wildcards.system),
    output:
        directory(f"{S}/generation/{{system}}"),
    log:
        f"{S}/logs/generation/{{system}}.log",
    wildcard_constraints:
        system=one_of(STUDY.layout.with_model()),
    priority: EARLY
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("generation"),
        runtime=STUDY.minutes("generation"),
        gpu=0,
        devices=lambda wildcards: (
            ONE_GPU if STUDY.layout.with_model(wildcards.system) else ""
        ),
        operations=STUDY.operations(),
    params:
        settings=lambda wildcards: STUDY.settings("generation", wildcards.system),
        code=STUDY.code("generation"),
        record=lambda wildcards: f"{S}/runs/generation/{wildcards.system}.json",
        source=lambda wildcards: STUDY.generation_option(wildcards.system),
        corpora=lambda wildcards, input: f"--corpora {S}/corpora" if input.text else "",
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.layout.generated_suites()),
        work=lambda wildcards: f"{S}/work/generation/{wildcards.system}",
    shell:
        "{resources.devices} python -m bayling_study.stages.generation --settings {params.settings}"
        " --operations {resources.operations}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " {params.source} {params.corpora} --prompts {params.prompts} --suites {params.suites}"
        " --threads {threads} --work {params.work} --out {output} > {log} 2>&1"


# Answers of an endpoint or a release need no GPU: a rule of its own, for profiles to say so.
use rule generation as generation_elsewhere with:
    wildcard_constraints:
        system=one_of(STUDY.layout.without_model()),

rule scoring:
    """One system's scores on all suites, with intervals."""
    input:
        lambda wildcards: STUDY.layout.reviews(wildcards.system),
        lambda wildcards: STUDY.layout.harness(wildcards.system),
        STUDY.layout.manifests(STUDY.config.scoring.spm),
        outputs=f"{S}/generation/{{system}}",
        prompts=STUDY.layout.prompts(),
    output:
        directory(f"{S}/scoring/{{system}}"),
    log:
        f"{S}/logs/scoring/{{system}}.log",
    wildcard_constraints:
        system="|".join(STUDY.config.evaluated()),
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("scoring"),
        runtime=STUDY.minutes("scoring"),
    params:
        settings=STUDY.settings("scoring"),
        code=STUDY.code("scoring"),
        record=lambda wildcards: f"{S}/runs/scoring/{wildcards.system}.json",
        prompts=lambda wildcards: f"{S}/prompts",
        judging=lambda wildcards: f"{S}/judging/{wildcards.system}",
        harness=lambda wildcards: STUDY.before_each(
            "--harness", STUDY.layout.harness(wildcards.system)
        ),
        spm=STUDY.spm_option(),
        suites=" ".join(STUDY.config.suites),
    shell:
        "python -m bayling_study.stages.scoring --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --prompts {params.prompts} --generation {input.outputs} --suites {params.suites}"
        " --judging {params.judging} {params.harness} {params.spm} --out {output} > {log} 2>&1"

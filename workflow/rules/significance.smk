rule significance:
    """Which differences between systems are significant."""
    input:
        [f"{S}/generation/{system}" for system in STUDY.config.evaluated()],
        [f"{S}/scoring/{system}" for system in STUDY.config.evaluated()],
        [STUDY.layout.reviews(system) for system in STUDY.config.evaluated()],
        STUDY.layout.harness(*STUDY.config.evaluated()),
        STUDY.layout.manifests(STUDY.config.scoring.spm),
        STUDY.comet_scores(),
        prompts=STUDY.layout.prompts(),
    output:
        report(
            f"{S}/significance/comparisons.json",
            caption="../report/comparisons.rst",
            category="Results",
        ),
    log:
        f"{S}/logs/significance.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("significance"),
        runtime=STUDY.minutes("significance"),
    params:
        settings=STUDY.settings("significance"),
        code=STUDY.code("significance"),
        record=lambda wildcards: f"{S}/runs/significance/significance.json",
        study=lambda wildcards: S,
        comet=STUDY.before_each("--comet", STUDY.comet_scores()),
        systems=" ".join(STUDY.config.evaluated()),
        bases=STUDY.bases_option(),
        suites=" ".join(STUDY.config.suites),
        spm=STUDY.spm_option(),
    shell:
        "python -m bayling_study.stages.significance --settings {params.settings}"
        " --record {params.record} --code {params.code} --prompts {params.study}/prompts"
        " --generation {params.study}/generation --systems {params.systems} --suites {params.suites}"
        " {params.comet} --judging {params.study}/judging"
        " --harness {params.study}/harness {params.spm} {params.bases} --out {output} > {log} 2>&1"

rule judging:
    """A judge's reviews of one system's answers beside the baseline's, in both orders."""
    input:
        lambda wildcards: STUDY.judging_inputs(wildcards.suite),
        outputs=f"{S}/generation/{{system}}",
        prompts=f"{S}/prompts/{{suite}}.jsonl",
    output:
        f"{S}/judging/{{system}}/{{suite}}.jsonl",
    log:
        f"{S}/logs/judging/{{suite}}-{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("judging"),
        runtime=STUDY.minutes("judging"),
        gpu=0,
        devices=lambda wildcards: (
            ONE_GPU if STUDY.judging_option(wildcards.suite) else ""
        ),
        operations=STUDY.operations(),
    params:
        settings=lambda wildcards: STUDY.settings("judging", wildcards.suite),
        code=STUDY.code("judging"),
        record=lambda wildcards: f"{S}/runs/judging/{wildcards.suite}-{wildcards.system}.json",
        judge=lambda wildcards: STUDY.judging_option(wildcards.suite),
        study=lambda wildcards: S,
        work=lambda wildcards: f"{S}/work/judging/{wildcards.suite}/{wildcards.system}",
    shell:
        "{resources.devices} python -m bayling_study.stages.judging --settings {params.settings}"
        " --operations {resources.operations}"
        " --record {params.record} --code {params.code} --suite {wildcards.suite}"
        " --system {wildcards.system} {params.judge} --prompts {params.study}/prompts"
        " --generation {params.study}/generation --work {params.work} --out {output} > {log} 2>&1"

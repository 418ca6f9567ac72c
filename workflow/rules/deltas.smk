rule deltas_apply:
    """A model that was released as a difference, added to its base again."""
    input:
        base=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        delta=lambda wildcards: STUDY.layout.manifest(
            STUDY.config.systems[wildcards.system].source
        ),
    output:
        directory(f"{S}/deltas/applied/{{system}}"),
    log:
        f"{S}/logs/deltas/applied-{{system}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("deltas_apply"),
        runtime=STUDY.minutes("deltas_apply"),
    params:
        code=STUDY.code("deltas"),
        record=lambda wildcards: f"{S}/runs/deltas/applied-{wildcards.system}.json",
        study=STUDY.config.study.name,
    shell:
        "python -m bayling_study.stages.deltas apply --record {params.record} --code {params.code}"
        " --study {params.study} --base {input.base} --download {input.delta}"
        " --out {output} > {log} 2>&1"


rule deltas_make:
    """A tuned system as its difference to the base, which may be passed on."""
    input:
        base=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        target=f"{S}/tuning/{{system}}",
    output:
        directory(f"{S}/deltas/made/{{system}}"),
    log:
        f"{S}/logs/deltas/made-{{system}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("deltas_make"),
        runtime=STUDY.minutes("deltas_make"),
    params:
        code=STUDY.code("deltas"),
        record=lambda wildcards: f"{S}/runs/deltas/made-{wildcards.system}.json",
        study=STUDY.config.study.name,
    shell:
        "python -m bayling_study.stages.deltas make --record {params.record} --code {params.code}"
        " --study {params.study} --base {input.base} --target {input.target}"
        " --out {output} > {log} 2>&1"


rule deltas_merge:
    """Tuned systems as one model: their base plus their differences to it, combined."""
    input:
        base=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.config.untuned(wildcards.system)
        ),
        members=lambda wildcards: map(
            STUDY.layout.checkpoint, STUDY.config.systems[wildcards.system].of
        ),
    output:
        directory(f"{S}/deltas/merged/{{system}}"),
    log:
        f"{S}/logs/deltas/merged-{{system}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("deltas_merge"),
        runtime=STUDY.minutes("deltas_merge"),
    params:
        code=STUDY.code("deltas"),
        record=lambda wildcards: f"{S}/runs/deltas/merged-{wildcards.system}.json",
        study=STUDY.config.study.name,
        members=lambda wildcards: STUDY.members_option(wildcards.system),
        options=lambda wildcards: STUDY.config.systems[wildcards.system].options,
    shell:
        "python -m bayling_study.stages.deltas merge --record {params.record} --code {params.code}"
        " --study {params.study} --base {input.base} {params.members} {params.options}"
        " --out {output} > {log} 2>&1"

rule masks:
    """The encoded training set of a tuned system, with an audit of its loss mask."""
    input:
        foundation=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        instructions=lambda wildcards: STUDY.layout.instructions(wildcards.system)
        / "train.parquet",
    output:
        directory(f"{S}/masks/{{system}}"),
    log:
        f"{S}/logs/masks/{{system}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("masks"),
        runtime=STUDY.minutes("masks"),
    params:
        settings=lambda wildcards: STUDY.settings("masks", wildcards.system),
        code=STUDY.code("masks"),
        record=lambda wildcards: f"{S}/runs/masks/{wildcards.system}.json",
        instructions=lambda wildcards, input: Path(input.instructions).parent,
    shell:
        "python -m bayling_study.stages.masks --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --foundation {input.foundation} --synthesis {params.instructions}"
        " --out {output} > {log} 2>&1"

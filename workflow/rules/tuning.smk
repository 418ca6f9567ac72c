rule tuning:
    """A tuned system. Checkpoints live outside the declared output, because
    Snakemake deletes declared outputs of a failed job; a retry goes on from them."""
    input:
        foundation=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        instructions=lambda wildcards: STUDY.layout.instructions(wildcards.system)
        / "train.parquet",
        masks=f"{S}/masks/{{system}}",
        pairs=lambda wildcards: STUDY.layout.aligned_pairs(wildcards.system),
    output:
        directory(f"{S}/tuning/{{system}}"),
    log:
        f"{S}/logs/tuning/{{system}}.log",
    priority: FIRST
    retries: TUNING_RETRIES
    conda:
        "../../envs/study.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=8000,
        runtime=480,
        gpu=0,
        nodes=1,
        processes=0,
        node_launcher="srun",
        devices=ALL_GPUS,
        scheduled=SCHEDULED,
        operations=lambda wildcards: STUDY.operations(wildcards.system),
    params:
        settings=lambda wildcards: STUDY.settings("tuning", wildcards.system),
        code=STUDY.code("tuning"),
        record=lambda wildcards: f"{S}/runs/tuning/{wildcards.system}.json",
        checkpoints=lambda wildcards: f"{S}/work/tuning/{wildcards.system}",
        instructions=lambda wildcards, input: Path(input.instructions).parent,
        logs=lambda wildcards: f"{S}/logs/tuning/{wildcards.system}-nodes",
        licence=lambda wildcards: STUDY.licence_option(wildcards.system),
        corpora=lambda wildcards, input: f"--corpora {S}/corpora" if input.pairs else "",
    # A scheduler signals every process of a job; the shell must outlive the last save.
    shell:
        "trap '' TERM USR1; {resources.devices} python -m bayling_study.stages.tuning"
        " --settings {params.settings} --operations {resources.operations}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --foundation {input.foundation} --synthesis {params.instructions}"
        " --masks {input.masks} {params.licence} {params.corpora} --checkpoints {params.checkpoints} --out {output}"
        " --nodes {resources.nodes} --processes {resources.processes} --threads {threads}"
        " --node-launcher '{resources.node_launcher}' --node-logs {params.logs}"
        " --limit-minutes $(({resources.runtime} * {resources.scheduled})) > {log} 2>&1"

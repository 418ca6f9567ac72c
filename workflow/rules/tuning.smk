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
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=lambda wildcards: STUDY.masks_settings(wildcards.system),
        code=STUDY.code("tuning.masks"),
        record=lambda wildcards: f"{S}/runs/masks/{wildcards.system}.json",
        instructions=lambda wildcards, input: Path(input.instructions).parent,
    shell:
        "python -m bayling_study.tuning.masks --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --foundation {input.foundation} --instructions {params.instructions}"
        " --out {output} > {log} 2>&1"


rule tune:
    """A tuned system. Checkpoints live outside the declared output, because
    Snakemake deletes declared outputs of a failed job; a retry goes on from them."""
    input:
        foundation=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        instructions=lambda wildcards: STUDY.layout.instructions(wildcards.system)
        / "train.parquet",
        masks=f"{S}/masks/{{system}}",
    output:
        directory(f"{S}/tuned/{{system}}"),
    log:
        f"{S}/logs/tuning/{{system}}.log",
    retries: TUNE_RETRIES
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
    params:
        settings=lambda wildcards: STUDY.tuning_settings(wildcards.system),
        code=STUDY.code("tuning"),
        record=lambda wildcards: f"{S}/runs/tuning/{wildcards.system}.json",
        checkpoints=lambda wildcards: f"{S}/work/tuning/{wildcards.system}",
        instructions=lambda wildcards, input: Path(input.instructions).parent,
        logs=lambda wildcards: f"{S}/logs/tuning/{wildcards.system}-nodes",
        licence=lambda wildcards: STUDY.licence_option(wildcards.system),
    # A scheduler signals every process of a job; the shell and tee must outlive the last save.
    shell:
        "trap '' TERM USR1; $BAYLING_ALL_GPUS python -m bayling_study.tuning --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --foundation {input.foundation} --instructions {params.instructions}"
        " --masks {input.masks} {params.licence} --checkpoints {params.checkpoints} --out {output}"
        " --nodes {resources.nodes} --processes {resources.processes} --threads {threads}"
        " --node-launcher '{resources.node_launcher}' --node-logs {params.logs}"
        " --limit-minutes $(({resources.runtime} * $BAYLING_SCHEDULED)) $BAYLING_LIVE"
        " 2>&1 | tee {log}"


rule export:
    """An 8-bit system, written tensor by tensor."""
    input:
        lambda wildcards: STUDY.layout.checkpoint(STUDY.layout.base(wildcards.system)),
    output:
        directory(f"{S}/int8/{{system}}"),
    log:
        f"{S}/logs/export/{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=lambda wildcards: STUDY.export_settings(wildcards.system),
        code=STUDY.code("export"),
        record=lambda wildcards: f"{S}/runs/export/{wildcards.system}.json",
    shell:
        "python -m bayling_study.export --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --checkpoint {input} --out {output} > {log} 2>&1"


rule perplexity:
    """Perplexity of an 8-bit system against the system it was made from."""
    input:
        base=lambda wildcards: STUDY.layout.checkpoint(
            STUDY.layout.base(wildcards.system)
        ),
        checkpoint=f"{S}/int8/{{system}}",
        prompts=STUDY.layout.prompts(),
    output:
        f"{S}/exports/{{system}}.json",
    log:
        f"{S}/logs/perplexity/{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        settings=lambda wildcards: STUDY.perplexity_settings(wildcards.system),
        code=STUDY.code("export.perplexity"),
        record=lambda wildcards: f"{S}/runs/perplexity/{wildcards.system}.json",
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.config.suites),
    shell:
        "$BAYLING_ONE_GPU python -m bayling_study.export.perplexity --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --checkpoint {input.checkpoint} --base-checkpoint {input.base}"
        " --prompts {params.prompts} --suites {params.suites} --out {output} > {log} 2>&1"

rule foundation:
    """A base model in the hub's format, with tokenizer and chat template."""
    input:
        f"{STUDY.layout.resources}/download/{{source}}-{{row}}/manifest.json",
    output:
        directory(f"{STUDY.layout.resources}/foundation/{{source}}-{{row}}"),
    log:
        f"{STUDY.layout.resources}/logs/foundation/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("foundation"),
        runtime=STUDY.minutes("foundation"),
    params:
        code=STUDY.code("foundation"),
        record=lambda wildcards: f"{STUDY.layout.resources}/runs/foundation/{wildcards.source}-{wildcards.row}.json",
        download=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m bayling_study.stages.foundation --code {params.code}"
        " --record {params.record} --download {params.download} --out {output} > {log} 2>&1"

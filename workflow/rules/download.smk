rule download:
    """One source of the manifest, verified; partial files survive a failure."""
    output:
        f"{STUDY.layout.resources}/downloads/{{source}}-{{row}}/manifest.json",
    log:
        f"{STUDY.layout.resources}/logs/download/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    retries: RETRIES
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        local=lambda wildcards: STUDY.config.download.local.get(wildcards.source, ""),
        record=lambda wildcards: f"{STUDY.layout.resources}/runs/download/{wildcards.source}-{wildcards.row}.json",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m bayling_study.download $BAYLING_DOWNLOAD --record {params.record}"
        " --source {wildcards.source} --out {params.folder} > {log} 2>&1"


rule foundation:
    """A base model in the hub's format, with tokenizer and chat template."""
    input:
        f"{STUDY.layout.resources}/downloads/{{source}}-{{row}}/manifest.json",
    output:
        directory(f"{STUDY.layout.resources}/foundations/{{source}}-{{row}}"),
    log:
        f"{STUDY.layout.resources}/logs/foundation/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=STUDY.code("download.foundation"),
        record=lambda wildcards: f"{STUDY.layout.resources}/runs/foundation/{wildcards.source}-{wildcards.row}.json",
        download=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m bayling_study.download.foundation --code {params.code}"
        " --record {params.record} --download {params.download} --out {output} > {log} 2>&1"

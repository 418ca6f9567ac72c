rule download:
    """One source of the manifest, verified; partial files survive a failure."""
    output:
        f"{STUDY.layout.resources}/downloads/{{source}}-{{row}}/manifest.json",
    log:
        f"{S}/logs/download/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    retries: RETRIES
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        settings=STUDY.settings("download", "download"),
        code=STUDY.code("download"),
        record=lambda wildcards: f"{S}/runs/download/{{source}}.json",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m bayling_study.download --settings {params.settings}"
        " --record {params.record} --code {params.code}"
        " --source {wildcards.source} --out {params.folder} > {log} 2>&1"


rule foundation:
    """A base model in the hub's format, with tokenizer and chat template."""
    input:
        f"{STUDY.layout.resources}/downloads/{{source}}-{{row}}/manifest.json",
    output:
        directory(f"{STUDY.layout.resources}/foundations/{{source}}-{{row}}"),
    log:
        f"{S}/logs/foundation/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=lambda wildcards: STUDY.foundation_settings(wildcards.source),
        system=lambda wildcards: STUDY.foundation_name(wildcards.source),
        code=STUDY.code("download.foundation"),
        record=lambda wildcards: f"{S}/runs/foundation/{{source}}.json",
        download=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m bayling_study.download.foundation --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {params.system}"
        " --download {params.download} --out {output} > {log} 2>&1"

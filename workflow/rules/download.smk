rule download:
    """One source of the manifest, verified; partial files survive a failure."""
    output:
        f"{STUDY.layout.resources}/download/{{source}}-{{row}}/manifest.json",
    log:
        f"{STUDY.layout.resources}/logs/download/{{source}}-{{row}}.log",
    wildcard_constraints:
        row="[0-9a-f]{8}",
    retries: RETRIES
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=1000,
        runtime=240,
        # A change of them fetches nothing again: studies share downloads.
        operations=STUDY.operations(),
        code=STUDY.code("download"),
    params:
        local=lambda wildcards: STUDY.local_state(wildcards.source),
        record=lambda wildcards: f"{STUDY.layout.resources}/runs/download/{wildcards.source}-{wildcards.row}.json",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m bayling_study.stages.download --operations {resources.operations} --code {resources.code}"
        " --record {params.record}"
        " --source {wildcards.source} --out {params.folder} > {log} 2>&1"

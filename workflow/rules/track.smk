rule track:
    """Every run record into MLflow, by one writer."""
    input:
        rules.report.output,
    output:
        f"{S}/runs/mlflow.json",
    log:
        f"{S}/logs/tracking.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        study=lambda wildcards: S,
        shared=STUDY.layout.shared_records(),
        uri=STUDY.tracking_option(),
    shell:
        "python -m bayling_study.shared.tracking --study {params.study} --shared {params.shared}"
        " {params.uri} --later --out {output} > {log} 2>&1"

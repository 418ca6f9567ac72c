rule comet_segments:
    """Training-side segments for the embedded COMET model, as text the other environment reads."""
    input:
        rules.corpora.output,
    output:
        f"{S}/comet/segments.jsonl",
    log:
        f"{S}/logs/comet/segments.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("comet_segments"),
        runtime=STUDY.minutes("comet_segments"),
    params:
        settings=STUDY.settings("comet.segments"),
        code=STUDY.code("comet.segments"),
        record=lambda wildcards: f"{S}/runs/comet/segments.json",
        corpora=lambda wildcards: f"{S}/corpora",
    shell:
        "python -m bayling_study.stages.comet.segments --settings {params.settings}"
        " --record {params.record} --code {params.code} --corpora {params.corpora}"
        " --out {output} > {log} 2>&1"


rule comet_training:
    """The embedded COMET model; its scores are reported as comet-embedded."""
    input:
        rules.comet_segments.output,
    output:
        directory(f"{S}/comet/training"),
    log:
        f"{S}/logs/comet/training.log",
    conda:
        "../../envs/comet.yaml"
    resources:
        mem_mb=STUDY.memory("comet_training"),
        runtime=STUDY.minutes("comet_training"),
        python=STUDY.comet_python(),
    params:
        settings=STUDY.settings("comet.training"),
        code=STUDY.code("comet.training"),
        record=lambda wildcards: f"{S}/runs/comet/training.json",
    shell:
        "{resources.python} -m bayling_study.stages.comet.training --settings {params.settings}"
        " --record {params.record} --code {params.code} --segments {input}"
        " --out {output} > {log} 2>&1"


rule comet_score:
    """COMET of all systems with one model load."""
    input:
        [f"{S}/generation/{system}" for system in STUDY.config.evaluated()],
        model=STUDY.comet_model(),
        encoder=STUDY.layout.manifests(STUDY.config.comet.encoder),
        more=list(STUDY.comet_more().values()),
        prompts=STUDY.layout.prompts(),
    output:
        directory(f"{S}/comet/score"),
    log:
        f"{S}/logs/comet/score.log",
    conda:
        "../../envs/comet.yaml"
    resources:
        mem_mb=STUDY.memory("comet_score"),
        runtime=STUDY.minutes("comet_score"),
        gpu=0,
        devices=ONE_GPU,
        python=STUDY.comet_python(),
        operations=STUDY.operations(),
    params:
        settings=STUDY.settings("comet.score"),
        code=STUDY.code("comet.score"),
        record=lambda wildcards: f"{S}/runs/comet/score.json",
        study=lambda wildcards: S,
        systems=" ".join(STUDY.config.evaluated()),
        suites=" ".join(STUDY.comet_suites()),
        cache=f"{STUDY.layout.resources}/cache/comet",
        encoder=lambda wildcards, input: (
            f"--encoder {input.encoder}" if input.encoder else ""
        ),
        more=" ".join("=".join(pair) for pair in STUDY.comet_more().items()),
    shell:
        "{resources.devices} {resources.python} -m bayling_study.stages.comet.score"
        " --settings {params.settings} --operations {resources.operations}"
        " --record {params.record} --code {params.code} --model {input.model}"
        " --prompts {params.study}/prompts --generation {params.study}/generation"
        " --systems {params.systems} --suites {params.suites} --cache {params.cache} {params.encoder}"
        " {params.more}"
        " --out {output} > {log} 2>&1"

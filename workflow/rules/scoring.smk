rule score:
    """One system's scores on all suites, with intervals."""
    input:
        outputs=f"{S}/outputs/{{system}}",
        prompts=STUDY.layout.prompts(),
    output:
        directory(f"{S}/scores/{{system}}"),
    log:
        f"{S}/logs/scoring/{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=STUDY.settings("scoring", "scoring", "suites"),
        code=STUDY.code("scoring"),
        record=lambda wildcards: f"{S}/runs/scoring/{wildcards.system}.json",
        prompts=lambda wildcards: f"{S}/prompts",
        suites=" ".join(STUDY.config.suites),
    shell:
        "python -m bayling_study.scoring --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --prompts {params.prompts} --outputs {input.outputs} --suites {params.suites}"
        " --out {output} > {log} 2>&1"


rule compare:
    """Which differences between systems are significant."""
    input:
        [f"{S}/outputs/{system}" for system in STUDY.config.systems],
        [f"{S}/scores/{system}" for system in STUDY.config.systems],
        STUDY.comet_scores(),
        prompts=STUDY.layout.prompts(),
    output:
        f"{S}/scores/comparisons.json",
    log:
        f"{S}/logs/scoring/compare.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=STUDY.settings("compare", "scoring", "suites"),
        code=STUDY.code("scoring.compare"),
        record=lambda wildcards: f"{S}/runs/scoring/compare.json",
        study=lambda wildcards: S,
        systems=" ".join(STUDY.config.systems),
        suites=" ".join(STUDY.config.suites),
    shell:
        "python -m bayling_study.scoring.compare --settings {params.settings}"
        " --record {params.record} --code {params.code} --prompts {params.study}/prompts"
        " --outputs {params.study}/outputs --systems {params.systems} --suites {params.suites}"
        " --scores {params.study}/scores --out {output} > {log} 2>&1"


rule comet_segments:
    """Training-side segments for the embedded COMET model, as text the other environment reads."""
    input:
        rules.corpora.output,
    output:
        f"{S}/work/comet/segments.jsonl",
    log:
        f"{S}/logs/comet/segments.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=STUDY.settings("comet-segments", "scoring", "suites"),
        code=STUDY.code("scoring.comet_data"),
        record=lambda wildcards: f"{S}/runs/comet/segments.json",
        corpora=lambda wildcards: f"{S}/corpora",
    shell:
        "python -m bayling_study.scoring.comet_data --settings {params.settings}"
        " --record {params.record} --code {params.code} --corpora {params.corpora}"
        " --out {output} > {log} 2>&1"


rule comet_train:
    """The embedded COMET model; its scores are reported as comet-embedded."""
    input:
        rules.comet_segments.output,
    output:
        directory(f"{S}/comet-embedded"),
    log:
        f"{S}/logs/comet/train.log",
    conda:
        "../../envs/comet.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=STUDY.settings("comet-train", "scoring"),
        code=STUDY.code("scoring.comet"),
        python=STUDY.comet_python(),
        record=lambda wildcards: f"{S}/runs/comet/train.json",
    shell:
        "{params.python} -m bayling_study.scoring.comet train --settings {params.settings}"
        " --record {params.record} --code {params.code} --segments {input}"
        " --out {output} > {log} 2>&1"


rule comet_score:
    """COMET of all systems with one model load."""
    input:
        [f"{S}/outputs/{system}" for system in STUDY.config.systems],
        model=STUDY.comet_model(),
        encoder=STUDY.comet_encoder(),
        prompts=STUDY.layout.prompts(),
    output:
        directory(f"{S}/scores/comet"),
    log:
        f"{S}/logs/comet/score.log",
    conda:
        "../../envs/comet.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=0,
    params:
        settings=STUDY.settings("comet-score", "scoring", "suites"),
        code=STUDY.code("scoring.comet"),
        python=STUDY.comet_python(),
        record=lambda wildcards: f"{S}/runs/comet/score.json",
        study=lambda wildcards: S,
        systems=" ".join(STUDY.config.systems),
        suites=" ".join(STUDY.comet_suites()),
        cache=f"{STUDY.layout.resources}/cache/comet",
        encoder=lambda wildcards, input: (
            f"--encoder {input.encoder}" if input.encoder else ""
        ),
    shell:
        "{params.python} -m bayling_study.scoring.comet score --settings {params.settings}"
        " --record {params.record} --code {params.code} --model {input.model}"
        " --prompts {params.study}/prompts --outputs {params.study}/outputs"
        " --systems {params.systems} --suites {params.suites} --cache {params.cache} {params.encoder}"
        " --out {output} > {log} 2>&1"

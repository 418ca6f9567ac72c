rule judge:
    """A judge's reviews of one system's answers beside the baseline's, in both orders."""
    input:
        lambda wildcards: STUDY.judging_inputs(wildcards.suite),
        outputs=f"{S}/outputs/{{system}}",
        prompts=f"{S}/prompts/{{suite}}.jsonl",
    output:
        f"{S}/judging/{{system}}/{{suite}}.jsonl",
    log:
        f"{S}/logs/judging/{{suite}}-{{system}}.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=4000,
        runtime=480,
        gpu=0,
    params:
        place=lambda wildcards: STUDY.judging_place(wildcards.suite),
        settings=lambda wildcards: STUDY.judging_settings(wildcards.suite),
        code=STUDY.code("judging"),
        record=lambda wildcards: f"{S}/runs/judging/{wildcards.suite}-{wildcards.system}.json",
        judge=lambda wildcards: STUDY.judging_option(wildcards.suite),
        study=lambda wildcards: S,
        work=lambda wildcards: f"{S}/work/judging/{wildcards.suite}/{wildcards.system}",
    shell:
        "{params.place} python -m bayling_study.judging --settings {params.settings}"
        " --record {params.record} --code {params.code} --suite {wildcards.suite}"
        " --system {wildcards.system} {params.judge} --prompts {params.study}/prompts"
        " --outputs {params.study}/outputs --work {params.work} --out {output} > {log} 2>&1"


rule score:
    """One system's scores on all suites, with intervals."""
    input:
        lambda wildcards: STUDY.layout.reviews(wildcards.system),
        lambda wildcards: STUDY.layout.harness(wildcards.system),
        STUDY.spm(),
        outputs=f"{S}/outputs/{{system}}",
        prompts=STUDY.layout.prompts(),
    output:
        directory(f"{S}/scores/{{system}}"),
    log:
        f"{S}/logs/scoring/{{system}}.log",
    wildcard_constraints:
        system="|".join(STUDY.layout.evaluated()),
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory(2000),
        runtime=120,
    params:
        settings=STUDY.settings("scoring", "scoring", "suites"),
        code=STUDY.code("scoring"),
        record=lambda wildcards: f"{S}/runs/scoring/{wildcards.system}.json",
        prompts=lambda wildcards: f"{S}/prompts",
        judging=lambda wildcards: f"{S}/judging/{wildcards.system}",
        harness=lambda wildcards: STUDY.harness_option(wildcards.system),
        spm=STUDY.spm_option(),
        suites=" ".join(STUDY.config.suites),
    shell:
        "python -m bayling_study.scoring --settings {params.settings}"
        " --record {params.record} --code {params.code} --system {wildcards.system}"
        " --prompts {params.prompts} --outputs {input.outputs} --suites {params.suites}"
        " --judging {params.judging} {params.harness} {params.spm} --out {output} > {log} 2>&1"


rule compare:
    """Which differences between systems are significant."""
    input:
        [f"{S}/outputs/{system}" for system in STUDY.layout.evaluated()],
        [f"{S}/scores/{system}" for system in STUDY.layout.evaluated()],
        [STUDY.layout.reviews(system) for system in STUDY.layout.evaluated()],
        STUDY.layout.harness(*STUDY.layout.evaluated()),
        STUDY.spm(),
        STUDY.comet_scores(),
        prompts=STUDY.layout.prompts(),
    output:
        report(
            f"{S}/scores/comparisons.json",
            caption="../report/comparisons.rst",
            category="Results",
        ),
    log:
        f"{S}/logs/scoring/compare.log",
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory(3000),
        runtime=120,
    params:
        settings=STUDY.settings("compare", "scoring", "suites"),
        code=STUDY.code("scoring.compare"),
        record=lambda wildcards: f"{S}/runs/scoring/compare.json",
        study=lambda wildcards: S,
        systems=" ".join(STUDY.layout.evaluated()),
        suites=" ".join(STUDY.config.suites),
        spm=STUDY.spm_option(),
    shell:
        "python -m bayling_study.scoring.compare --settings {params.settings}"
        " --record {params.record} --code {params.code} --prompts {params.study}/prompts"
        " --outputs {params.study}/outputs --systems {params.systems} --suites {params.suites}"
        " --scores {params.study}/scores --judging {params.study}/judging"
        " --harness {params.study}/harness {params.spm} --out {output} > {log} 2>&1"


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
        [f"{S}/outputs/{system}" for system in STUDY.layout.evaluated()],
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
        mem_mb=STUDY.memory(4000),
        runtime=240,
        gpu=0,
    params:
        settings=STUDY.settings("comet-score", "scoring", "suites"),
        code=STUDY.code("scoring.comet"),
        python=STUDY.comet_python(),
        record=lambda wildcards: f"{S}/runs/comet/score.json",
        study=lambda wildcards: S,
        systems=" ".join(STUDY.layout.evaluated()),
        suites=" ".join(STUDY.comet_suites()),
        cache=f"{STUDY.layout.resources}/cache/comet",
        encoder=lambda wildcards, input: (
            f"--encoder {input.encoder}" if input.encoder else ""
        ),
    shell:
        "$BAYLING_ONE_GPU {params.python} -m bayling_study.scoring.comet score --settings {params.settings}"
        " --record {params.record} --code {params.code} --model {input.model}"
        " --prompts {params.study}/prompts --outputs {params.study}/outputs"
        " --systems {params.systems} --suites {params.suites} --cache {params.cache} {params.encoder}"
        " --out {output} > {log} 2>&1"

rule prompts:
    """One suite's prompts, references and what its scorer needs."""
    input:
        lambda wildcards: STUDY.suite_inputs(wildcards.suite, rules.corpora.output),
    output:
        f"{S}/prompts/{{suite}}.jsonl",
    log:
        f"{S}/logs/prompts/{{suite}}.log",
    priority: FIRST
    conda:
        "../../envs/study.yaml"
    resources:
        mem_mb=STUDY.memory("prompts"),
        runtime=STUDY.minutes("prompts"),
    params:
        settings=lambda wildcards: STUDY.settings("prompts", wildcards.suite),
        code=STUDY.code("prompts"),
        record=lambda wildcards: f"{S}/runs/prompts/{wildcards.suite}.json",
        data=lambda wildcards: STUDY.suite_options(wildcards.suite),
    shell:
        "python -m bayling_study.stages.prompts --settings {params.settings}"
        " --record {params.record} --code {params.code} --suite {wildcards.suite}"
        " {params.data} --out {output} > {log} 2>&1"

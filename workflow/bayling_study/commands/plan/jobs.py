"""The jobs of a study, by rule; a test holds their number to Snakemake's own dry run."""

from bayling_study.config.combined import MergedSystem
from bayling_study.config.systems import DeltaSystem, FoundationSystem, Int8System, TunedSystem
from bayling_study.dag.rules import Dag


def job_names(dag: Dag) -> dict[str, list[str]]:
    """Returns rule to its jobs in a run from nothing, of rules that do something: named after
    source, suite, mixture or system, or system and suite; the only job of a rule has no name."""
    layout, config = dag.layout, dag.config
    tuned, exports = layout.names(TunedSystem), layout.names(Int8System)
    mixtures = list(dict.fromkeys(layout.instructions(name).name for name in tuned))
    drawn = [suite for suite in config.suites if layout.suite_needs_corpora(suite)]
    comet = bool(dag.comet_scores())
    given = config.comet.path or config.comet.source  # a checkpoint that somebody made
    embedded = comet and config.comet.embedded is not None and not given
    foundations = (layout.system(n, FoundationSystem) for n in layout.names(FoundationSystem))
    more = [n for n, system in config.systems.items() if getattr(system, "vocabulary", None)]
    answering = layout.config.evaluated()
    shown = any(layout.example_text(name) for name in answering)
    judged = [f"{name} {suite}" for name in answering for suite in layout.judged_suites(name)]
    names = {
        "download": layout.used_sources(),
        "foundation": list(dict.fromkeys(system.source for system in foundations)),
        "corpora": [""] * bool(mixtures or drawn or embedded or more or shown or layout.probed()),
        "foundation_vocabulary": more,
        "synthesis": mixtures,
        "prompts": list(config.suites),
        **dict.fromkeys(("masks", "tuning"), tuned),
        "deltas_apply": layout.names(DeltaSystem),
        "deltas_merge": layout.names(MergedSystem),
        "deltas_make": [folder.name for folder in layout.deltas()],
        **dict.fromkeys(("export", "perplexity"), exports),
        "probing": layout.probed(),
        "generation": layout.with_model(),
        "generation_elsewhere": layout.without_model(),
        "harness": [folder.name for folder in layout.harness(*answering)],
        "judging": judged,
        "scoring": answering,
        "significance": [""],
        **dict.fromkeys(("comet_segments", "comet_training"), [""] * embedded),
        "comet_score": [""] * comet,
        **{rule: [""] for rule in ("report", "track")},
    }
    return {rule: jobs for rule, jobs in names.items() if jobs}


def job_counts(dag: Dag) -> dict[str, int]:
    """Returns rule to its number of jobs in a run from nothing."""
    return {rule: len(jobs) for rule, jobs in job_names(dag).items()}


def record_of(rule: str, name: str) -> tuple[str, str]:
    """Returns stage and name under which a job keeps its run record."""
    stage, _, part = rule.partition("_")
    if stage == "deltas" or part == "vocabulary":
        done = {"apply": "applied", "make": "made", "merge": "merged"}.get(part, part)
        return stage, f"{done}-{name}"
    if stage == "judging":
        return stage, "-".join(reversed(name.split(" ")))
    return stage, part if stage == "comet" else name or stage

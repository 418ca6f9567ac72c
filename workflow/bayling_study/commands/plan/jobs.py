"""How many jobs a study has, by rule; a test holds this to Snakemake's own dry run."""

from bayling_study.config.systems import DeltaSystem, FoundationSystem, Int8System, TunedSystem
from bayling_study.dag.rules import Dag


def job_counts(dag: Dag) -> dict[str, int]:
    """Returns rule to number of jobs of a run from nothing, without the rules that do nothing."""
    layout, config = dag.layout, dag.config
    tuned = layout.names(TunedSystem)
    exports = len(layout.names(Int8System))
    mixtures = {layout.instructions(name) for name in tuned}
    drawn = [suite for suite in config.suites if layout.suite_needs_corpora(suite)]
    comet = bool(dag.comet_scores())
    given = config.comet.path or config.comet.source  # a checkpoint that somebody made
    embedded = comet and config.comet.embedded is not None and not given
    counts = {
        "download": len(layout.used_sources()),
        "foundation": len({layout.foundation(name) for name in layout.names(FoundationSystem)}),
        "corpora": int(bool(mixtures or drawn or embedded)),
        "synthesis": len(mixtures),
        "prompts": len(config.suites),
        "masks": len(tuned),
        "tuning": len(tuned),
        "deltas_apply": len(layout.names(DeltaSystem)),
        "deltas_make": len(layout.deltas()),
        "export": exports,
        "perplexity": exports,
        "generation": len(layout.with_model()),
        "generation_elsewhere": len(layout.without_model()),
        "harness": len(layout.harness(*layout.evaluated())),
        "judging": sum(len(layout.reviews(system)) for system in layout.evaluated()),
        "scoring": len(layout.evaluated()),
        "significance": 1,
        "comet_segments": int(embedded),
        "comet_training": int(embedded),
        "comet_score": int(comet),
        "report": 1,
        "track": 1,
    }
    return {rule: count for rule, count in counts.items() if count}

"""The verdict of a study in a few sentences, computed from scores, tests and published values.

Every sentence names its test, and what is not significant is not said. They are the first
thing on the page, the last of ``make study``, and MLflow's description of the study.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from bayling_study.config.rehearsal import WARNING
from bayling_study.config.suites import InteractiveSuite, TranslationSuite
from bayling_study.config.systems import TunedSystem
from bayling_study.stages.report.cautions import few_segments
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.comparison import comparison_sentences
from bayling_study.stages.report.outcomes import MOST_NAMED, outcomes
from bayling_study.stages.report.verdicts import CLOSE, DIFFERS, NOT_COMPARABLE, REPRODUCED, Verdict

INTERFACES = ("homeassistant", "homeassistant-all", "django", "mediawiki")
"""Sources whose text is that of programs' interfaces: short, and of a narrow domain."""


def conclusion(study: Study, verdicts: Sequence[Verdict]) -> list[str]:
    """Returns the verdict's sentences, at least one; released outputs are judged by what is
    published on them alone, where something is."""
    reproduced = [*_reproduction(study, [row for row in verdicts if row.published is not None])]
    section = study.config.comparison
    found = [*comparison_sentences(study, section)] if section else []
    if not section and not (study.published_only and reproduced):
        found = [*outcomes(study)]
    nothing = "No two systems of this study were compared, and no published value concerns it."
    limits = "; ".join(_limits(study))
    if study.config.rehearsal:
        found.insert(0, WARNING)
    return [*(found + reproduced or [nothing]), *([f"Limits: {limits}."] if limits else [])]


def _reproduction(study: Study, judged: Sequence[Verdict]) -> Iterator[str]:
    """Yields how many published values are met, which are not, and how many cannot be compared."""
    found = Counter(row.verdict for row in judged)
    comparable = found[REPRODUCED] + found[CLOSE] + found[DIFFERS]
    if not judged:
        return
    within = f"within the metric's tolerance{'' if study.published_only else ' or our interval'}"
    yield (
        f"Of {comparable:,} comparable published values {found[REPRODUCED]:,} are reproduced "
        f"(equal at the printed decimals), {found[CLOSE]:,} close ({within}), {found[DIFFERS]:,} "
        f"different (by more); {found[NOT_COMPARABLE]:,} cannot be compared."
    )
    differ = [
        f"{' '.join(row.key)} {score.value:.{known.decimals}f}, not {known.text}"
        for row in judged
        if row.verdict == DIFFERS and (score := row.score) and (known := row.published)
    ]
    if differ:
        more = f"; and {len(differ) - MOST_NAMED:,} more" if len(differ) > MOST_NAMED else ""
        yield f"Different by more than the tolerance: {'; '.join(differ[:MOST_NAMED])}{more}."


def _limits(study: Study) -> Iterator[str]:
    """Yields what the sentences above cannot carry."""
    for what, _ in few_segments(study):
        yield what
    groups = (study.corpora or {}).get("parallel", {}).get("groups", {})
    sources = dict.fromkeys(group.partition("/")[0] for group in groups)
    suites = study.config.suites.values()
    if sources and any(isinstance(suite, TranslationSuite | InteractiveSuite) for suite in suites):
        texts = (f"{'interface ' * (name in INTERFACES)}text of {name}" for name in sources)
        yield f"all parallel text of this study is {', '.join(texts)}"
    if any(score.metric == "comet-embedded" for score in study.scores):
        yield "comet-embedded is a small model of this study's own, not COMET"
    if any(isinstance(system, TunedSystem) for system in study.config.systems.values()):
        seeds = study.config.comparison.seeds if study.config.comparison else 1
        once = "one training of each system" if seeds == 1 else f"{seeds} trainings of each method"
        yield f"{once}: the tests draw other segments, not other trainings"

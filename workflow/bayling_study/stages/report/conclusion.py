"""The verdict of a study in a few sentences, computed from scores, tests and published values.

Every sentence names its test, and what is not significant is not said. They are the first
thing on the page, the last of ``make study``, and MLflow's description of the study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bayling_study.config.suites import InteractiveSuite, TranslationSuite
from bayling_study.config.systems import TunedSystem
from bayling_study.stages.report.cautions import few_segments
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.outcomes import export_outcomes, outcomes
from bayling_study.stages.report.verdicts import CLOSE, DIFFERS, NOT_COMPARABLE, REPRODUCED, Verdict

MOST_NAMED = 4
"""Values that differ which a sentence names."""
TEXTS = {
    "homeassistant": "interface text", "po": "program messages", "libreoffice": "help pages",
    "udhr": "one declaration",
}  # fmt: skip
"""Readers whose format tells what kind of text it is."""


def conclusion(study: Study, verdicts: Sequence[Verdict]) -> list[str]:
    """Returns the verdict's sentences, at least one; released outputs are judged by what is
    published on them alone.

    Raises:
        StudyError: a score or prompt file of the study cannot be read.
    """
    judged = [row for row in verdicts if row.published is not None]
    reproduced = [*_reproduction(study, judged)]
    found = [] if study.published_only and reproduced else outcomes(study) + export_outcomes(study)
    if not (found or reproduced):
        found = ["No two systems of this study were compared, and no published value concerns it."]
    limits = "; ".join(_limits(study))
    return [*found, *reproduced, *([f"Limits: {limits}."] if limits else [])]


def _reproduction(study: Study, judged: Sequence[Verdict]) -> Iterator[str]:
    """Yields how many published values are met, which are not, and how many cannot be compared."""
    found = Counter(row.verdict for row in judged)
    comparable = found[REPRODUCED] + found[CLOSE] + found[DIFFERS]
    if not comparable:
        return
    within = "within the metric's tolerance"
    within += "" if study.published_only else " or our interval"
    yield (
        f"{found[REPRODUCED]:,} of {comparable:,} comparable published values are reproduced "
        f"(equal at the printed decimals), {found[CLOSE]:,} are close ({within}), "
        f"{found[DIFFERS]:,} {'differs' if found[DIFFERS] == 1 else 'differ'} (by more)."
    )
    differ = [*map(_named, (row for row in judged if row.verdict == DIFFERS))]
    if differ:
        more = f"; and {len(differ) - MOST_NAMED:,} more" if len(differ) > MOST_NAMED else ""
        yield f"Outside the tolerance: {'; '.join(differ[:MOST_NAMED])}{more}."
    if found[NOT_COMPARABLE]:
        yield (
            f"{found[NOT_COMPARABLE]:,} published values could not be compared; their reasons "
            "are in the table of verdicts."
        )


def _named(row: Verdict) -> str:
    suite, item, system, metric = row.key
    assert row.published is not None and row.score is not None
    ours = f"{row.score.value:.{row.published.decimals}f}"
    return f"{suite} {item} {system} {metric} {ours}, published {row.published.text}"


def _limits(study: Study) -> Iterator[str]:
    """Yields what the sentences above cannot carry."""
    for what, _ in few_segments(study):
        yield what
    suites = study.config.suites.values()
    if any(isinstance(suite, TranslationSuite | InteractiveSuite) for suite in suites):
        corpora = [c for c in study.config.corpora.parallel if c.role != "train"]
        kinds = dict.fromkeys(
            f"{TEXTS[c.reader]} ({c.source})" if c.reader in TEXTS else c.source for c in corpora
        )
        if kinds:
            yield f"held-out text of {', '.join(kinds)} alone"
    if any(score.metric == "comet-embedded" for score in study.scores):
        yield "comet-embedded is a small model of this study's own, not COMET"
    if any(isinstance(system, TunedSystem) for system in study.config.systems.values()):
        yield "one training of each system: the tests draw other segments, not other trainings"

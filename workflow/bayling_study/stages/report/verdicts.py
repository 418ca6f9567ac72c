"""Verdicts: does a score reproduce the published value?

- ``reproduced``: equal at the published decimals;
- ``close``: within the metric's tolerance (``TOLERANCES``); for a system that the study runs itself
  also when the published value lies in our interval, since a new run is a new sample;
- ``differs``: neither;
- ``not comparable``: there is no score, no target, or a partial copy; the reason says which;
- ``no published value``: a score that nobody published.

Values that this project recomputed, or that were quoted from memory, get a
verdict too, and the reason says what they are.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from bayling_study.core.files import write_text
from bayling_study.core.records import ROUNDING, Score
from bayling_study.core.tables import beside
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.published_table import Published, ScoreKey, whole_sizes

COLUMNS = ["suite", "item", "system", "metric", "published", "decimals"]
COLUMNS += ["ours", "low", "high", "n", "signature", "verdict", "reason"]
HEADING = "\t".join(COLUMNS) + "\n"
REPRODUCED, CLOSE, DIFFERS = "reproduced", "close", "differs"
NOT_COMPARABLE, NO_VALUE = "not comparable", "no published value"

_KNOWN: dict[str, dict[str, Any]] = beside(__file__)
DEFAULT_TOLERANCE = 0.05
TOLERANCES = _KNOWN["tolerances"]
"""Largest difference that is still ``close``, in the metric's unit. The default is the
spread of quoted BLEU values around recomputed ones (0.02) with a margin."""
REMARKS = _KNOWN["remarks"]
"""Kind of published value to what a reader of its verdict must know."""
RATIO_SYSTEM, RATIO_METRIC = "gpt-4", "comet-ratio-gpt-4"
RATIO_ITEM, RATIO_DIRECTIONS = "four-directions", ("zh-en", "en-zh", "de-en", "en-de")


class Verdict(NamedTuple):
    """One row of ``verdicts.tsv``; either side may be missing."""

    key: ScoreKey
    published: Published | None
    score: Score | None
    verdict: str
    reason: str

    def cells(self) -> list[str]:
        """Returns the row's cells in the order of ``COLUMNS``."""
        known, score = self.published, self.score
        digits = known.decimals + 2 if known else 4
        ours = [""] * 5
        if score is not None:
            numbers = (score.value, score.low, score.high)
            ours = ["" if number is None else f"{number:.{digits}f}" for number in numbers]
            ours += [str(score.n), score.signature]
        printed = [known.text, str(known.decimals)] if known else ["", ""]
        return [*self.key, *printed, *ours, self.verdict, self.reason]


class VerdictContext(NamedTuple):
    """What explains a missing score: the systems' kinds, the suites, and why items are absent."""

    systems: Mapping[str, str]
    suites: Iterable[str]
    absent: Mapping[tuple[str, str, str], str]
    """(suite, item, system) to the reason why there are no outputs."""
    sizes: Mapping[tuple[str, str], int] = {}
    """(suite, item) to the segments of the whole test set, where that is known."""


def verdicts(
    scores: Iterable[Score], published: Iterable[Published], context: VerdictContext
) -> list[Verdict]:
    """Returns a verdict for each published value of the study's systems, then for each other score.
    Published values of systems that the study does not have are left out."""
    every = [*scores]
    every += ratio_scores(every)
    found = {(score.suite, score.item, score.system, score.metric): score for score in every}
    known = [row for row in published if row.system in context.systems]
    rows = [_judge(row, found.get(row.key), context) for row in known]
    judged = {row.key for row in known}
    others = [Verdict(key, None, score, NO_VALUE, "") for key, score in found.items()]
    return rows + [row for row in others if row.key not in judged]


def ratio_scores(scores: Iterable[Score]) -> list[Score]:
    """Returns COMET of each system relative to GPT-4's, in per cent: a direction and the mean.
    BayLing's headline "95 % of GPT-4" is the mean over the four directions of the training."""
    comet = {(s.suite, s.system, s.item): s for s in scores if s.metric == "comet"}
    results: list[Score] = []
    for suite, system in dict.fromkeys((suite, system) for suite, system, _ in comet):
        ratios: list[Score] = []
        for item in RATIO_DIRECTIONS:
            own, best = comet.get((suite, system, item)), comet.get((suite, RATIO_SYSTEM, item))
            if own is not None and best is not None and best.value > 0 and system != RATIO_SYSTEM:
                ratios.append(_ratio(own, item, 100 * own.value / best.value, own.n))
        if len(ratios) == len(RATIO_DIRECTIONS):
            mean, segments = fmean(row.value for row in ratios), sum(row.n for row in ratios)
            ratios.append(_ratio(ratios[0], RATIO_ITEM, mean, segments))
        results += ratios
    return results


def _ratio(like: Score, item: str, value: float, segments: int) -> Score:
    signature = f"100 x system / {RATIO_SYSTEM}|{like.signature}"
    if like.metric == RATIO_METRIC:
        signature = f"mean of {len(RATIO_DIRECTIONS)} ratios|{like.signature}"
    names = (like.suite, item, like.system, RATIO_METRIC)
    return Score(*names, value, None, None, segments, signature)


def _judge(known: Published, score: Score | None, context: VerdictContext) -> Verdict:
    if known.kind in ("approximate", "not-recomputable"):
        return Verdict(known.key, known, score, NOT_COMPARABLE, f"{known.kind}: {known.note}")
    if score is None:
        return Verdict(known.key, known, None, NOT_COMPARABLE, _missing(known, context))
    whole = context.sizes.get((known.suite, known.item), score.n)
    if score.n != whole:
        reason = f"another test set or a partial copy: {score.n:,} of {whole:,} segments"
        return Verdict(known.key, known, score, NOT_COMPARABLE, reason)
    verdict = _compare(known, score, context.systems[known.system] != "published")
    remarks = [REMARKS.get(known.kind, "")]
    if verdict != REPRODUCED:
        difference = score.value - known.value
        remarks += [f"ours is {abs(difference):.4g} {'higher' if difference > 0 else 'lower'}"]
        remarks += [known.note if known.kind == "published" else ""]
    return Verdict(known.key, known, score, verdict, "; ".join(part for part in remarks if part))


def _compare(known: Published, score: Score, own_run: bool) -> str:
    difference = abs(score.value - known.value)
    if difference <= 0.5 * 10**-known.decimals + ROUNDING:
        return REPRODUCED
    if difference <= TOLERANCES.get(known.metric, DEFAULT_TOLERANCE) + ROUNDING:
        return CLOSE
    if own_run and score.low is not None and score.high is not None:
        return CLOSE if score.low <= known.value <= score.high else DIFFERS
    return DIFFERS


def _missing(known: Published, context: VerdictContext) -> str:
    """Returns why there is no score for a published value."""
    if known.suite not in context.suites:
        return f"the study has no suite {known.suite!r}"
    reason = context.absent.get((known.suite, known.item, known.system))
    if reason is not None:
        return f"no outputs: {reason}"
    if known.metric.startswith("comet"):
        return "COMET was not run on these outputs"
    return "not scored: the outputs it needs are not all there"


def write_verdicts(
    path: Path, scores: Iterable[Score], published: Iterable[Published], study: Study
) -> list[Verdict]:
    """Judges scores by the published values and writes ``verdicts.tsv``, UTF-8 without quoting."""
    config = study.config
    kinds = {name: system.kind for name, system in config.systems.items()}
    absent = {
        (row["suite"], row["item"], name): row["reason"]
        for name, system in study.systems.items()
        for row in system.get("absent", [])
    }
    context = VerdictContext(kinds, config.suites, absent, whole_sizes(config.suites))
    rows = verdicts(scores, published, context)
    lines = ["\t".join(" ".join(cell.split()) for cell in row.cells()) + "\n" for row in rows]
    write_text(path, HEADING + "".join(lines))
    return rows

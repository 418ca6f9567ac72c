"""How many segments the released test sets have, by which a partial copy is known."""

from __future__ import annotations

from typing import get_args

from bayling_study.config.suites import OPPONENTS, ReviewPart, Suite
from bayling_study.shared.metrics.aggregates import EXAM_MEANS
from bayling_study.stages.report.published_table import RATIO_DIRECTIONS, RATIO_ITEM

WMT22 = {
    **{"zh-en": 1875, "en-zh": 2037, "de-en": 1984, "en-de": 2037, "cs-en": 1448, "ja-en": 2008},
    **{"ru-en": 2016, "uk-en": 2018, "en-cs": 2037, "en-ja": 2037, "en-ru": 2037, "en-uk": 2037},
    **{"de-fr": 1984, "fr-de": 2006},
}
"""The general test sets of WMT22 (Kocmi et al. 2022, table 1; sacreBLEU's ``wmt22``)."""

EXAMS = {
    **{"gaokao-chinese": 246, "gaokao-english": 306, "gaokao-mathqa": 351, "gaokao-physics": 200},
    **{"gaokao-chemistry": 207, "gaokao-biology": 210, "gaokao-history": 235},
    **{"gaokao-geography": 199, "gaokao-mathcloze": 118, "sat-math": 220, "sat-en": 206},
    **{"sat-en-without-passage": 206, "aqua-rat": 254, "lsat-ar": 230, "lsat-lr": 510},
    **{"lsat-rc": 269, "logiqa-en": 651, "logiqa-zh": 651},
}
"""AGIEval v1 (microsoft/AGIEval at 3680910); a question is a segment."""

QUESTIONS = 80
"""Questions of each part of BayLing-80."""


def whole_sizes(suite: Suite) -> dict[str, int]:
    """Returns the segments of a released suite's items and averages; nothing for other kinds."""
    if suite.kind == "wmt22":
        return WMT22 | {RATIO_ITEM: sum(WMT22[item] for item in RATIO_DIRECTIONS)}
    if suite.kind == "constrained":
        return WMT22
    if suite.kind == "exams":
        means = {name: sum(EXAMS[task] for task in tasks) for name, tasks in EXAM_MEANS.items()}
        return EXAMS | means
    if suite.kind == "reviews":
        parts = get_args(ReviewPart)
        items = {f"{name}.{part}": QUESTIONS for name in OPPONENTS for part in parts}
        return items | dict.fromkeys(OPPONENTS, len(parts) * QUESTIONS)
    return {}

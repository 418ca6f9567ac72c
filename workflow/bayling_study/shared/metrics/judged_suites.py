"""Judged suites: what is scored is a judge's reviews, not the answers themselves.

The judging stage leaves ``SUITE.jsonl`` a system (``records.Hypothesis`` rows, one review each), by
the questions' ids with ``/1`` where the system under test was shown first, ``/2`` where second.
"""

from dataclasses import replace

from bayling_study.config.suites import JudgedSuite, Suite
from bayling_study.core.records import Prompt
from bayling_study.shared.review_prompts import ORDERS, review_id


def scored_prompts(suite: Suite, prompts: list[Prompt]) -> list[Prompt]:
    """Returns what a suite's scorer reads answers to: the prompts, or the reviews of a judge."""
    if not isinstance(suite, JudgedSuite):
        return prompts
    names = {"judge": suite.judge, "baseline": suite.baseline}
    return [
        replace(
            prompt,
            id=review_id(prompt.id, swapped),
            turns=prompt.turns[:1],
            meta={**prompt.meta, **names, "question_id": prompt.id, "swapped": swapped},
        )
        for prompt in prompts
        for swapped in ORDERS
    ]

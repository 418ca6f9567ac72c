"""One normal form on both sides of a comparison: answers and what they are compared with.

Two spellings of one text (U+095C, or U+0921 with U+093C) look alike and are the same by
the Unicode Standard (annex 15), yet no formula here would match them. So measures read
both sides in NFC; files keep their own text.

Released outputs are read as they are: the published values were computed so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options

MARK = "|norm:NFC"
"""Stands in a signature where some text of the item was not in NFC already."""
COMPARED = ("constraints", "demands")
"""Keys of a prompt's ``meta`` that answers are compared with, beside the references."""

Measure = Callable[[Answers, Options], list[Measurement]]


def one_form(measure: Measure) -> Measure:
    """Makes a kind's ``measure`` read both sides in NFC, and say so where that changes a text."""

    @wraps(measure)
    def measured(answers: Answers, options: Options) -> list[Measurement]:
        same = replace(
            answers,
            prompts=[_prompt(prompt) for prompt in answers.prompts],
            hypotheses=[_hypothesis(row) for row in answers.hypotheses],
        )
        if answers.released or same == answers:
            return measure(answers, options)
        found = measure(same, options)
        return [replace(one, signature=one.signature + MARK) for one in found]

    return measured


def _prompt(prompt: Prompt) -> Prompt:
    compared = {key: _nfc(prompt.meta[key]) for key in COMPARED if key in prompt.meta}
    return replace(prompt, references=_nfc(prompt.references), meta=prompt.meta | compared)


def _hypothesis(row: Hypothesis) -> Hypothesis:
    return replace(row, turns=_nfc(row.turns))


def _nfc(value: Any) -> Any:
    """Returns a JSON value with every text in NFC."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_nfc(one) for one in value]
    if isinstance(value, dict):
        return {key: _nfc(one) for key, one in value.items()}
    return value

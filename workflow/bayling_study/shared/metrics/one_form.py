"""One normal form on both sides of a comparison: answers and what they are compared with. U+095C
and U+0921 with U+093C are one letter (Unicode annex 15), yet no formula would match them. Files
keep their own text; released outputs are compared as they are."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from bayling_study.core.files import read_json
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options

MARK = "|norm:NFC"  # stands in a signature where some text of the item was not in NFC already
COMPARED = ("constraints", "demands")  # of a prompt's meta, beside its references

Measure = Callable[[Answers, Options], list[Measurement]]


def one_form(measure: Measure) -> Measure:
    """Makes a kind's ``measure`` read both sides in NFC, and say so where that changes a text."""

    @wraps(measure)
    def measured(answers: Answers, options: Options) -> list[Measurement]:
        same = answers if answers.released else _same(answers)
        mark = "" if same == answers else MARK
        return [replace(m, signature=m.signature + mark) for m in measure(same, options)]

    return measured


def is_released(outputs: Path) -> bool:
    """Tells whether others made the answers in a system's folder, by its ``system.json``."""
    declaration = outputs / "system.json"
    return declaration.exists() and read_json(declaration).get("kind") == "published"


def _same(answers: Answers) -> Answers:
    prompts = []
    for prompt in answers.prompts:
        own = [prompt.references, {key: prompt.meta[key] for key in COMPARED if key in prompt.meta}]
        if (new := nfc(own)) != own:  # a copy of each took 2.5 x the time
            prompt = replace(prompt, references=new[0], meta=prompt.meta | new[1])
        prompts.append(prompt)
    rows = [replace(row, turns=nfc(row.turns)) for row in answers.hypotheses]
    return replace(answers, prompts=prompts, hypotheses=rows)


def nfc(value: Any) -> Any:
    """Returns a JSON value with every text in NFC."""
    if isinstance(value, list):
        return [nfc(one) for one in value]
    if isinstance(value, dict):
        return {key: nfc(one) for key, one in value.items()}
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value

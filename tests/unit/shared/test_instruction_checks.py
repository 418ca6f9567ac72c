"""The checks of instructions agree with the reference's, and a perfect answer meets them all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bayling_study.shared.metrics.instruction_checks import follows, variants
from helpers.instruction_cases import cases, judged, reference

VERDICTS = int("4326c00181088293a40430c80430a0000c0200052140078c", 16)
"""Verdicts of evalscope 1.14.1 (``benchmarks/multi_if/ifeval.py``) on the first 200 cases, a bit
each; ``BAYLING_EVALSCOPE=FOLDER`` of the unpacked package asks it again, on 2,000."""


def test_verdicts_are_the_references() -> None:
    expected = [mark == "1" for mark in f"{VERDICTS:0200b}"]
    assert [follows(*case) for case in cases(200)] == expected
    assert 40 < sum(expected) < 160


def test_the_reference_still_agrees() -> None:
    folder = os.environ.get("BAYLING_EVALSCOPE")
    if folder is None:
        pytest.skip("BAYLING_EVALSCOPE is not set (a folder with the unpacked package evalscope)")
    module = reference(Path(folder))
    drawn = cases(2000)
    assert [follows(*case) for case in drawn] == [judged(module, case) for case in drawn]


def test_a_language_is_the_same_in_each_call() -> None:
    asked = {"language": "en"}
    kind = "language:response_language"
    assert len({follows(kind, "Hello world", asked) for _ in range(40)}) == 1


@pytest.mark.parametrize(
    ("kind", "answer", "arguments", "expected"),
    [
        ("keywords:existence", "I use c++ daily", {"keywords": ["C++"]}, True),
        ("keywords:letter_frequency", "Ёж ёлка", _letter := {
            "letter": "ё", "let_frequency": 2, "let_relation": "at least"}, True),
        ("keywords:letter_frequency", "Ёж", _letter, False),
        ("keywords:forbidden_words", "我们去公园吧", {"forbidden_words": ["公园"]}, True),
        ("punctuation:no_comma", "一，二", {}, True),
        ("punctuation:no_comma", "one, two", {}, False),
        ("length_constraints:number_words", "今天天气很好，我们去北京的公园吧。",
         {"num_words": 15, "relation": "at least"}, True),
        ("length_constraints:number_words", "今天天气很好，我们去北京的公园吧。",
         {"num_words": 16, "relation": "at least"}, False),
        ("startend:quotation", '"', {}, False),
        ("detectable_format:json_format", '```json\n{"a": 1}\n```', {}, True),
        ("detectable_format:json_format", "a: 1", {}, False),
        ("combination:two_responses", "a ****** a", {}, False),
        ("combination:two_responses", "a ****** b", {}, True),
    ],
)  # fmt: skip
def test_odd_cases(kind: str, answer: str, arguments: dict[str, object], expected: bool) -> None:
    assert follows(kind, answer, arguments) == expected


def test_loose_forms() -> None:
    assert variants("a\n*b*\nc") == [
        *("a\n*b*\nc", "a\nb\nc", "*b*\nc", "b\nc", "a\n*b*", "a\nb", "*b*", "b")
    ]
    assert variants("one") == ["one", "one"] and variants(" \n") == []

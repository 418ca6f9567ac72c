"""Batches: what is put together, and what fits into the context."""

from __future__ import annotations

import random

import pytest

from bayling_study.stages.generation.batching import PromptTokens, fit_context, plan


def requests(lengths: list[int], limit: int = 10) -> list[PromptTokens]:
    return [PromptTokens(f"p{n}", [1] * length, limit) for n, length in enumerate(lengths)]


def test_every_request_is_in_exactly_one_batch_of_the_allowed_size() -> None:
    random.seed(1)
    asked = requests([random.randint(1, 80) for _ in range(200)])
    batches = list(plan(asked, batch_tokens=600, max_batch=16))
    assert sorted(r.id for b in batches for r in b) == sorted(r.id for r in asked)
    for batch in batches:
        width = max(len(r.ids) for r in batch) + 10
        assert len(batch) <= 16
        assert len(batch) * width <= 600


def test_longest_come_first() -> None:
    lengths = [len(b[0].ids) for b in plan(requests([3, 90, 40, 7, 60]), 200, 2)]
    assert lengths == sorted(lengths, reverse=True)


def test_beams_count_as_rows() -> None:
    asked = requests([10] * 8)
    assert [len(b) for b in plan(asked, 160, 64)] == [8]
    assert [len(b) for b in plan(asked, 160, 64, beams=4)] == [2, 2, 2, 2]


def test_a_prompt_over_the_budget_is_alone() -> None:
    assert [len(b) for b in plan(requests([500, 5, 5]), 60, 64)] == [1, 2]


def test_a_batch_has_one_limit() -> None:
    mixed = [*requests([10, 10], limit=5), PromptTokens("q", [1] * 10, 8)]
    assert [{r.limit for r in b} for b in plan(mixed, 1000, 64)] == [{8}, {5}]


def test_no_requests_no_batches() -> None:
    assert list(plan([], 100, 4)) == []


@pytest.mark.parametrize(
    ("length", "max_new", "context", "limit", "cut"),
    [
        (10, 20, 100, 20, 0),  # fits
        (90, 20, 100, 10, 0),  # the answer gets what is left
        (95, 20, 100, 10, 5),  # half of the answer's room is kept for it
        (300, 20, 100, 10, 210),
        (10, 1000, 8, 4, 6),  # a context smaller than the answer's limit
        (5, 1, 5, 1, 1),
    ],
)
def test_context(length: int, max_new: int, context: int, limit: int, cut: int) -> None:
    request = fit_context("p", list(range(length)), max_new, context)
    assert (request.limit, request.cut) == (limit, cut)
    assert len(request.ids) + request.limit <= context
    assert request.ids == list(range(cut, length))

"""Batches: what is put together, and what fits into the context."""

from __future__ import annotations

import random

import pytest

from bayling_study.stages.generation.batching import (
    BatchLimits,
    PromptTokens,
    fit_context,
    in_order,
    taken,
)


def requests(lengths: list[int], limit: int = 10) -> list[PromptTokens]:
    return [PromptTokens(f"p{n}", [1] * length, limit) for n, length in enumerate(lengths)]


def batches(asked: list[PromptTokens], limits: BatchLimits, beams: int = 1) -> list[list[int]]:
    """The lengths of prompts that are taken, batch by batch, by those whose batches wait for
    their last answer."""
    waiting, found = in_order(asked), []
    while waiting:
        found.append([len(r.ids) for r in taken(waiting, limits, [], beams)])
    return found


def test_every_request_is_in_exactly_one_batch_of_the_allowed_size() -> None:
    random.seed(1)
    lengths = [random.randint(1, 80) for _ in range(200)]
    found = batches(requests(lengths), BatchLimits(600, 16))
    assert sorted(n for batch in found for n in batch) == sorted(lengths)
    for batch in found:
        assert len(batch) <= 16
        assert len(batch) * (max(batch) + 10) <= 600


def test_longest_come_first() -> None:
    assert batches(requests([3, 90, 40, 7, 60]), BatchLimits(200, 2)) == [[90, 60], [40, 7], [3]]


def test_beams_count_as_rows() -> None:
    asked = requests([10] * 8)
    assert [len(b) for b in batches(asked, BatchLimits(160, 64))] == [8]
    assert [len(b) for b in batches(asked, BatchLimits(160, 64), beams=4)] == [2, 2, 2, 2]


def test_a_prompt_over_the_budget_is_alone() -> None:
    assert batches(requests([500, 5, 5]), BatchLimits(60, 64)) == [[500], [5, 5]]


def test_no_requests_no_batches() -> None:
    assert batches([], BatchLimits(100, 4)) == [] == taken([], BatchLimits(100, 4), [])


def test_those_that_wait_take_the_places_that_are_free() -> None:
    waiting = in_order(requests([20, 50, 30, 40, 10]))
    limits = BatchLimits(tokens=1000, requests=4)
    assert [len(r.ids) for r in taken(waiting, limits, requests([70]))] == [50, 40, 30]
    assert [len(r.ids) for r in waiting] == [10, 20]
    assert taken(waiting, limits, requests([70] * 4)) == []  # no place
    assert [len(r.ids) for r in taken(waiting, BatchLimits(170, 4), requests([70]))] == [20]
    assert taken(waiting, BatchLimits(1, 4), requests([70])) == []
    assert [len(r.ids) for r in taken(waiting, BatchLimits(1, 4), [])] == [10]  # alone, if longer


def test_prompts_are_computed_a_thousand_tokens_at_once() -> None:
    asked = requests([400] * 5 + [2000])
    assert [len(b) for b in batches(asked, BatchLimits(10**6, 100))] == [1, 2, 2, 1]


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

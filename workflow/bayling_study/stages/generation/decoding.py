"""Decoding of requests: greedy, sampling, or beam search. Sampling draws one uniform number for
each token from a generator that belongs to the prompt, and takes the token in whose interval of the
cumulative distribution it falls; so no other request decides an answer. There is no top-k
or nucleus cut."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.shared.reading import common
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens, in_order, taken
from bayling_study.stages.generation.beams import BeamSearch
from bayling_study.stages.generation.token_loop import Kept, Row, TokenLoop, Writer, joined

DROP_SHARE = 8
"""Ended rows leave the batch once they are one in this many; a smaller number copies the
cache more often, a larger one computes more rows for nothing."""

Choice = Callable[[Tensor, Sequence[Row]], Tensor]
"""``(logits (rows, vocabulary), rows) -> token ids (rows,)``."""


class AnswerTokens(NamedTuple):
    """Ids of an answer's tokens, without the one that ended it; ``tokens`` counts that too.
    ``finish`` is ``stop`` or ``length``."""

    ids: list[int]
    tokens: int
    finish: str


Answered = tuple[PromptTokens, AnswerTokens]
Answers = Iterator[list[Answered]]
"""Requests with their answers, some at a time, in the order in which they end."""


@torch.inference_mode()  # type: ignore[untyped-decorator]  # while it runs, not while it waits
def decode(
    model: Any,
    limits: BatchLimits,
    kept: Kept,
    requests: list[PromptTokens],
    how: Decoding,
    stops: list[int],
    seeds: Mapping[str, Random],
) -> Answers:
    """Yields the answers to requests, of which there is at least one. ``model`` is in evaluation
    mode, ``stops`` are the ids that end an answer, ``seeds`` has the generator of each request's
    id, used only when sampling; ``kept`` is taken from and added to, up to as many tokens as are
    decoded at once. Beams exclude sampling (``StudyError``)."""
    if how.sample and how.beams > 1:
        raise StudyError("beam search and sampling exclude each other", fix="beams: 1")
    known = {r.id: common([kept[r.id].ids, r.ids[:-1]]) for r in requests if r.id in kept}
    asked = [request._replace(known=known.get(request.id, 0)) for request in requests]
    writer, waiting = Writer.of(model, asked, stops, kept), in_order(asked)
    if how.beams == 1:
        sampled = _sampling(how.temperature, seeds)
        # Of torch 2.13, ``argmax`` of bf16 takes six times as long on a CPU.
        choose = sampled if how.sample else lambda logits, _: logits.max(dim=-1).indices
        yield from _refilled(writer, waiting, limits, choose)
    while waiting:
        search = BeamSearch(writer, taken(waiting, limits, [], how.beams))
        yield _answered(search.run(how.beams), stops)


def ended(row: list[int], stops: set[int]) -> AnswerTokens:
    """Returns the answer that a row of generated tokens holds, up to its first stop."""
    for position, token in enumerate(row):
        if token in stops:
            return AnswerTokens(row[:position], position + 1, "stop")
    return AnswerTokens(row, len(row), "length")


def _answered(rows: list[Row], stops: list[int]) -> list[Answered]:
    return [(row.request, ended(row.answer, set(stops))) for row in rows]


def _sampling(temperature: float, seeds: Mapping[str, Random]) -> Choice:
    def choose(logits: Tensor, rows: Sequence[Row]) -> Tensor:
        cumulative = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
        numbers = [[seeds[row.request.id].random()] for row in rows]
        drawn = torch.tensor(numbers, dtype=torch.double, device=logits.device)
        # The sum may fall short of 1 by rounding: scale the draw, never pass the end.
        found = torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True)
        return found.squeeze(-1).clamp_(max=logits.shape[-1] - 1)

    return choose


def _refilled(
    writer: Writer, waiting: list[PromptTokens], limits: BatchLimits, choose: Choice
) -> Answers:
    """Yields the answers of rows that leave; those that wait take their places."""
    loops: list[TokenLoop] = []
    while waiting or loops:
        while batch := taken(waiting, limits, [r.request for loop in loops for r in loop.rows]):
            loops.append(TokenLoop(writer, batch))
            _step(loops[-1], choose)
        loop = joined(loops)
        _step(loop, choose)
        rows, stops = loop.rows, writer.stops
        left = [place for place, row in enumerate(rows) if not row.over(stops)]
        if (len(rows) - len(left)) * DROP_SHARE >= len(rows):
            for place, row in enumerate(rows):
                if row.over(stops) and row.request.goes_on:
                    held = sum(len(read.ids) for read in writer.kept.values())
                    if held + int(loop.lengths[place]) <= limits.tokens:
                        writer.kept[row.request.id] = loop.read(place)
            yield _answered([row for row in rows if row.over(stops)], stops)
            loop.select(torch.tensor(left, dtype=torch.long, device=loop.ids.device))
            loop.rows = [rows[place] for place in left]
        loops = [loop] if loop.rows else []


def _step(loop: TokenLoop, choose: Choice) -> None:
    """Adds a token to every answer that has not ended."""
    chosen = choose(loop.logits(), loop.rows)
    for row, token in zip(loop.rows, chosen.tolist(), strict=True):
        if not (row.answer and row.over(loop.stops)):
            row.answer.append(token)
    loop.append(chosen)

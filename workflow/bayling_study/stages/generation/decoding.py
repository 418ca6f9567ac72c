"""Decoding of one batch: greedy, sampling, or beam search. Sampling draws one uniform number for
each token from a generator that belongs to the prompt, and takes the token in whose interval of the
cumulative distribution it falls; so nothing else in the batch decides an answer. There is no top-k
or nucleus cut."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.stages.generation.batching import PromptTokens
from bayling_study.stages.generation.beams import BeamSearch
from bayling_study.stages.generation.token_loop import TokenLoop

DROP_SHARE = 8
"""Ended rows leave the batch once they are one in this many; a smaller number copies the
cache more often, a larger one computes more rows for nothing."""

Choice = Callable[[Tensor, Sequence[int]], Tensor]
"""``(logits (rows, vocabulary), row numbers) -> token ids (rows,)``."""


class AnswerTokens(NamedTuple):
    """Ids of an answer's tokens, without the one that ended it; ``tokens`` counts that too.
    ``finish`` is ``stop`` or ``length``."""

    ids: list[int]
    tokens: int
    finish: str


def decode(
    model: Any, batch: list[PromptTokens], how: Decoding, stops: list[int], seeds: list[Random]
) -> list[AnswerTokens]:
    """Returns the answers to a batch of requests with one common limit, in its order. ``model`` is
    in evaluation mode, ``stops`` are the ids that end an answer, ``seeds`` has a generator for each
    request, used only when sampling. Beams exclude sampling (``StudyError``)."""
    if how.sample and how.beams > 1:
        raise StudyError("beam search and sampling exclude each other", fix="beams: 1")
    with torch.inference_mode():
        if how.beams > 1:
            rows = BeamSearch(model, batch, stops).run(how.beams)
        elif how.sample:
            rows = _Loop(model, batch, stops).run(_sampling(how.temperature, seeds))
        else:
            rows = _Loop(model, batch, stops).run(lambda logits, _: logits.argmax(dim=-1))
    return [ended(row, set(stops)) for row in rows]


def ended(row: list[int], stops: set[int]) -> AnswerTokens:
    """Returns the answer that a row of generated tokens holds, up to its first stop."""
    for position, token in enumerate(row):
        if token in stops:
            return AnswerTokens(row[:position], position + 1, "stop")
    return AnswerTokens(row, len(row), "length")


def _sampling(temperature: float, seeds: list[Random]) -> Choice:
    def choose(logits: Tensor, rows: Sequence[int]) -> Tensor:
        cumulative = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
        drawn = torch.tensor([[seeds[row].random()] for row in rows], dtype=torch.double)
        # The sum may fall short of 1 by rounding: scale the draw, never pass the end.
        scaled = drawn.to(logits.device) * cumulative[:, -1:]
        found = torch.searchsorted(cumulative, scaled, right=True)
        return found.squeeze(-1).clamp_(max=logits.shape[-1] - 1)

    return choose


class _Loop(TokenLoop):
    """One token a row in each step."""

    def run(self, choose: Choice) -> list[list[int]]:
        for step in range(self.limit):
            chosen = choose(self.logits(), self.rows)
            ended = self._written(chosen.tolist())
            if all(ended) or step + 1 == self.limit:
                break
            self.append(chosen)
            if sum(ended) * DROP_SHARE >= len(ended):
                places = [place for place, over in enumerate(ended) if not over]
                self.select(torch.tensor(places, device=self.ids.device))
                self.rows = [self.rows[place] for place in places]
        return self.answers

    def _written(self, tokens: list[int]) -> list[bool]:
        """Adds a token to every answer that has not ended; returns which have."""
        ended: list[bool] = []
        for row, token in zip(self.rows, tokens, strict=True):
            answer = self.answers[row]
            if not (answer and answer[-1] in self.stops):
                answer.append(token)
            ended.append(answer[-1] in self.stops)
        return ended

"""Answers with a loaded model, piece by piece, one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from typing import Any

import torch

from bayling_study.commands.chat.writing import Writer, write
from bayling_study.commands.serve.request import DEFAULT_TOKENS, ChatRequest
from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates
from bayling_study.shared.models import Loaded


@dataclass
class Question:
    """A request as the model gets it; generation fills in the rest.

    Attributes:
        ids: the prompt's ids.
        limit: most tokens of the answer.
        request: what the client asked for.
        tokens: tokens generated so far, with the one that ended the answer.
        finish: ``stop`` or ``length``.
    """

    ids: list[int]
    limit: int
    request: ChatRequest
    tokens: int = 0
    finish: str = "length"


class Answerer:
    """A model that answers in a conversation template."""

    def __init__(self, loaded: Loaded, template: TemplateName) -> None:
        self.loaded, self.template = loaded, template
        self._ends = templates.stop_ids(loaded.tokenizer, template)
        self._turn = threading.Lock()  # the seed belongs to the process: one request at a time

    def question(self, request: ChatRequest) -> Question:
        """Returns a request's prompt and limit.

        Raises:
            StudyError: the turns are out of order, the template refuses them, or
                prompt and answer do not fit the model's context.
        """
        turns = [{"role": turn.role, "content": turn.text()} for turn in request.messages]
        ids = templates.prompt_ids(self.loaded.tokenizer, self.template, turns)
        room = self.loaded.context - len(ids)
        limit = request.limit() or max(1, min(DEFAULT_TOKENS, room))
        if limit > room:
            what = f"{len(ids)} tokens of messages and {limit} of answer pass {self.loaded.context}"
            raise StudyError(what, where="max_tokens", fix="send less, or ask for less")
        return Question(ids, limit, request)

    def pieces(self, question: Question) -> Iterator[str]:
        """Yields an answer as it is written; a caller that stops early ends the generation."""
        pieces: Queue[str | Exception | None] = Queue()
        left = threading.Event()
        stops = question.request.stops()
        writer = Writer(self.loaded.tokenizer, pieces.put, self._ends, stops, left.is_set)
        threading.Thread(target=self._run, args=(question, writer, pieces), daemon=True).start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            left.set()

    def _run(self, question: Question, writer: Writer, pieces: Queue[Any]) -> None:
        asked = question.request
        try:
            with self._turn:
                torch.seed() if asked.seed is None else torch.manual_seed(asked.seed)
                answer = write(
                    self.loaded.model,
                    question.ids,
                    question.limit,
                    writer,
                    asked.temperature,
                    asked.top_p,
                )
            question.tokens = len(answer)
            question.finish = "stop" if writer.stopped or answer[-1] in self._ends else "length"
            pieces.put(None)
        except Exception as error:  # belongs to the request, not to this thread
            pieces.put(error)

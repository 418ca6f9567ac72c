"""Answers with a loaded model, piece by piece, one request at a time."""

import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from queue import Queue
from typing import Any

from bayling_study.commands.chat.writing import Question, Writer, write
from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates
from bayling_study.shared.models import Loaded

DEFAULT_TOKENS = 512


class Answerer:
    """A model that answers in a conversation template."""

    def __init__(self, loaded: Loaded, template: TemplateName) -> None:
        self.loaded, self.template = loaded, template
        self._ends = templates.stop_ids(loaded.tokenizer, template)
        self._turn = threading.Lock()  # the memory is planned for one answer at a time

    def ids(self, messages: Sequence[templates.Message]) -> list[int]:
        """Returns the ids after which the model writes its answer (``StudyError`` if the turns are
        out of order, or the template refuses them)."""
        return templates.prompt_ids(self.loaded.tokenizer, self.template, messages)

    def prompt(self, messages: Sequence[templates.Message]) -> list[tuple[str, bool]]:
        """Returns the exact text that is sent, in runs of text and of special tokens (true)."""
        tokenizer = self.loaded.tokenizer
        specials = {n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
        runs = groupby(self.ids(messages), {*specials, *tokenizer.all_special_ids}.__contains__)
        return [(str(tokenizer.decode([*ids])), special) for special, ids in runs]

    def accept(self, question: Question) -> Question:
        """Fills in a question's ids and limit, and returns it (``StudyError`` if ``ids`` refuses
        the turns, or prompt and answer do not fit the context)."""
        question.ids = self.ids(question.messages)
        room = self.loaded.context - len(question.ids)
        question.limit = question.limit or max(1, min(DEFAULT_TOKENS, room))
        if question.limit > room:
            sent = f"{len(question.ids)} tokens of messages and {question.limit} of answer"
            what = f"{sent} pass {self.loaded.context}"
            raise StudyError(what, where="max_tokens", fix="send less, or ask for less")
        return question

    def pieces(self, question: Question) -> Iterator[str]:
        """Yields the answer to an accepted question as it is written, until the caller stops."""
        pieces: Queue[str | Exception | None] = Queue()
        left = threading.Event()
        writer = Writer(self.loaded.tokenizer, pieces.put, self._ends, question.stops, left.is_set)
        threading.Thread(target=self._run, args=(question, writer, pieces), daemon=True).start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            left.set()

    def _run(self, question: Question, writer: Writer, pieces: Queue[Any]) -> None:
        try:
            with self._turn:
                answer = write(self.loaded.model, question, writer)
            question.tokens = len(answer)
            question.finish = "stop" if writer.stopped or answer[-1] in self._ends else "length"
            pieces.put(None)
        except Exception as error:  # belongs to the request, not to this thread
            pieces.put(error)

"""Writes an answer piece by piece, for the terminal chat, the server and the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers.generation.streamers import BaseStreamer

from bayling_study.shared import templates
from bayling_study.shared.answer_text import answer_text


@dataclass
class Question:
    """A conversation, whose last turn is the user's, that waits for its next answer.

    That has at most ``limit`` tokens, or as many as the answerer usually gives, and ends before one
    of the texts ``stops``. A temperature of 0 is greedy; a draw is from the share ``top_p`` of the
    probability, by the ``seed`` or a new one every time. The model fills in the prompt's ``ids``,
    the ``tokens`` generated with the one that ended them, and ``finish``, ``stop`` or ``length``.
    """

    messages: Sequence[templates.Message]
    limit: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stops: Sequence[str] = ()
    ids: list[int] = field(default_factory=list)
    tokens: int = 0
    finish: str = "length"


class Writer(BaseStreamer, transformers.StoppingCriteria):  # type: ignore[misc]  # untyped
    """Hands text on as soon as it is final, and ends the answer before one of the ids ``ends`` or
    the texts ``stops``, which are no part of it, or when it is ``cancelled``."""

    def __init__(
        self,
        tokenizer: Any,
        emit: Callable[[str], object],
        ends: Sequence[int],
        stops: Sequence[str] = (),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.ends = list(ends)
        self._tokenizer, self._emit = tokenizer, emit
        self._stops, self._cancelled = stops, cancelled
        self._held = max(map(len, stops), default=1) - 1  # so many characters may begin a stop text
        self._ids: list[int] | None = None
        self.text, self.stopped = "", False

    def put(self, value: Any) -> None:
        """Takes the prompt, then each token."""
        if self._ids is None:
            self._ids = []
        else:
            self._ids += value.flatten().tolist()
            self._hand_on()

    def end(self) -> None:
        """Hands on what is left."""
        self._hand_on(last=True)

    def _hand_on(self, last: bool = False) -> None:
        ids = self._ids or []
        over = bool(ids) and ids[-1] in self.ends
        text = answer_text(self._tokenizer, [n for n in ids if n not in self.ends], cut=not over)
        found = [at for at in map(text.find, self._stops) if at >= 0]
        end = len(text) if last else max(0, len(text) - self._held)
        piece = text[len(self.text) : min(found, default=end)]
        if piece and not self.stopped and text.startswith(self.text):
            self.text += piece
            self._emit(piece)
        self.stopped = self.stopped or bool(found)

    def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
        """Returns whether each row is to end, which transformers asks after each token."""
        over = self.stopped or self._cancelled()
        return torch.full((len(input_ids),), over, dtype=torch.bool, device=input_ids.device)


class Draw(transformers.LogitsProcessor):  # type: ignore[misc]  # untyped
    """Makes the likeliest token a random one, drawn with a generator of its own. transformers draws
    with the process's generator, which answers that are written at once would take from each other.
    The least of exponential variables divided by the probabilities is a draw from them
    (Gumbel-max)."""

    def __init__(self, temperature: float, top_p: float, seed: int | None, device: Any) -> None:
        sharper = transformers.TemperatureLogitsWarper(temperature)
        self._shapes = [sharper, transformers.TopPLogitsWarper(top_p)]
        self._generator = torch.Generator(device)
        self._generator.seed() if seed is None else self._generator.manual_seed(seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Returns the scores of the next token, the drawn one's the highest."""
        scores = scores.float()
        for shape in self._shapes:
            scores = shape(input_ids, scores)
        drawn = torch.empty_like(scores).exponential_(generator=self._generator)
        return scores - drawn.clamp_(min=torch.finfo(scores.dtype).tiny).log()


def write(model: Any, question: Question, writer: Writer) -> list[int]:
    """Lets a model answer a question whose ids and limit are known; returns the answer's ids, with
    the one of ``writer.ends`` that ended it."""
    how = question.temperature, question.top_p, question.seed, model.device
    # Without a cut at the most likely tokens, as generation samples.
    processors = [Draw(*how)] if question.temperature > 0 else []
    greedy = {"do_sample": False, "temperature": None, "top_p": None}
    ids = torch.tensor([question.ids], device=model.device)
    with torch.inference_mode():
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=question.limit,
            eos_token_id=writer.ends,
            pad_token_id=writer.ends[0],
            streamer=writer,
            stopping_criteria=[writer],
            logits_processor=processors,
            **greedy,
        )
    answer: list[int] = output[0, len(question.ids) :].tolist()
    return answer

"""A conversation with a loaded model: turns in, streamed answers out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TextStreamer

from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates


class Streamed(TextStreamer):  # type: ignore[misc]  # transformers is not type-checked
    """Hands text on as soon as it can be decoded, and keeps it."""

    def __init__(self, tokenizer: Any, emit: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.emit = emit
        self.text = ""

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Takes the next piece of the answer."""
        self.text += text
        self.emit(text)


class ChatSession:
    """The turns so far, user and assistant in turn, and the model that answers them."""

    def __init__(
        self, model: Any, tokenizer: Any, template: TemplateName, context: int, answer_tokens: int
    ) -> None:
        if answer_tokens >= context:
            raise StudyError(
                f"the model has {context} positions, {answer_tokens} of them for the answer "
                "leave no room for a question",
                where="--answer-tokens",
            )
        self.model = model
        self.tokenizer = tokenizer
        self.template: TemplateName = template
        self.prompt_tokens = context - answer_tokens
        self.answer_tokens = answer_tokens
        self.messages: list[templates.Message] = []

    def reset(self) -> None:
        """Forgets all turns."""
        self.messages = []

    def prompt(self, question: str) -> str:
        """Returns the exact text, special tokens included, that a question would send."""
        return str(self.tokenizer.decode(self._ids(self._with(question))))

    def ask(self, question: str, temperature: float, emit: Callable[[str], None]) -> int:
        """Asks the next question, hands on each piece of the answer as it comes, and keeps it.

        A temperature of 0 is greedy decoding.

        Returns:
            How many earlier exchanges were forgotten to make room.

        Raises:
            StudyError: the question alone does not fit the model's context.
        """
        before = len(self.messages)
        messages = self._fitting(question)
        answer = self._generate(self._ids(messages), temperature, emit)
        self.messages = [*messages, {"role": "assistant", "content": answer}]
        return (before + 2 - len(self.messages)) // 2

    def _with(self, question: str) -> list[templates.Message]:
        return [*self.messages, {"role": "user", "content": question}]

    def _ids(self, messages: list[templates.Message]) -> list[int]:
        return templates.prompt_ids(self.tokenizer, self.template, messages)

    def _fitting(self, question: str) -> list[templates.Message]:
        """Drops the oldest exchanges until the prompt leaves room for an answer."""
        messages = self._with(question)
        while len(self._ids(messages)) > self.prompt_tokens:
            if len(messages) == 1:
                raise StudyError(f"the question is longer than {self.prompt_tokens} tokens")
            messages = messages[2:]
        return messages

    def _generate(self, prompt: list[int], temperature: float, emit: Callable[[str], None]) -> str:
        ids = torch.tensor([prompt], device=self.model.device)
        stops = templates.stop_ids(self.tokenizer, self.template)
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None}
        if temperature > 0:
            sampling = {"do_sample": True, "temperature": temperature, "top_k": 0}
        streamer = Streamed(self.tokenizer, emit)
        with torch.inference_mode():
            self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.answer_tokens,
                eos_token_id=stops,
                pad_token_id=stops[0],
                streamer=streamer,
                **sampling,
            )
        return streamer.text.strip()

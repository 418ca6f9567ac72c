"""Requests and answers of an endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.files import sha256_json
from bayling_study.core.seeds import derive_seed
from bayling_study.shared import reasoning

Message = Mapping[str, str]
"""``{"role": "user", "content": "…"}``."""

TEMPLATE_TOKENS = 16  # tokens that a chat template adds to a message, generously


class TryAgainError(Exception):
    """The request brought no answer, but may if it is sent again, after ``wait`` seconds if the
    server said so; ``reason`` says in a few words what happened, without any part of the answer."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass(frozen=True)
class ChatRequest:
    """One question to a server: the conversation so far, whose last message is the user's. The
    ``temperature`` 0 asks for the most probable tokens; the ``seed``, part of the cache's key, is
    for servers that can repeat a sample. Another ``attempt`` asks anew, past the cached answer."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    attempt: int = 0

    def body(self, system: EndpointSystem) -> dict[str, Any]:
        """Returns the body of the request, as the system's ``/chat/completions`` takes it."""
        body: dict[str, Any] = {
            "model": system.model,
            "messages": [dict(message) for message in self.messages],
            system.limit_key: self.max_tokens,
            "temperature": self.temperature,
        }
        if self.seed is not None:
            body["seed"] = self.seed
        body |= system.extra_body
        return {key: value for key, value in body.items() if value is not None}

    def key(self, server: str, system: EndpointSystem) -> str:
        """Returns the hash of all that decides the answer: server, body and attempt."""
        return sha256_json([server, self.body(system), self.attempt])

    @property
    def most_tokens(self) -> int:
        """Returns a bound on the tokens that it can cost: no byte-level vocabulary makes more of a
        text than that has UTF-8 bytes."""
        bound = sum(len(message["content"].encode()) + TEMPLATE_TOKENS for message in self.messages)
        return bound + self.max_tokens


@dataclass(frozen=True)
class ChatCompletion:
    """What the server answered: the text as it came, and ``thought`` that it sent apart from it.
    Where the server counts neither the answer's ``tokens`` nor the question's, both are bounds: the
    request's ``max_tokens``, the bytes of its messages. ``finish`` may be ``unknown``."""

    text: str
    tokens: int
    prompt_tokens: int
    finish: str
    thought: str = ""

    @property
    def parts(self) -> tuple[str, str]:
        """Returns the reasoning, wherever it stood, and the answer alone."""
        inner, answer = reasoning.split(self.text)
        return "\n\n".join(filter(None, (self.thought, inner))), answer


def request_seed(seed: int, *names: str) -> int:
    """Returns the seed of a request; servers take a signed integer of 32 bits."""
    return derive_seed(seed, *names) % (1 << 31)

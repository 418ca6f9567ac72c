"""What an engine is: token ids in, token ids out."""

import random
from dataclasses import dataclass, field
from typing import Any, Protocol

from bayling_study.config.suites import Decoding
from bayling_study.stages.generation.batching import PromptTokens
from bayling_study.stages.generation.decoding import AnswerTokens


class Decode(Protocol):
    """Answers a batch of requests with one common limit; see ``decoding.decode``."""

    def __call__(
        self, batch: list[PromptTokens], how: Decoding, stops: list[int], seeds: list[random.Random]
    ) -> list[AnswerTokens]:
        """Returns the answers in the order of the batch."""
        ...


@dataclass(frozen=True)
class Engine:
    """A loaded checkpoint.

    Attributes:
        name: ``transformers`` or ``vllm``.
        format: of the checkpoint's files.
        context: largest number of positions.
        batch_tokens, max_batch: how much one batch may hold.
        packages: versions of what decides the answers.
        set_aside: what the checkpoint's generation config says of decoding and nothing obeys.
    """

    name: str
    format: str
    tokenizer: Any
    context: int
    decode: Decode
    batch_tokens: int
    max_batch: int
    packages: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, Any] = field(default_factory=dict)

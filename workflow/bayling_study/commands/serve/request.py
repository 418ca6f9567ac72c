"""What a client may ask for, checked before any work: a key that means nothing here is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bayling_study.core.errors import StudyError

DEFAULT_TOKENS = 512
Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A part of the request; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class TextPart(Strict):
    """A piece of a content that a client sent as a list."""

    type: Literal["text"]
    text: Text


class Turn(Strict):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text | Annotated[list[TextPart], Field(min_length=1)]

    def text(self) -> str:
        """Returns the content as one string."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(Strict):
    """``include_usage`` asks for a last chunk with the counts of tokens."""

    include_usage: bool = False


class ChatRequest(Strict):
    """The body of ``/v1/chat/completions``; without a temperature decoding is greedy."""

    model: str | None = None
    messages: Annotated[list[Turn], Field(min_length=1)]
    temperature: float = Field(0.0, ge=0, le=2, allow_inf_nan=False)
    top_p: float = Field(1.0, gt=0, le=1, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] = 1
    user: str | None = None

    def stops(self) -> list[str]:
        """Returns the texts that end an answer."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def limit(self) -> int | None:
        """Returns the longest answer in tokens that the client wants."""
        return self.max_completion_tokens or self.max_tokens


def parse(body: bytes) -> ChatRequest:
    """Returns the checked request.

    Raises:
        StudyError: names the first key that is wrong.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise StudyError(first["msg"], where=".".join(map(str, first["loc"])) or None) from error

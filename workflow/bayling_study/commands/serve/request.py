"""What a client may ask for, checked before any work: a key that means nothing here is refused."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from bayling_study.commands.chat.writing import Question
from bayling_study.core.errors import StudyError

Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel, extra="forbid"):
    """A part of the request; unknown keys are errors, and null is as if the key were not there."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        kept = isinstance(value, dict)
        return {key: one for key, one in value.items() if one is not None} if kept else value


class TextPart(Strict):
    """A piece of a content that a client sent as a list."""

    type: Literal["text"]
    text: Text


Content = Text | Annotated[list[TextPart], Field(min_length=1)]


class Asking(Strict):
    """What is said to the model."""

    role: Literal["system", "user"]
    content: Content


class Answer(Strict):
    """What the model said, which may have been nothing."""

    role: Literal["assistant"]
    content: Literal[""] | Content


Turn = Annotated[Asking | Answer, Field(discriminator="role")]
"""One message of the conversation."""


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

    def question(self) -> Question:
        """Returns what the model is asked."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        limit = self.max_completion_tokens or self.max_tokens
        turns = [{"role": turn.role, "content": _text(turn.content)} for turn in self.messages]
        return Question(turns, limit, self.temperature, self.top_p, self.seed, stops)


def _text(content: str | list[TextPart]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)


Body = TypeVar("Body", bound=BaseModel)


def parse(body: bytes, kind: type[Body]) -> Body:
    """Returns a request's checked body (``StudyError``: names the first key that is wrong)."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise StudyError(first["msg"], where=".".join(map(str, first["loc"])) or None) from error

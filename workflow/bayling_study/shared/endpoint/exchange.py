"""One request over the wire: an answer, a reason to try again, or the end. Retries are the
caller's, who counts them. The answer is read piece by piece, so that the deadline also ends a
server that sends a byte now and then."""

import json
import logging
import time
from typing import Any

import openai
from httpx2 import HTTPTransport

from bayling_study.core.errors import StudyError
from bayling_study.core.files import NOT_JSON
from bayling_study.core.network import is_loopback, retry_after
from bayling_study.shared.endpoint.types import ChatCompletion, ChatRequest, TryAgainError

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells of every request

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses after which the same request may succeed: the server is busy or broken.
529 is what some services answer when they are overloaded."""
FINISHES = {"stop": "stop", "length": "length"}
MOST_BYTES = 1 << 26  # size at which an answer is given up
SHOWN = 300  # characters of a server's own message that are shown


class Connection:
    """A connection to one server, by its base address (``http://127.0.0.1:8000/v1``), with an empty
    key where it wants none; one answer may take ``timeout`` seconds."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        self.url, self._key, self._timeout = url, key, timeout
        # A transport of its own keeps the client from the proxies of the environment.
        own = openai.DefaultHttpxClient(transport=HTTPTransport()) if is_loopback(url) else None
        self._client = openai.OpenAI(
            base_url=url, api_key=key or "none", max_retries=0, timeout=timeout, http_client=own
        )

    def send(self, body: dict[str, Any], request: ChatRequest) -> ChatCompletion:
        """Sends a request and returns the answer (``TryAgainError`` if there is none this time,
        ``StudyError`` if the server refuses the request for good)."""
        try:
            return self._parsed(self._receive(body), request)
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except openai.APITimeoutError:
            raise TryAgainError(f"no answer in {self._timeout:g} seconds") from None
        except openai.APIConnectionError:
            raise TryAgainError("no connection") from None
        except openai.OpenAIError as error:
            raise TryAgainError(type(error).__name__) from None

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _receive(self, body: dict[str, Any]) -> bytes:
        end = time.monotonic() + self._timeout
        content = bytearray()
        create = self._client.chat.completions.with_streaming_response.create
        own = {key: body[key] for key in ("model", "messages")}
        rest = {key: value for key, value in body.items() if key not in own}
        with create(**own, extra_body=rest) as response:  # which takes any server's keys
            try:
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MOST_BYTES:
                        raise TryAgainError("the answer has no end")
                    if time.monotonic() > end:
                        raise TryAgainError(f"no complete answer in {self._timeout:g} seconds")
            except TryAgainError:
                raise
            except Exception as error:  # the connection's own errors are not openai's here
                raise TryAgainError(f"the answer was cut off ({type(error).__name__})") from None
        return bytes(content)

    def _parsed(self, content: bytes, request: ChatRequest) -> ChatCompletion:
        """Reads an answer; counts that the server does not give are bounds."""
        try:
            reply = json.loads(content)
            choice = reply["choices"][0]
            text, thought = _told(choice["message"])
            usage = reply.get("usage") or {}
            asked = request.most_tokens - request.max_tokens
            tokens = int(usage.get("completion_tokens", request.max_tokens))
            prompt_tokens = int(usage.get("prompt_tokens", asked))
        except (*NOT_JSON, LookupError, TypeError, AttributeError, OverflowError):
            raise TryAgainError("the answer is not a chat completion") from None
        if not isinstance(text, str) or not isinstance(thought, str):
            raise TryAgainError("the answer is not a text")
        finish = FINISHES.get(str(choice.get("finish_reason")), "unknown")
        text, thought = self._storable(text), self._storable(thought)
        return ChatCompletion(text, tokens, prompt_tokens, finish, thought)

    def _refusal(self, error: openai.APIStatusError) -> Exception:
        status = error.status_code
        if status in AGAIN:
            wait = retry_after(error.response.headers.get("retry-after"))
            return TryAgainError(f"status {status}", wait)
        message = self.scrubbed(" ".join(str(error.message).split()))[:SHOWN]
        what = f"the server refuses the request with status {status}: {message}"
        advice = "check url, model and key_env of the system" if status in {401, 403, 404} else None
        return StudyError(what, where=self.url, fix=advice or _other_body(str(error.message)))

    def _storable(self, text: str) -> str:
        """Lone surrogates become ?, and zeros go: the text must be one that UTF-8 can hold."""
        return self.scrubbed(text.encode("utf-8", "replace").decode("utf-8").replace("\0", ""))

    def scrubbed(self, text: str) -> str:
        """Returns a text without the key, which some servers repeat in their messages."""
        return text.replace(self._key, "[key]") if self._key else text


def _told(message: dict[str, Any]) -> tuple[Any, Any]:
    """Returns a message's text, and the reasoning that a server put beside it. The field is
    ``reasoning_content`` (DeepSeek, SGLang, llama.cpp) or ``reasoning`` (vLLM since 0.11, Ollama,
    OpenRouter); Mistral sends parts of the types ``thinking`` and ``text``."""
    content = message["content"] or ""
    thought = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(content, list):
        return content, thought
    inner = [part for part in content if part["type"] == "thinking"]
    thought = "".join(piece["text"] for part in inner for piece in part["thinking"]) or thought
    return "".join(part["text"] for part in content if part["type"] == "text"), thought


def _other_body(message: str) -> str | None:
    """Returns what to write where a server takes another body, as newer models do."""
    if "max_completion_tokens" in message:
        return "limit_key: max_completion_tokens"
    refused = next((key for key in ("temperature", "seed") if key in message), None)
    return f"extra_body: {{{refused}: null}}   (it is then not sent)" if refused else None

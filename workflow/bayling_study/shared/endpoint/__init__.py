"""A client of OpenAI-compatible servers: cached, resumable, limited in rate and in cost.

    endpoint = Endpoint(settings, Path("work/answers.jsonl"))
    for answer in endpoint.complete(ChatRequest([{"role": "user", "content": text}], 256) ...): ...

The key is read from the environment variable in the configuration; only the header gets it.
"""

from bayling_study.shared.endpoint.client import Endpoint
from bayling_study.shared.endpoint.types import ChatCompletion, ChatRequest, request_seed

__all__ = ["ChatCompletion", "ChatRequest", "Endpoint", "request_seed"]

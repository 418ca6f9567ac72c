"""Models in formats of our own for ``mlflow.pyfunc.load_model``, which calls ``_load_pyfunc``.

They are given messages and answer as ``mlflow.transformers`` does for ``llm/v1/chat``:

    model = mlflow.pyfunc.load_model("models:/embedded.tuned-int8@current")
    model.predict({"messages": [{"role": "user", "content": "…"}], "max_tokens": 64})
"""

from pathlib import Path
from typing import Any

MOST_TOKENS = 256
"""Tokens of an answer unless ``max_tokens`` says more or fewer."""


class ChatFlavour:
    """A model as MLflow wants it; ``pipeline`` is transformers' for text generation."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Returns one completion for each row of a table with ``messages``; greedy decoding."""
        return [self._answer(row | (params or {})) for row in data.to_dict("records")]

    def _answer(self, row: dict[str, Any]) -> dict[str, Any]:
        most = int(row.get("max_tokens") or MOST_TOKENS)
        written = self.pipeline(list(row["messages"]), max_new_tokens=most, do_sample=False)
        message = written[0]["generated_text"][-1]
        return {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ChatFlavour:
    """Loads the checkpoint of a folder, groupwise 8-bit or GGUF.

    Raises:
        StudyError: its files are absent, changed or of no known format.
    """
    from transformers import pipeline

    from bayling_study.config.evaluation import GenerationSection
    from bayling_study.shared.models import load

    loaded = load(Path(path), GenerationSection(**(model_config or {})))
    return ChatFlavour(pipeline("text-generation", loaded.model, tokenizer=loaded.tokenizer))

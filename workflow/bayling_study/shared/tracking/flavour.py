"""Models in formats of our own for ``mlflow.pyfunc.load_model``, which calls ``_load_pyfunc``."""

from pathlib import Path
from typing import Any

CHAT = {"task": "text-generation", "inference_task": "llm/v1/chat"}
"""MLflow's words for a model that is given messages and answers as OpenAI's API does."""
CALLED = {"add_special_tokens": False, "do_sample": False}
"""How MLflow calls the pipeline unless ``load_model(…, model_config=…)`` says otherwise: the chat
template writes the mark of the start itself, and transformers would draw tokens by default."""


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Any:
    """Loads a folder's checkpoint, 8-bit or GGUF (``StudyError`` if its files do not fit)."""
    from mlflow.transformers import _TransformersWrapper
    from transformers import pipeline

    from bayling_study.config.evaluation import GenerationSection
    from bayling_study.shared.models import load

    loaded = load(Path(path), GenerationSection())
    made = pipeline(CHAT["task"], loaded.model, tokenizer=loaded.tokenizer)
    return _TransformersWrapper(made, {**CHAT, "source_model_name": path}, model_config)

"""Section ``systems``: what answers prompts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bayling_study.config.base import Name, Section

TemplateName = Literal["bayling", "bayling-3", "foundation"]
"""Conversation template, always named and never guessed from a path."""


class FoundationSystem(Section):
    """A model before tuning."""

    kind: Literal["foundation"]
    source: Name
    """Id of the model's row in the source manifest."""
    template: TemplateName = "foundation"
    """How conversations become text: ``foundation`` is the chat template of the model's own
    tokenizer, ``bayling`` and ``bayling-3`` those of the papers' models."""


class TunedSystem(Section):
    """A foundation tuned on a mixture."""

    kind: Literal["tuned"]
    base: Name
    """Name of a foundation system."""
    mixture: Name
    """Name of a mixture of the section ``synthesis``."""
    template: TemplateName = "bayling"
    """How conversations become text, in training and in generation."""


class Int8System(Section):
    """The 8-bit export of another system."""

    kind: Literal["int8"]
    base: Name
    """Name of a tuned or foundation system."""
    format: Literal["groupwise", "bitsandbytes", "gguf"] = "groupwise"
    """``groupwise`` is the paper's scheme, loaded by this project; ``bitsandbytes`` is LLM.int8,
    which transformers loads by itself; ``gguf`` is Q8_0 for llama.cpp (Llama models only)."""


class PublishedSystem(Section):
    """Outputs that somebody released; only scored, never run."""

    kind: Literal["published"]
    source: Name
    """Id of the source that holds the outputs."""
    folders: dict[Literal["wmt22", "constrained", "exams", "reviews"], str]
    """Suite kind to the folder, inside the source, that holds this system's outputs; a
    kind that is not named was never released for it. Folder names differ in the
    release (``vicuna-13b-1.1``, ``vicuna-13B-1.1``), so each is written out."""


System = Annotated[
    FoundationSystem | TunedSystem | Int8System | PublishedSystem, Field(discriminator="kind")
]

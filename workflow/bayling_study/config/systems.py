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


class TunedSystem(Section):
    """A foundation tuned on a mixture."""

    kind: Literal["tuned"]
    base: Name
    """Name of a foundation system."""
    mixture: Name
    """Name of a mixture of the section ``synthesis``."""
    template: TemplateName = "bayling"


class Int8System(Section):
    """The 8-bit export of another system."""

    kind: Literal["int8"]
    base: Name
    """Name of a tuned or foundation system."""
    format: Literal["groupwise", "bitsandbytes", "gguf"] = "groupwise"
    """``groupwise`` is the paper's scheme; see ``bayling_study.export``."""


class PublishedSystem(Section):
    """Outputs that somebody released; only scored, never run."""

    kind: Literal["published"]
    source: Name
    """Id of the source that holds the outputs."""
    folders: dict[str, str]
    """Suite kind (``wmt22``, ``constrained``, ``exams``, ``reviews``) to the folder or
    file-name pattern of this system inside the source."""


System = Annotated[
    FoundationSystem | TunedSystem | Int8System | PublishedSystem, Field(discriminator="kind")
]

"""Finds a study's system on disk: its checkpoint, its template, its generation settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bayling_study.config import load_config
from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.shared.templates.choice import template_of

EMBEDDED = "config.yaml"
"""File name of the default study, which ``make`` calls ``embedded``."""


@dataclass(frozen=True)
class ChatModel:
    """A model to chat with: its checkpoint, and what a study says of it (a bare folder nothing)."""

    checkpoint: Path
    template: TemplateName | None
    section: GenerationSection | None


def find_system(files: Sequence[Path], name: str) -> ChatModel:
    """Returns a built system of the study that a config and files over it describe.

    Raises:
        StudyError: there is no such system, it only has released outputs, or it
            is not built yet (with the command that builds it).
    """
    config = load_config(*files)
    where = f"{files[0]}: systems"
    layout = Layout(config)
    answering = layout.with_model(*config.systems)
    if name not in answering:
        reasons = {
            "published": f"{name!r} only has released outputs; there is no model to run",
            "endpoint": f"{name!r} is already a server; there is no model to run",
        }
        system = config.systems.get(name)
        raise StudyError(
            reasons[system.kind] if system else f"there is no system {name!r}",
            where=where,
            fix=f"SYSTEM=NAME (or --system NAME) with one of: {', '.join(answering) or '(none)'}",
        )
    checkpoint = layout.checkpoint(name)
    if not checkpoint.is_dir():
        what = f"the system {name!r} is not built yet: {checkpoint} does not exist"
        raise StudyError(what, where=where, fix=build_command(files))
    return ChatModel(checkpoint, template_of(config, name), config.generation)


def build_command(files: Sequence[Path]) -> str:
    """Returns the ``make`` call that builds a study, given its config files."""
    name = "embedded" if files[0].name == EMBEDDED else files[0].stem
    extra = f' CONFIG="{" ".join(map(str, files[1:]))}"' if files[1:] else ""
    return f"make study STUDY={name}{extra}"

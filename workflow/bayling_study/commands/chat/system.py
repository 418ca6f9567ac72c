"""Which models chat, server and page talk to: systems of a study, or a checkpoint folder."""

from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bayling_study.commands.chat.answering import Answerer
from bayling_study.config import load_config
from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.loading import study_name
from bayling_study.config.systems import TemplateName
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.shared.models import load

MODEL = cli.OneOf(checkpoint=cli.path("folder of the model"), study_config=cli.STUDY_CONFIG)
"""The options that say where a model is."""


class ChatModel(NamedTuple):
    """A model to chat with, and what a study says of it; of a bare folder, nothing."""

    checkpoint: Path
    template: TemplateName | None = None
    section: GenerationSection | None = None


def chosen(options: Namespace, systems: Sequence[str | None]) -> list[tuple[str, ChatModel]]:
    """Returns the models that the options choose, each once, with the names that clients use
    (``StudyError`` if they contradict each other, or a system cannot be chatted with)."""
    names = list(dict.fromkeys(name or "" for name in systems))
    if options.study_config:
        return [(name, find_system(options.study_config, name)) for name in names]
    if any(names):
        what = "a system's name has a meaning only within a study"
        fix = f"--study-config config/config.yaml --system {' '.join(names)}"
        raise StudyError(what, where="--system", fix=fix)
    return [(options.checkpoint.resolve().name, ChatModel(options.checkpoint))]


def find_system(files: Sequence[Path], name: str) -> ChatModel:
    """Returns a built system of the study that a config and files over it describe (``StudyError``
    if there is none, it only has released outputs, or is not built yet)."""
    config = load_config(*files)
    where = f"{files[0]}: systems"
    layout = Layout(config)
    answering = layout.with_model(*config.systems)
    if name not in answering:
        what = f"there is no system {name!r}"
        if name in config.systems:
            said = {"published": "only has released outputs", "endpoint": "is already a server"}
            what = said.get(config.systems[name].kind, "has its members' answers alone")
            what = f"{name!r} {what}; there is no model to run"
        fix = f"SYSTEM=NAME (or --system NAME) with one of: {', '.join(answering) or '(none)'}"
        raise StudyError(what, where=where, fix=fix)
    checkpoint = layout.checkpoint(name)
    if not checkpoint.is_dir():
        what = f"the system {name!r} is not built yet: {checkpoint} does not exist"
        raise StudyError(what, where=where, fix=build_command(files))
    return ChatModel(checkpoint, config.template_of(name), config.generation_of(name))


def build_command(files: Sequence[Path]) -> str:
    """Returns the ``make`` call that builds a study."""
    extra = f' CONFIG="{" ".join(map(str, files[1:]))}"' if files[1:] else ""
    return f"make study STUDY={study_name(files[0])}{extra}"


def loaded(
    models: Iterable[tuple[str, ChatModel]], template: TemplateName | None = None, **changes: str
) -> dict[str, Answerer]:
    """Loads models, with changes of the section ``generation``: each in its own template unless one
    is named, a bare folder in its tokenizer's chat template."""
    result = {}
    for name, model in models:
        section = (model.section or GenerationSection()).model_copy(update=changes)
        own = template or model.template or "foundation"
        result[name] = Answerer(load(model.checkpoint, section), own)
    return result

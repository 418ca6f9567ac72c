"""What the command lines of chat, server and page share: which models are meant.

Either a system of a study by name (``--study-config FILES --system NAME``) or
any checkpoint folder (``--checkpoint DIR``).
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from bayling_study.commands.chat.system import ChatModel, find_system
from bayling_study.core import cli
from bayling_study.core.errors import StudyError

MODEL = {
    "model": cli.OneOf(
        checkpoint=cli.path("folder of the model"),
        study_config=cli.STUDY_CONFIG,
    ),
    "system": cli.option("name of a system of the study"),
}
"""The options that choose a model."""


def chosen(options: Namespace, systems: Sequence[str | None]) -> list[tuple[str, ChatModel]]:
    """Returns the models that the options choose, each once, with the names that clients use.

    Raises:
        StudyError: the options contradict each other, or a system cannot be chatted with.
    """
    names = list(dict.fromkeys(name or "" for name in systems))
    if options.study_config:
        return [(name, find_system(options.study_config, name)) for name in names]
    if any(names):
        raise StudyError(
            "a system's name has a meaning only within a study",
            where="--system",
            fix=f"--study-config config/config.yaml --system {' '.join(names)}",
        )
    folder: Path = options.checkpoint
    return [(folder.resolve().name, ChatModel(folder, None, None))]

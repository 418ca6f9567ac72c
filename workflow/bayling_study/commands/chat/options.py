"""What the chat's and the server's command lines share: which model is meant.

Either a system of a study by name (``--study-config FILES --system NAME``) or
any checkpoint folder (``--checkpoint DIR``).
"""

from __future__ import annotations

from argparse import Namespace

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


def chosen(options: Namespace) -> ChatModel:
    """Returns the model that the options choose.

    Raises:
        StudyError: the options contradict each other, or the system cannot be chatted with.
    """
    if options.study_config:
        return find_system(options.study_config, options.system or "")
    if options.system:
        raise StudyError(
            "a system's name has a meaning only within a study",
            where="--system",
            fix=f"--study-config config/config.yaml --system {options.system}",
        )
    return ChatModel(options.checkpoint, None, None)

"""What the chat's and the server's command lines share: which model is meant.

Either a system of a study by name (``--study-config FILES --system NAME``) or
any checkpoint folder (``--checkpoint DIR``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bayling_study.commands.chat.system import ChatModel, find_system
from bayling_study.core.errors import StudyError


def checkpoint_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Returns a parser with the options that choose a model, for ``bayling_study.MODULE``."""
    command = argparse.ArgumentParser(
        prog=f"python -m bayling_study.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    model = command.add_mutually_exclusive_group(required=True)
    model.add_argument("--checkpoint", type=Path, help="folder of the model")
    model.add_argument(
        "--study-config",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="config of the study whose --system is meant; later files override earlier ones",
    )
    command.add_argument("--system", help="name of a system of the study")
    return command


def chosen(options: argparse.Namespace) -> ChatModel:
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

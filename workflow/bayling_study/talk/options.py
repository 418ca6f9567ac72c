"""What the chat's and the server's command lines share."""

from __future__ import annotations

import argparse
from pathlib import Path


def checkpoint_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Returns a parser with ``--checkpoint`` for ``python -m bayling_study.MODULE``."""
    command = argparse.ArgumentParser(
        prog=f"python -m bayling_study.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--checkpoint", type=Path, required=True, help="folder of the model")
    return command

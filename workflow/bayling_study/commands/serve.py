"""Starts an OpenAI-compatible server for a system of a study, on this machine only.

Plain checkpoints and bitsandbytes exports are served by ``transformers serve``,
GGUF files by llama.cpp's ``llama-server`` (transformers would rebuild them in 32
bits). Both answer ``/v1/chat/completions`` with the chat template that the
checkpoint carries, listen on the loopback address and ask the hub for nothing.
Groupwise 8-bit files are this project's own layout, which no server knows.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from transformers.utils.import_utils import is_serve_available

from bayling_study.commands.chat.options import MODEL, chosen
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared.models import checkpoint_format

LOOPBACK = "127.0.0.1"
RUN = "from transformers.cli.transformers import main; main()"

COMMAND_LINE = cli.command(__name__, **MODEL, port=cli.number("port to listen on", default=8000))


def main() -> None:
    """Replaces this process by the server."""
    options = COMMAND_LINE.parse_args()
    checkpoint = chosen(options).checkpoint
    command = server_command(checkpoint, options.port)
    address = f"http://{LOOPBACK}:{options.port}/v1, model {checkpoint.resolve()}"
    print(address, file=sys.stderr, flush=True)
    os.execve(command[0], command, os.environ | {"HF_HUB_OFFLINE": "1"})


def server_command(checkpoint: Path, port: int) -> list[str]:
    """Returns the command that serves a checkpoint.

    Raises:
        StudyError: the port is no port, the server is not installed, or no
            server knows the checkpoint's format.
    """
    if not 1 <= port <= 65535:
        raise StudyError(f"{port} is not a port", where="--port", fix="--port 8000")
    kind = checkpoint_format(checkpoint)
    address = ["--host", LOOPBACK, "--port", str(port)]
    if kind == "groupwise":
        raise StudyError(
            "no server loads groupwise 8-bit files",
            where=checkpoint,
            fix="serve the system it was made from, or an int8 system with\n"
            "format: bitsandbytes   (or gguf)",
        )
    if kind == "gguf":
        return [*_llama_server(checkpoint), *address]
    if not is_serve_available():
        what = "transformers serve needs the packages fastapi, uvicorn, pydantic and openai"
        raise StudyError(what, fix="make envs   (or: pip install openai)")
    return [sys.executable, "-c", RUN, "serve", str(checkpoint.resolve()), *address]


def _llama_server(checkpoint: Path) -> list[str]:
    [file] = checkpoint.glob("*.gguf")
    program = shutil.which("llama-server")
    if program is None:
        raise StudyError(
            "GGUF files are served by llama.cpp, and llama-server is not on the PATH",
            where=file,
            fix="install llama.cpp, or serve an int8 system with\nformat: bitsandbytes",
        )
    return [program, "-m", str(file.resolve())]


if __name__ == "__main__":
    cli.run_program(main)

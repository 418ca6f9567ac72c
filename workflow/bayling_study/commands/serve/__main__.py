"""Starts an OpenAI-compatible server for systems of a study, on this machine only.

It answers ``/v1/models`` and ``/v1/chat/completions`` on the loopback address, where a system has
the name that the study gives it. It is asked in its own conversation template; a bare checkpoint in
the chat template that its tokenizer carries, unless ``--template`` names another.
"""

import json
import shlex
from typing import get_args

from bayling_study.commands.chat.system import MODEL, chosen, loaded
from bayling_study.commands.serve.app import PORT, application, serve
from bayling_study.commands.serve.guard import LOOPBACK
from bayling_study.config.systems import TemplateName
from bayling_study.core import cli

COMMAND_LINE = cli.command(
    __name__,
    model=MODEL,
    system=cli.option("names of systems of the study", nargs="+", default=[None]),
    template=cli.option(
        "of a --checkpoint; default: the one its tokenizer carries", choices=get_args(TemplateName)
    ),
    port=PORT,
    cors=cli.option("let pages of other servers on this machine ask", action="store_true"),
)


def main() -> None:
    """Loads the models and answers until the process is ended."""
    options = COMMAND_LINE.parse_args()
    models = chosen(options, options.system)
    told = greeting(f"http://{LOOPBACK}:{options.port}/v1", [name for name, _ in models])
    serve(options.port, lambda: application(loaded(models, options.template), options.cors), told)


def greeting(address: str, names: list[str]) -> str:
    """Returns the address, the models' names and a request to try."""
    messages = [{"role": "user", "content": "Translate into German: Good morning!"}]
    body = shlex.quote(json.dumps({"model": names[0], "messages": messages}))
    request = f"curl {address}/chat/completions -H 'Content-Type: application/json' -d {body}"
    return f"{address}, model {' and '.join(names)}; try\n{request}"


if __name__ == "__main__":
    cli.run_program(main)

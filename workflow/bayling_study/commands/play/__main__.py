"""Opens a page on this machine to talk to several systems of a study, side by side.

The same prompt goes to all of them. In blind mode the page hides who answers what until you
have voted; votes are kept as a sheet of ``ranking``, and the next report shows them.
"""

import torch
from starlette.applications import Starlette

from bayling_study.commands.chat.system import chosen, loaded
from bayling_study.commands.play.page import about, routes
from bayling_study.commands.play.votes import Votes
from bayling_study.commands.serve.app import PORT, application, serve
from bayling_study.commands.serve.guard import LOOPBACK
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.dag.layout import Layout

MOST = 4  # systems that fit beside each other on a screen

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    systems=cli.option("names of the systems", nargs="+", required=True),
    port=PORT,
)


def main() -> None:
    """Loads the systems, two or more, and serves the page until the process is ended."""
    options = COMMAND_LINE.parse_args()
    models = chosen(options, options.systems)
    if not 2 <= len(models) <= MOST:
        what = f"{len(models)} system(s) to compare"
        raise StudyError(what, where="--systems", fix=f'SYSTEMS="foundation tuned", at most {MOST}')
    config = load_config(*options.study_config)
    told = about(config)

    def made() -> Starlette:
        hashes = {name: sha256_path(model.checkpoint) for name, model in models}
        votes = Votes(Layout(config).study, hashes, config.study.seed)
        votes.check()
        answerers = loaded(models)
        share_cores(len(models))
        return application(answerers, more=routes(answerers, told, votes))

    names = " and ".join(name for name, _ in models)
    serve(options.port, made, f"http://{LOOPBACK}:{options.port}/  talk to {names}; Ctrl-C ends")


def share_cores(systems: int) -> None:
    """Gives each system its part of the CPU's threads: all of them answer at the same time. With
    all threads for each of two systems on 2 busy cores, one answer took up to 45 s and the other 1
    s; with one thread each, both took 3 to 8 s."""
    torch.set_num_threads(max(1, torch.get_num_threads() // systems))


if __name__ == "__main__":
    cli.run_program(main)

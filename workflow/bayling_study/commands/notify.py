"""Runs a command at the end of a study: ``make study NOTIFY='mail -s "$BAYLING_OUTCOME" me'``.

``NOTIFY`` is the user's own and goes to a shell. What the study has to say reaches it through the
environment, so that no title or answer can become a command: ``BAYLING_STUDY`` (results folder),
``BAYLING_OUTCOME`` (finished or failed), ``BAYLING_STATUS`` (exit status), ``BAYLING_REPORT`` and
``BAYLING_RESULT`` (the verdict's sentences, one a line), both empty where there is none.
"""

import os
import subprocess
import sys

from bayling_study.core import cli
from bayling_study.shared.verdict import read_verdict

COMMAND_LINE = cli.command(
    __name__,
    study=cli.STUDY,
    status=cli.number("exit status of the run", least=0, required=True),
)


def main() -> None:
    """Runs ``$NOTIFY``; a failure of it is said and fails nothing."""
    options = COMMAND_LINE.parse_args()
    finished, report = options.status == 0, options.study / "report" / "index.html"
    facts = {
        "STUDY": str(options.study),
        "OUTCOME": "finished" if finished else "failed",
        "STATUS": str(options.status),
        "REPORT": str(report) if finished and report.is_file() else "",
        "RESULT": "\n".join(read_verdict(options.study)) if finished else "",
    }
    told = {f"BAYLING_{name}": value for name, value in facts.items()}
    command = ["sh", "-c", os.environ.get("NOTIFY", "")]
    if status := subprocess.run(command, env=os.environ | told).returncode:
        print(f"NOTIFY: the command ended with exit status {status}", file=sys.stderr)


if __name__ == "__main__":
    cli.run_program(main)

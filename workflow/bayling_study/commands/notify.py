"""Runs a command at the end of a study: ``make study NOTIFY='mail -s "$BAYLING_OUTCOME" me'``.

``NOTIFY`` is the user's own and goes to a shell. What the study has to say reaches it through the
environment, so that no title or answer can become a command: ``BAYLING_STUDY`` (results folder),
``BAYLING_OUTCOME`` (finished or failed), ``BAYLING_STATUS`` (exit status), ``BAYLING_REPORT`` and
``BAYLING_RESULT`` (the verdict's sentences, one a line), both empty where there is no report.
"""

import os
import subprocess
import sys

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared.verdict import read_verdict

SECONDS = 60
"""How long the command may take."""

COMMAND_LINE = cli.command(
    __name__,
    study=cli.STUDY,
    status=cli.number("exit status of the run", least=0, required=True),
)


def main() -> None:
    """Runs ``$NOTIFY``; a failure of it is said and fails nothing."""
    options = COMMAND_LINE.parse_args()
    report = options.study / "report" / "index.html"
    finished = options.status == 0
    try:
        result = "\n".join(read_verdict(options.study)) if finished else ""
    except StudyError as error:
        result = error.render()
    facts = {
        "STUDY": str(options.study),
        "OUTCOME": "finished" if finished else "failed",
        "STATUS": str(options.status),
        "REPORT": str(report) if finished and report.is_file() else "",
        "RESULT": result,
    }
    environment = os.environ | {f"BAYLING_{name}": value for name, value in facts.items()}
    if trouble := run(os.environ.get("NOTIFY", ""), environment):
        print(f"NOTIFY: the command {trouble}", file=sys.stderr)


def run(command: str, environment: dict[str, str]) -> str:
    """Runs a command of a shell; returns what went wrong, if anything did."""
    if not command.strip():
        return ""
    try:
        done = subprocess.run(["sh", "-c", command], env=environment, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"took more than {SECONDS} s and was ended"
    return f"ended with exit status {done.returncode}" if done.returncode else ""


if __name__ == "__main__":
    cli.run_program(main)

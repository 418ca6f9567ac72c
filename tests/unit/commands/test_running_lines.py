"""What a run shows: a line per job, errors with their logs, nothing of Snakemake's chatter."""

import io
import logging
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import yaml
from snakemake_interface_logger_plugins.common import LogEvent

from bayling_study.commands.running import handler as handler_module
from bayling_study.commands.running.handler import LogHandler
from helpers import ROOT

SNAKEFILE = """
rule study:
    input: "tuned.txt", "broken.txt"

rule generation:
    output: "{system}.txt"
    log: "logs/{system}.log"
    wildcard_constraints: system="tuned"
    shell: "echo words of the program; touch {output}"

rule tuning:
    output: "broken.txt"
    log: "logs/broken.log"
    retries: 1
    shell: "echo the disk is full > {log}; exit 3"
"""


def snakemake(folder, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "Snakefile").write_text(SNAKEFILE)
    places = {"results": str(folder / "results"), "resources": str(folder / "resources")}
    (folder / "config").symlink_to(ROOT / "config")
    (folder / "more.yaml").write_text(yaml.safe_dump({"study": places}))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", *options]
    command += ["--show-failed-logs", "--logger", "lines", "--configfile"]
    command += [str(ROOT / "config/config.yaml"), "more.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_real_run_shows_jobs_and_errors_and_keeps_the_rest_in_its_log(tmp_path):
    done = snakemake(tmp_path)
    assert done.returncode == 1
    first, second, *_ = lines = done.stderr.splitlines()
    assert re.fullmatch(r"2 jobs; about \d+ min to go", first)
    log = tmp_path / second.removeprefix("Snakemake's own words: ")
    assert "Building DAG of jobs" in log.read_text() and "Building DAG" not in done.stderr
    assert [line for line in lines if re.match(r"\[[ 12]/2\] generation tuned, 0:0\d", line)]
    assert "Error in rule tuning" in done.stderr and "logs/broken.log" in done.stderr
    assert done.stderr.count("the disk is full") >= 2, "each failed attempt shows its log"
    assert "Trying to restart job" in done.stderr
    assert "localrule" not in done.stderr and "reason:" not in done.stderr


def test_nothing_to_do_is_said(tmp_path):
    for name in ("tuned", "broken"):
        (tmp_path / f"{name}.txt").touch()
    done = snakemake(tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "Nothing to be done (all requested files are present and up to date)."
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(handler_module, "LIVE_SECONDS", 0.02)
    made = LogHandler(SimpleNamespace(stdout=False), None)
    made.stream = Terminal()
    yield made
    made.close()


def message(event: LogEvent | None, text: str = "", level: int = logging.INFO, **facts):
    record = logging.LogRecord("snakemake", level, __file__, 1, text, None, None)
    record.__dict__ |= {"event": event} | facts
    return record


def waits(terminal: Terminal, text: str) -> bool:
    end = time.monotonic() + 10
    while text not in terminal.getvalue() and time.monotonic() < end:
        time.sleep(0.01)
    return text in terminal.getvalue()


def test_a_terminal_sees_what_runs_and_the_line_goes_when_a_job_has_ended(handler, tmp_path):
    terminal = handler.stream
    log = tmp_path / "tuned.log"
    handler.emit(message(
        LogEvent.JOB_INFO, jobid=1, rule_name="generation", threads=1, log=[log],
        wildcards={"system": "tuned", "row": "0f"},
    ))  # fmt: skip
    assert waits(terminal, "[0/0] running: generation tuned 0:00")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    log.write_text(
        f"{stamp} generation tuned: wmt22 turn 1: 2 of 9 answers in 00:01, 2 answers/s\n"
    )
    assert waits(terminal, "(wmt22 turn 1: 2 of 9 answers in")
    handler.emit(message(LogEvent.JOB_FINISHED, job_id=1))
    assert waits(terminal, "\r\x1b[K[1/0] generation tuned, 0:00")
    handler.close()
    before = terminal.getvalue()
    time.sleep(0.1)
    assert terminal.getvalue() == before


def test_chatter_is_hidden_until_something_is_wrong(handler):
    terminal = handler.stream
    handler.emit(message(None, "Select jobs to execute..."))
    handler.emit(message(LogEvent.PROGRESS, "1 of 2 steps"))
    handler.emit(message(None, "debugging", logging.DEBUG))
    assert terminal.getvalue() == ""
    handler.emit(message(None, "Creating conda environment envs/study.yaml..."))
    handler.emit(message(None, "made otherwise than they would be now: tuned", logging.WARNING))
    handler.emit(message(LogEvent.ERROR, "no space left", logging.ERROR))
    handler.emit(message(None, "Complete log(s): /x.log"))
    handler.close()
    assert terminal.getvalue().splitlines() == [
        "Creating conda environment envs/study.yaml...",
        "made otherwise than they would be now: tuned",
        "no space left",
        "Complete log(s): /x.log",
    ]


def test_a_message_that_is_not_understood_is_shown_and_ends_nothing(handler, monkeypatch):
    seen = []
    monkeypatch.setattr(handler, "handleError", seen.append)
    handler.emit(message(LogEvent.JOB_FINISHED, "Finished jobid: 7"))  # without its number
    handler.close()
    assert len(seen) == 1 and "Finished jobid: 7" in handler.stream.getvalue()


def recipe(*variables: str) -> str:
    """Returns what ``make study`` does once the workflow has ended."""
    said = subprocess.run(
        ["make", "-n", "study", *variables], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return said.stdout[said.stdout.index("status=$?") :]


@pytest.mark.parametrize(
    ("run", "status", "outcome"), [("true", 0, "finished"), ("exit 3", 3, "failed")]
)
def test_notify_is_told_the_outcome_and_the_run_keeps_its_status(run, status, outcome, tmp_path):
    title = '$(touch pwned) `touch pwned` "; touch pwned #'
    command = 'printf \'%s|\' "$BAYLING_OUTCOME" "$BAYLING_STATUS" "$BAYLING_STUDY" it\\\'s >told'
    after = recipe(f"NOTIFY={command}")
    asked = tmp_path / "python"  # which the recipe asks for the folder of the results
    asked.write_text("#!/bin/sh\nprintf '%s\\n' \"$TITLE\"\n")
    asked.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f"({run}); {after}"],
        cwd=tmp_path, env={"TITLE": title, "PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == status
    assert (tmp_path / "told").read_text() == f"{outcome}|{status}|{title}|it's|"
    assert not (tmp_path / "pwned").exists()


def test_a_notify_that_fails_is_said_and_fails_nothing(tmp_path):
    done = subprocess.run(
        ["sh", "-c", f"true; {recipe('NOTIFY=exit 7')}"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "NOTIFY: the command ended with exit status 7\n")


def test_verbose_gives_snakemake_its_own_words():
    said = [
        subprocess.run(["make", "-n", "study", *more], cwd=ROOT, capture_output=True, text=True)
        for more in ((), ("VERBOSE=1",))
    ]
    assert ["--logger lines" in run.stdout for run in said] == [True, False]

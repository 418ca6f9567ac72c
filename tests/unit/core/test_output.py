"""What programs print, where nobody reads it or it cannot be written; numbers they are given."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bayling_study.core import cli
from helpers import ROOT

CONFIG = "--study-config config/config.yaml"
PRINTING = {
    "commands.plan": CONFIG,
    "commands.status": CONFIG,
    "commands.study": f"{CONFIG} --folder",
    "commands.ranking": "--help",
    "commands.share": "--help",
}


def start(module: str, options: str, output: int, buffered: bool) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": "workflow",
        "PYTHONUNBUFFERED": "" if buffered else "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"bayling_study.{module}", *options.split()],
        cwd=ROOT, env=environment, stdout=output, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("module", PRINTING)
def test_a_reader_that_leaves_ends_a_program_quietly(module: str, buffered: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = start(module, PRINTING[module], writer, buffered)
    os.close(writer)
    said = program.communicate(timeout=120)[1]
    assert "Traceback" not in said and "Broken pipe" not in said, said
    # argparse itself says nothing of a help that it could not print
    assert program.returncode in ((cli.EXIT_UNREAD, 0) if "help" in PRINTING[module] else (141,))


def test_output_that_cannot_be_written_is_told_in_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        program = start("commands.study", f"{CONFIG} --folder", full.fileno(), buffered=True)
        said = program.communicate(timeout=120)[1]
    assert program.returncode == cli.EXIT_USER_ERROR
    assert said == "error: a file: No space left on device\n"


def test_a_broken_connection_is_no_reader_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        raise BrokenPipeError(errno.EPIPE, "a socket")

    with open(os.devnull, "w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(BrokenPipeError, match="a socket"):
            cli.run_program(main)


def raised(first: Exception, then: Exception) -> Exception:
    """Returns an error as it is when it was raised while another was handled."""
    then.__context__ = first
    return then


FULL = OSError(errno.ENOSPC, "No space left on device", "model.bin")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FULL, "model.bin: No space left on device"),
        (Exception("No space left on device (os error 28)"), "a file: No space left on device"),
        (raised(FULL, RuntimeError("unexpected pos")), "model.bin: No space left on device"),
        (ValueError("a bug"), ""),
        (raised(PermissionError(errno.EACCES, "no"), KeyError("a bug")), ""),
        (FileNotFoundError(errno.ENOENT, "a bug"), ""),
    ],
)
def test_faults_of_the_disk_are_known_by_number_text_or_what_they_led_to(error, told) -> None:
    assert cli.machine_fault(error) == told


@pytest.mark.parametrize("items", ["0", "-1", "x", "1.5", "1e3", "9" * 5_000, ""])
def test_a_number_that_makes_no_sense_is_refused(items: str, tmp_path: Path, capsys) -> None:
    from bayling_study.commands.ranking.__main__ import COMMAND_LINE

    words = ["export", "--study", "s", "--systems", "a", "b", "--out", str(tmp_path)]
    assert COMMAND_LINE.parse_args([*words, "--items", "7"]).items == 7
    with pytest.raises(SystemExit):
        COMMAND_LINE.parse_args([*words, f"--items={items}"])
    assert f"--items: {items!r} is not a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "nan", "inf", "-3"])
def test_a_rate_of_nothing_is_refused(value: str, capsys) -> None:
    from bayling_study.commands.plan.__main__ import COMMAND_LINE

    with pytest.raises(SystemExit):
        COMMAND_LINE.parse_args(["--study-config", "x", f"--teraflops={value}"])
    assert f"{value!r} is not a number from 0.001 on" in capsys.readouterr().err

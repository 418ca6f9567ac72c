"""README's two pictures, from a finished study: the report's first screen and the page to talk.

    make pictures                        # of the embedded study, into config/pictures

The models answer as they do in ``make play``, which the program starts; nothing is voted for, so
that the study stays as it is.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.dag.layout import Layout
from helpers.browser import Browser, Press, Type
from helpers.servers import free_port, wait_for_port

SIZE = (1200, 760)
COLOURS = 64
"""Colours of a picture; a page has few, and its file stays below 100 kB."""
QUESTION = (
    "Provide the English translation for this sentence: 无法登录 Hive 。无法识别您的电子邮件地址。"
)
"""A held-out prompt of the embedded study."""
LOADED = """new Promise((done) => {
  if (document.readyState === "complete") done(true);
  else addEventListener("load", () => done(true));
})"""
ANSWERED = """new Promise((done) => {
  const stop = [...document.querySelectorAll("button")].find((one) => one.textContent === "Stop");
  const look = () => stop.disabled ? done(true) : setTimeout(look, 100);
  setTimeout(look, 500);
})"""
TALK = (
    *(Press("Your prompt"), Type(QUESTION), Press("Send"), ANSWERED),
    *(Press("replace X by Y"), Press("old"), Type("Hive"), Press("new"), Type("Prana")),
    *(Press("Send"), ANSWERED),
)

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    systems=cli.option("names of the two systems", nargs="+", default=["foundation", "tuned"]),
    out=cli.path("folder of the pictures"),
)


def main() -> None:
    """Makes the pictures of the study that the command line names."""
    options = COMMAND_LINE.parse_args()
    report = (Layout(load_config(*options.study_config)).study / "report/index.html").resolve()
    port, files = free_port(), [str(path) for path in options.study_config]
    play = [sys.executable, "-m", "bayling_study.commands.play", "--port", str(port)]
    asked = ["--study-config", *files, "--systems", *options.systems]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen([*play, *asked]) as server:
        browser = Browser(Path(folder))
        try:
            take(browser, report.as_uri(), options.out / "report.png")
            address = f"http://127.0.0.1:{port}/"
            wait_for_port(port, server)
            take(browser, address, options.out / "play.png", *TALK)
        finally:
            browser.close()
            server.terminate()


def take(browser: Browser, address: str, path: Path, *steps: str) -> None:
    """Writes a small PNG of what a page shows after some steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    browser.evaluate(address, LOADED, *steps, size=SIZE, picture=path)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    cli.run_program(main)
